"""Detector and keypoint network together, with ones that need no training."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from squares import draw_skirt

from hemline.errors import DataError, ImageError
from hemline.images import write_image
from hemline.infer.detect_then_find import DetectThenFind, choose, with_margin
from hemline.infer.detector import Detection, Detector, DetectorSchema
from hemline.infer.stream import Source, find_stream, predict_stream

SCHEMA = DetectorSchema(
    categories=("skirt", "dress"),
    detector={},
    size=64,
    detect={"margin": 0.0, "score": 0.5, "overlap": 0.7, "most": 20},
)


def find_patches(photos: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Find what is darker than grey: a skirt. What is lighter is a dress."""
    answers = []
    for photo in photos.transpose(0, 2, 3, 1):
        boxes, labels = [], []
        for label, level in ((1, 80), (2, 200)):
            mask = (np.abs(photo.astype(int) - level).max(2) < 15).astype(np.uint8)
            count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask, np.ones((5, 5), np.uint8)))
            for x, y, width, height, area in stats[1:count]:
                if area > 60:
                    boxes.append((x + 2, y + 2, x + width - 2, y + height - 2))
                    labels.append(label)
        scores = np.linspace(0.9, 0.6, len(boxes))
        answers.append({"boxes": np.array(boxes, float).reshape(-1, 4), "labels": np.array(labels), "scores": scores})
    return answers


def two_skirts() -> tuple[np.ndarray, list[np.ndarray]]:
    """A photo of two skirts on patches of their own, and their points."""
    photo, all_points = np.full((400, 800, 3), 128, np.uint8), []
    for left, edge in ((40, 300), (460, 200)):
        skirt, points = draw_skirt((edge, edge))
        skirt[(skirt == 128).all(2)] = 80
        photo[60 : 60 + edge, left : left + edge] = skirt
        all_points.append(points + np.array([left, 60]))
    return photo, all_points


@pytest.fixture
def finder(predictor) -> DetectThenFind:
    return DetectThenFind(Detector(find_patches, SCHEMA), predictor, margin=0.02)


def test_each_garment_of_a_photo_has_points_of_its_own(finder):
    """Which no single look could give: the squares of both skirts would be in one crop."""
    photo, truth = two_skirts()
    [garments] = finder.find([photo])
    assert [garment.prediction.category for garment in garments] == ["skirt", "skirt"]
    found = sorted((garment.prediction.keypoints[15:19] for garment in garments), key=lambda points: points[0, 0])
    for points, expected in zip(found, truth, strict=True):
        assert points == pytest.approx(expected, abs=2.0)
    lefts = sorted(garment.box[0] for garment in garments)
    assert lefts == pytest.approx([40, 460], abs=8)  # an input pixel of the detector is 12.5 of the photo


def test_a_neighbour_in_a_narrow_garments_crop_is_not_seen(predictor):
    """Two skirts of 160 x 300 pixels, 50 apart: a square crop about one would show the squares of both."""
    photo, truth = np.full((420, 420, 3), 128, np.uint8), []
    for left in (20, 230):
        skirt, points = draw_skirt((160, 300))
        skirt[(skirt == 128).all(2)] = 80
        photo[50:350, left : left + 160] = skirt
        truth.append(points + np.array([left, 50]))
    [garments] = DetectThenFind(Detector(find_patches, SCHEMA), predictor, margin=0.0).find([photo])
    found = sorted((garment.prediction.keypoints[15:19] for garment in garments), key=lambda points: points[0, 0])
    assert len(found) == 2
    for points, expected in zip(found, truth, strict=True):
        assert points == pytest.approx(expected, abs=4.0)


def test_photos_without_garments_and_garments_that_only_the_detector_knows_give_nothing(finder):
    empty = np.full((300, 300, 3), 128, np.uint8)
    dress = empty.copy()
    dress[50:250, 60:200] = 200
    assert finder.categories == ("skirt",)
    assert finder.find([empty, dress]) == [[], []]


def test_with_a_known_category_there_is_one_answer_per_photo(finder, predictor):
    photo, truth = two_skirts()
    [prediction] = finder.predict([photo], ["skirt"])
    assert prediction.keypoints[15:19] == pytest.approx(truth[0], abs=2.0)  # the surest, which comes first
    whole, expected = draw_skirt((200, 160))
    [prediction] = finder.predict([whole], ["skirt"])  # nothing is detected: the whole photo is looked at
    assert prediction.keypoints[15:19] == pytest.approx(expected, abs=1.0)
    assert prediction.keypoints == pytest.approx(predictor.predict([whole], ["skirt"])[0].keypoints, nan_ok=True)


def test_a_large_photo_is_kept_small_between_the_looks(finder):
    kept = finder.prepare(np.zeros((1000, 2000, 3), np.uint8))
    assert kept.photo.pixels.shape == (128, 256, 3)
    assert kept.photo.size_wh == (2000, 1000)


def test_streams_of_photos(finder, tmp_path):
    photo, _ = two_skirts()
    for name, image in (("two", photo), ("none", np.full((90, 90, 3), 128, np.uint8))):
        write_image(tmp_path / f"{name}.png", image)
    (tmp_path / "broken.png").write_bytes(b"no photo")
    names = ("two", "broken", "none", "two")
    wanted = (None, None, None, "dress")
    files = [tmp_path / f"{name}.png" for name in names]
    sources = [Source(str(at), category, files[at]) for at, category in enumerate(wanted)]
    outcomes = list(find_stream(finder, sources, workers=2))
    assert [len(outcome.garments) for outcome in outcomes] == [2, 0, 0, 0]  # a category takes its own garments
    assert [outcome.size_wh for outcome in outcomes] == [(800, 400), (512, 512), (90, 90), (800, 400)]
    assert [isinstance(outcome.error, ImageError) for outcome in outcomes] == [False, True, False, False]
    assert {garment.prediction.image_id for garment in outcomes[0].garments} == {"0"}
    [single] = predict_stream(finder, [Source("a", "skirt", tmp_path / "two.png")])
    assert single.prediction.category == "skirt"


def test_networks_without_a_common_category_are_refused(predictor):
    dresses = DetectorSchema(("dress",), {}, 64, SCHEMA.detect)
    with pytest.raises(DataError, match="the detector knows dress, the keypoint network skirt: no category in common"):
        DetectThenFind(Detector(find_patches, dresses), predictor, margin=0.1)


def test_the_category_comes_before_the_score():
    skirt, dress = Detection("skirt", (0, 0, 1, 1), 0.9), Detection("dress", (0, 0, 1, 1), 0.8)
    assert choose([skirt, dress], "dress") is dress
    assert choose([skirt, dress], "blouse") is skirt
    assert choose([], "dress") is None


def test_room_is_counted_from_the_points():
    # Points from 100 to 200 across and 100 to 300 down, with 5 % of 200 about them.
    box = (90.0, 90.0, 210.0, 310.0)
    assert with_margin(box, (1000, 1000), margin=0.05, present=0.05) == pytest.approx(box)
    assert with_margin(box, (1000, 1000), margin=0.15, present=0.05) == pytest.approx((70, 70, 230, 330))
    assert with_margin(box, (1000, 1000), margin=0.0, present=0.05) == pytest.approx((100, 100, 200, 300))
    assert with_margin(box, (215, 1000), margin=0.15, present=0.05) == pytest.approx((70, 70, 215, 330))
    narrow = (100.0, 90.0, 110.0, 310.0)
    assert with_margin(narrow, (1000, 1000), margin=0.0, present=0.05) == narrow
