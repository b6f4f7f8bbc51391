"""What every loss promises, with each of its codecs: loops over LOSSES. A new loss needs one entry in `OPTIMUM`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hemline.codecs import build_codec
from hemline.codecs.coordinates import CoordinateCodec
from hemline.learn.losses import LOSS_CODECS, LOSS_OUTPUT, LOSSES, Output, total_loss

pytestmark = pytest.mark.usefixtures("one_thread")

KEYPOINTS, LIMBS = (15, 16, 17, 18), ((0, 1), (0, 2), (1, 3))


def logits(target: Output) -> Output:
    return {"heatmaps": target["heatmaps"].logit(eps=1e-12)}


def between_cells(target: Output) -> Output:
    """Beliefs of at most four cells each, shared out so that their mean is the point."""
    *_, height, width = target["heatmaps"].shape
    x, y = (
        (1 - (target["coordinates"][:, :, axis, None] * cells - 0.5 - torch.arange(cells)).abs()).clamp_min(1e-30)
        for axis, cells in enumerate((width, height))
    )
    return {"heatmaps": (y[..., :, None] * x[..., None, :]).log()}  # (B, K, h, 1) * (B, K, 1, w) -> (B, K, h, w)


OPTIMUM: dict[str, Callable[[Output], Output]] = {
    **dict.fromkeys(
        ("heatmap_mse", "heatmap_weighted", "heatmap_posneg"), lambda target: {"heatmaps": target["heatmaps"]}
    ),
    "softmax_cross_entropy": lambda target: {"heatmaps": target["heatmaps"].clamp_min(1e-30).log() + 3},
    "heatmap_bce": logits,
    "heatmap_focal": logits,
    "integral_l1": between_cells,
    "background_mse": lambda target: {"background": 1 - target["heatmaps"].amax(1, keepdim=True)},
    "paf_mse": lambda target: {"paf": target["paf"]},
    "near_bce": lambda target: {"near": 80 * target["near"] - 40},
    "offset_huber": lambda target: {"offsets": target["offsets"]},
    "simcc_kl": lambda target: {name: target[name].clamp_min(1e-30).log() + 3 for name in ("simcc_x", "simcc_y")},
    "coordinate_l1": lambda target: {"coordinates": target["coordinates"]},
}
"""For each loss the output that cannot be better for a target."""

NOT_PER_KEYPOINT = {"background_mse", "paf_mse"}
CASES = [(name, codec) for name, codecs in LOSS_CODECS.items() for codec in codecs]


def encode(name: str, *, visible: tuple[bool, ...] = (True, True)) -> Output:
    """Targets of a codec, and the coordinates beside them, of one skirt per entry of `visible`, in float64.

    The points are half a cell or more from the edge, where beliefs can have their mean; those of an invisible skirt
    are absent.
    """
    codec = build_codec(name, size_wh=(32, 24), stride=4, keypoints=KEYPOINTS, limbs=LIMBS)
    coordinates = CoordinateCodec(size_wh=(32, 24))
    points = np.random.default_rng(0).uniform(0.1, 0.9, (len(visible), 4, 2)) * (32, 24)
    seen = [np.full(4, 1 if each else -1) for each in visible]
    targets = [coordinates.encode(*skirt) | codec.encode(*skirt) for skirt in zip(points, seen, strict=True)]
    return {key: torch.from_numpy(np.stack([target[key] for target in targets])).double() for key in targets[0]}


def random_output(name: str, target: Output) -> Output:
    generator = torch.Generator().manual_seed(0)
    shapes = {key: value.shape for key, value in OPTIMUM[name](target).items()}
    return {key: torch.randn(shape, generator=generator, dtype=torch.float64) for key, shape in shapes.items()}


def loss(name: str, output: Output, target: Output, weight: Tensor) -> Tensor:
    return total_loss([output], target, weight, terms=[(name, 1.0)])[0]


def test_every_loss_is_tested_here() -> None:
    assert OPTIMUM.keys() == LOSSES.keys()


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_values_and_weights_go_together(name: str, codec: str) -> None:
    target = encode(codec)
    output = random_output(name, target)
    assert LOSS_OUTPUT[name] in output
    values, weights = LOSSES[name](output, target, torch.ones(2, 4, dtype=torch.float64))
    assert values.shape == weights.shape
    assert len(values) == 2
    assert values.isfinite().all()
    assert (values > 0).all()


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_zero_at_the_optimum(name: str, codec: str) -> None:
    target = encode(codec)
    assert abs(float(loss(name, OPTIMUM[name](target), target, torch.ones(2, 4, dtype=torch.float64)))) < 1e-6


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_half_precision_is_no_worse(name: str, codec: str) -> None:
    target = {key: value.float() for key, value in encode(codec).items()}
    output = {key: value.bfloat16() for key, value in random_output(name, target).items()}
    values, _ = LOSSES[name](output, target, torch.ones(2, 4))
    assert values.dtype == torch.float32
    exact, _ = LOSSES[name]({key: value.float() for key, value in output.items()}, target, torch.ones(2, 4))
    torch.testing.assert_close(values, exact)


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_gradients_are_right(name: str, codec: str) -> None:
    target = encode(codec)
    output = random_output(name, target)
    weight = torch.tensor([[1.0, 0.5, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    leaves = tuple(value.requires_grad_() for value in output.values())
    assert torch.autograd.gradcheck(
        lambda *values: loss(name, dict(zip(output, values, strict=True)), target, weight), leaves
    )


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_a_garment_without_points_gets_no_gradient(name: str, codec: str) -> None:
    target = encode(codec, visible=(True, False))
    output = {key: value.requires_grad_() for key, value in random_output(name, target).items()}
    weight = torch.tensor([[1.0] * 4, [0.0] * 4], dtype=torch.float64)
    loss(name, output, target, weight).backward()
    for value in output.values():
        assert value.grad is not None
        assert value.grad[0].any()
        assert not value.grad[1].any()


@pytest.mark.parametrize(("name", "codec"), [case for case in CASES if case[0] not in NOT_PER_KEYPOINT])
def test_a_masked_keypoint_does_not_matter(name: str, codec: str) -> None:
    target = encode(codec)
    output = {key: value.requires_grad_() for key, value in random_output(name, target).items()}
    weight = torch.tensor([[1.0, 1.0, 0.0, 1.0]] * 2, dtype=torch.float64)
    before = loss(name, output, target, weight)
    before.backward()
    for value in output.values():
        assert value.grad is not None
        for point in range(4):
            assert bool(value.grad[:, point::4].any()) == (point != 2)  # of K channels, or of x of all points, then y
        value.detach()[:, 2::4] += 5
    assert torch.equal(loss(name, output, target, weight), before)


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_garments_are_judged_alone(name: str, codec: str) -> None:
    target = encode(codec)
    output = random_output(name, target)
    weight = torch.ones(2, 4, dtype=torch.float64)
    together, _ = LOSSES[name](output, target, weight)
    for row in range(2):
        one = slice(row, row + 1)
        alone, _ = LOSSES[name](
            {k: v[one] for k, v in output.items()}, {k: v[one] for k, v in target.items()}, weight[one]
        )
        torch.testing.assert_close(alone, together[one])
