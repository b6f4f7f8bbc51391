"""Heatmaps with part affinity fields."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.codecs import build_codec
from hemline.codecs.heatmap import HeatmapCodec
from hemline.codecs.paf import PartFieldCodec
from hemline.errors import RecipeError

SQUARE = {"size_wh": (32, 32), "stride": 4, "keypoints": (15, 16, 17)}  # 8 x 8 cells


def test_a_level_limb_has_unit_vectors_in_its_band():
    codec = PartFieldCodec(**SQUARE, limbs=((0, 1),), width=1.0)
    # Cell (column 1, row 3) is centred at (6, 14): from the middle of column 1 to that of column 5.
    target = codec.encode(np.array([[6.0, 14.0], [22.0, 14.0], [0.0, 0.0]]), np.ones(3))
    expected = np.zeros((2, 8, 8))
    expected[0, 2:5, 1:6] = 1  # x to the right, one cell to either side
    np.testing.assert_allclose(target["paf"], expected, atol=1e-6)
    np.testing.assert_array_equal(target["limb_weight"], [1])


def test_a_slanted_limb_points_from_its_first_to_its_second_end():
    codec = PartFieldCodec(**SQUARE, limbs=((1, 0),), width=0.5)
    # 3-4-5: from cell (1, 1) to just past cell (4, 5) the unit vector is (0.6, 0.8), turned about by the order.
    target = codec.encode(np.array([[18.06, 22.08], [6.0, 6.0], [0.0, 0.0]]), np.array([0, 1, -1]))
    np.testing.assert_allclose(target["paf"][:, 1, 1], [0.6, 0.8], atol=1e-6)
    np.testing.assert_allclose(target["paf"][:, 5, 4], [0.6, 0.8], atol=1e-6)
    np.testing.assert_array_equal(target["paf"][:, 1, 6], 0)


def test_the_magnitude_has_one_channel_per_limb():
    limbs = ((0, 1), (0, 2), (1, 2))
    points = np.array([[6.0, 14.0], [22.0, 14.0], [10.0, 30.0]])
    vectors = PartFieldCodec(**SQUARE, limbs=limbs).encode(points, np.ones(3))["paf"]
    lengths = PartFieldCodec(**SQUARE, limbs=limbs, magnitude=True).encode(points, np.ones(3))["paf"]
    assert lengths.shape == (3, 8, 8)
    np.testing.assert_allclose(np.hypot(vectors[0::2], vectors[1::2]), lengths, atol=1e-6)


def test_a_limb_with_an_absent_end_or_no_length_has_no_field_and_no_weight():
    codec = PartFieldCodec(**SQUARE, limbs=((0, 1), (1, 2), (0, 2)))
    target = codec.encode(np.array([[6.0, 14.0], [-1.0, -1.0], [6.0, 14.0]]), np.array([1, -1, 1]))
    assert not target["paf"].any()
    np.testing.assert_array_equal(target["limb_weight"], 0)


def test_heatmaps_are_those_of_the_heatmap_codec_and_decode_alike():
    points, visibility = np.array([[6.3, 14.1], [22.7, 0.0], [32.0, 30.9]]), np.ones(3)
    target = PartFieldCodec(**SQUARE, limbs=((0, 1),)).encode(points, visibility)
    plain = HeatmapCodec(size_wh=(32, 32), stride=4).encode(points, visibility)
    np.testing.assert_array_equal(target["heatmaps"], plain["heatmaps"])
    codec = PartFieldCodec(**SQUARE, limbs=((0, 1),))
    keypoints, _ = codec.decode(codec.activate({name: value[None] for name, value in target.items()}))
    np.testing.assert_allclose(keypoints[0], points, atol=0.05)


def test_stages_and_decoding_are_those_of_the_heatmap_codec():
    codec = PartFieldCodec(**SQUARE, limbs=((0, 1),), stage_sigmas=[3.0], method="argmax")
    points = np.array([[6.3, 14.1], [22.7, 0.0], [32.0, 30.9]])
    target = codec.encode(points, np.ones(3))
    wide = HeatmapCodec(size_wh=(32, 32), stride=4, sigma=3.0).encode(points, np.ones(3))
    np.testing.assert_array_equal(target["heatmaps.0"], wide["heatmaps"])
    keypoints, _ = codec.decode({"heatmaps": target["heatmaps"][None]})
    np.testing.assert_array_equal(keypoints, [[[6, 14], [22, 2], [30, 30]]])


@pytest.mark.parametrize("limbs", [(), ((0, 3),), ((-1, 0),)])
def test_limbs_without_keypoints_are_errors(limbs):
    with pytest.raises(RecipeError, match="3 keypoints"):
        build_codec("paf", **SQUARE, limbs=limbs)
