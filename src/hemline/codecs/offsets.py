"""Points as discs of cells that each say where the point is, found again by voting.

Source: Papandreou et al. 2017 (G-RMI, arXiv 1701.01779): a mask of the cells near a keypoint, and the vector from
each of them to it; every cell casts a vote, as sure as its mask, spread over four cells bilinearly.
Differs: the winner is the centre of the votes about the highest cell, which is exact between the cells; votes
that are less than a tenth as sure as the surest one are not counted.
"""

from __future__ import annotations

import numpy as np

from hemline.codecs.peak import sigmoid
from hemline.errors import RecipeError

_REACH = 2
"""The votes of this many cells on each side of the highest one are averaged."""


class OffsetCodec:
    """Encode points as discs with offset vectors and decode votes into points.

    Args:
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell.
        radius: of the disc in cells, at least 1 so that every point has a cell; also the unit of the offsets.
    """

    def __init__(self, *, size_wh: tuple[int, int], stride: int, radius: float = 4.0) -> None:
        if radius < 1:
            raise RecipeError(f"codec 'offsets': option 'radius' must be at least 1 cell, got {radius}")
        self.size_wh = size_wh
        self.stride = stride
        self.radius = radius
        self.map_wh = (size_wh[0] // stride, size_wh[1] // stride)

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw one disc per point, and in it the vectors to its centre.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); maps of absent points (-1) stay zero.
        Returns:
            {"near": (K, h, w) of 0 and 1, "offsets": (2K, h, w) in radii, x of all points, then y}, all float32;
            offsets are zero outside the discs.
        """
        width, height = self.map_wh
        count = len(keypoints_crop)
        near = np.zeros((count, height, width), np.float32)
        offsets = np.zeros((2, count, height, width), np.float32)
        present = np.flatnonzero(visibility >= 0)
        if present.size:
            centres = keypoints_crop[present] / self.stride - 0.5  # cell index at the points, (P, 2)
            across = (centres[:, :1] - np.arange(width))[:, None, :].astype(np.float32)  # (P, 1, w)
            down = (centres[:, 1:] - np.arange(height))[:, :, None].astype(np.float32)  # (P, h, 1)
            inside = across**2 + down**2 <= self.radius**2
            near[present] = inside
            offsets[0, present] = inside * (across / self.radius)
            offsets[1, present] = inside * (down / self.radius)
        return {"near": near, "offsets": offsets.reshape(2 * count, height, width)}

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn mask logits into probabilities; offsets stay.

        Args:
            output: {"near": (B, K, h, w) logits, "offsets": (B, 2K, h, w)}.
        Returns:
            the same, float32, "near" in [0, 1].
        Edge cases: a cell with NaN, or whose offset is not finite, is near nothing.
        """
        logits, offsets = (np.asarray(output[name], np.float32) for name in ("near", "offsets"))
        near = sigmoid(logits)
        finite = np.isfinite(offsets)
        sound = finite.reshape(len(offsets), 2, *logits.shape[1:]).all(1) & ~np.isnan(logits)
        if not sound.all():
            near, offsets = np.where(sound, near, np.float32(0)), np.where(finite, offsets, np.float32(0))
        return {"near": near, "offsets": offsets}

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Bring the maps of a mirrored crop back to the unmirrored one; horizontal offsets change their sign.

        Args:
            activated: what `activate` returned for the mirrored crop.
            permutation: `flip_permutation` of the K points.
        """
        order = list(permutation)
        x, y = np.split(activated["offsets"], 2, axis=1)
        return {
            "near": activated["near"][:, order, :, ::-1],
            "offsets": np.concatenate([-x[:, order, :, ::-1], y[:, order, :, ::-1]], 1),
        }

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Collect the votes of all cells and find where most of them meet.

        Args:
            activated: {"near": (B, K, h, w) in [0, 1], "offsets": (B, 2K, h, w)}.
        Returns:
            keypoints (B, K, 2) float64 in crop pixels, inside the crop, and scores (B, K) in [0, 1]: the votes
            that meet, as a share of those of a whole disc.
        Edge cases: a map that says the same everywhere, or nothing, gives the centre of the crop and score 0.
        """
        batch, count, height, width = activated["near"].shape
        near = activated["near"].reshape(batch * count, height * width)
        axes_first = activated["offsets"].reshape(batch, 2, count, height * width)
        offsets = axes_first.swapaxes(1, 2).reshape(batch * count, 2, height * width)
        surest = near.max(1, keepdims=True)
        maps, cells = np.nonzero(near > 0.1 * surest)
        rows, columns = np.divmod(cells, width)
        x = columns + self.radius * offsets[maps, 0, cells].astype(np.float64)
        y = rows + self.radius * offsets[maps, 1, cells].astype(np.float64)
        votes = _collect(maps, x, y, near[maps, cells], shape=(batch * count, height, width))

        each = np.arange(batch * count)
        rows, columns = np.divmod(votes.reshape(batch * count, -1).argmax(1), votes.shape[2])
        reach = np.arange(-_REACH, _REACH + 1)
        rows = np.clip(rows, _REACH, votes.shape[1] - 1 - _REACH)[:, None] + reach  # (B*K, 5)
        columns = np.clip(columns, _REACH, votes.shape[2] - 1 - _REACH)[:, None] + reach  # (B*K, 5)
        window = votes[each[:, None, None], rows[:, :, None], columns[:, None, :]]  # (B*K, 5, 5)
        mass = window.sum((1, 2))
        same = (near == near[:, :1]).all(1) & (offsets == offsets[:, :, :1]).all((1, 2))
        mute = same | (mass <= 0)
        weight = np.where(mute, 1.0, mass)
        centre_x = (window.sum(1) * (columns - _REACH)).sum(1) / weight
        centre_y = (window.sum(2) * (rows - _REACH)).sum(1) / weight
        keypoints = (np.stack([centre_x, centre_y], 1) + 0.5) * self.stride  # (B*K, 2)
        keypoints = np.clip(keypoints, 0, self.size_wh)
        keypoints[mute] = np.array(self.size_wh) / 2
        scores = np.where(mute, 0.0, np.clip(mass / (np.pi * self.radius**2), 0, 1))
        return keypoints.reshape(batch, count, 2), scores.reshape(batch, count)


def _collect(
    maps: np.ndarray, x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, shape: tuple[int, int, int]
) -> np.ndarray:
    """Add each vote to the four cells about its place, in proportion to their nearness.

    Args:
        maps: (N,) which map a vote belongs to.
        x, y: (N,) its place, as a cell index.
        weights: (N,).
        shape: number, height and width of the maps.
    Returns:
        (number, height + 4, width + 4) float64 with a margin of two cells on each side, so that a point on the
        crop's edge, half a cell outside the outermost centres, is a whole peak. Votes further out are lost.
    """
    count, height, width = shape[0], shape[1] + 2 * _REACH, shape[2] + 2 * _REACH
    valid = (x >= -_REACH) & (x < shape[2] + _REACH - 1) & (y >= -_REACH) & (y < shape[1] + _REACH - 1)
    maps, weights, x, y = maps[valid], weights[valid].astype(np.float64), x[valid] + _REACH, y[valid] + _REACH
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, below = x - left, y - top
    corner = (maps * height + top) * width + left
    votes = np.zeros(count * height * width)
    for step, share in (
        (0, (1 - right) * (1 - below)),
        (1, right * (1 - below)),
        (width, (1 - right) * below),
        (width + 1, right * below),
    ):
        votes += np.bincount(corner + step, share * weights, minlength=len(votes))
    return votes.reshape(count, height, width)
