"""Points as maps with one Gaussian peak each.

Two forms share one geometry: `heatmap` has peaks of height 1, for losses that compare values;
`belief` sums to 1, for a softmax over the map's cells.

Source: Tompson et al. 2014 (arXiv 1406.2984) for the maps; see `vertex` for the place between the cells.
"""

from __future__ import annotations

import numpy as np

from hemline.codecs.peak import gaussian, softmax, vertex


class HeatmapCodec:
    """Encode points as Gaussian maps and decode maps into points.

    Args:
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell.
        sigma: standard deviation of the Gaussian in cells.
        belief: False for peaks of height 1, True for maps that sum to 1 and outputs that are logits.
    """

    def __init__(self, *, size_wh: tuple[int, int], stride: int, sigma: float = 2.0, belief: bool = False) -> None:
        self.size_wh = size_wh
        self.stride = stride
        self.sigma = sigma
        self.belief = belief
        self.map_wh = (size_wh[0] // stride, size_wh[1] // stride)

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw one map per point.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); maps of absent points (-1) stay zero.
        Returns:
            {"heatmaps": (K, h, w) float32}.
        """
        width, height = self.map_wh
        maps = np.zeros((len(keypoints_crop), height, width), np.float32)
        present = np.flatnonzero(visibility >= 0)
        if present.size:
            centres = keypoints_crop[present] / self.stride - 0.5  # cell index at the point, (P, 2)
            across = gaussian(width, centres[:, 0], self.sigma)  # (P, w)
            down = gaussian(height, centres[:, 1], self.sigma)  # (P, h)
            if self.belief:
                across /= across.sum(1, keepdims=True)
                down /= down.sum(1, keepdims=True)
            down, across = down.astype(np.float32), across.astype(np.float32)  # the product is the cost
            maps[present] = down[:, :, None] * across[:, None, :]  # (P, h, 1) * (P, 1, w) -> (P, h, w)
        return {"heatmaps": maps}

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn a network's raw output into maps that may be averaged.

        Args:
            output: {"heatmaps": (B, K, h, w)}: logits when `belief`, map values otherwise.
        Returns:
            {"heatmaps": (B, K, h, w) float32, not negative}.
        Edge cases: NaN and infinite map values become 0; logits, see `softmax`.
        """
        maps = np.asarray(output["heatmaps"], np.float32)
        if self.belief:
            return {"heatmaps": softmax(maps, axis=(2, 3))}
        return {"heatmaps": np.maximum(np.nan_to_num(maps, nan=0, posinf=0, neginf=0), 0)}

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Bring the maps of a mirrored crop back to the unmirrored one.

        Args:
            activated: what `activate` returned for the mirrored crop.
            permutation: `flip_permutation` of the K points.
        """
        return {"heatmaps": activated["heatmaps"][:, list(permutation), :, ::-1]}

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Find the peak of each map, between the cells.

        Args:
            activated: {"heatmaps": (B, K, h, w)}, not negative.
        Returns:
            keypoints (B, K, 2) float64 in crop pixels, inside the crop, and scores (B, K) in [0, 1]: the
            height of the peak, for beliefs relative to the height of a perfect one.
        Edge cases: a constant map gives the centre of the crop and score 0.
        """
        maps = activated["heatmaps"]
        batch, count, height, width = maps.shape
        flat = maps.reshape(batch * count, height, width)
        rows, columns = np.divmod(flat.reshape(len(flat), -1).argmax(1), width)
        each = np.arange(len(flat))
        peaks = flat[each, rows, columns].astype(np.float64)
        x = vertex(flat[each, rows], columns)
        y = vertex(flat[each, :, columns], rows)
        keypoints = (np.stack([x, y], 1) + 0.5) * self.stride  # (B*K, 2)
        keypoints = np.clip(keypoints, 0, self.size_wh)
        constant = peaks <= flat.reshape(len(flat), -1).min(1)
        keypoints[constant] = np.array(self.size_wh) / 2
        full = 1 / (2 * np.pi * self.sigma**2) if self.belief else 1.0
        scores = np.where(constant, 0.0, np.clip(peaks / full, 0, 1))
        return keypoints.reshape(batch, count, 2), scores.reshape(batch, count)
