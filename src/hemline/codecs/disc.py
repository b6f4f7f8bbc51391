"""Points as filled discs with a soft edge, for losses that judge each cell as inside or outside.

Source: the solawen and yd8534976 teams' FashionAI entries: discs, a sigmoid, and a disc filter over the output.
Differs: the disc's edge is soft, so that the target says where the point is between the cells, and decoding fits
the same soft disc after the filter, which is exact between the cells and where the border cuts the disc.
"""

from __future__ import annotations

import cv2
import numpy as np

from hemline.codecs.peak import sigmoid
from hemline.errors import RecipeError

_STEPS = 8
"""Steps of the fit, enough for a perfect disc anywhere in the crop."""


class DiscCodec:
    """Encode points as soft discs and decode discs into their centres.

    The logarithm of a cell's odds of being inside falls with the square of its distance d from the point, as
    (radius^2 - d^2) * 2 / radius: half at the radius, and from 0.88 to 0.12 within one cell there.

    Args:
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell.
        radius: of the disc in cells, at least 1 so that every point has a cell.
    """

    def __init__(self, *, size_wh: tuple[int, int], stride: int, radius: float = 3.0) -> None:
        if radius < 1:
            raise RecipeError(f"codec 'disc': option 'radius' must be at least 1 cell, got {radius}")
        self.size_wh = size_wh
        self.stride = stride
        self.radius = radius
        self.map_wh = (size_wh[0] // stride, size_wh[1] // stride)

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw one disc per point.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); maps of absent points (-1) stay zero.
        Returns:
            {"heatmaps": (K, h, w) float32 in [0, 1]}.
        """
        width, height = self.map_wh
        maps = np.zeros((len(keypoints_crop), height, width), np.float32)
        present = np.flatnonzero(visibility >= 0)
        centres = keypoints_crop[present] / self.stride - 0.5  # cell index at the point, (P, 2)
        maps[present] = self._disc(np.arange(width) - centres[:, :1], np.arange(height) - centres[:, 1:])
        return {"heatmaps": maps}

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn logits {"heatmaps": (B, K, h, w)} into probabilities, float32; NaN becomes 0."""
        return {"heatmaps": np.nan_to_num(sigmoid(np.asarray(output["heatmaps"], np.float32)), copy=False)}

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Bring the maps of a mirrored crop back to the unmirrored one.

        Args:
            activated: what `activate` returned for the mirrored crop.
            permutation: `flip_permutation` of the K points.
        """
        return {"heatmaps": activated["heatmaps"][:, list(permutation), :, ::-1]}

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Find the best disc of each map: first on the cells, then between them.

        Args:
            activated: {"heatmaps": (B, K, h, w) in [0, 1]}.
        Returns:
            keypoints (B, K, 2) float64 in crop pixels, inside the crop, and scores (B, K) in [0, 1]: how full the
            disc is.
        Edge cases: a constant map gives the centre of the crop and score 0.
        """
        batch, count, height, width = activated["heatmaps"].shape
        maps = activated["heatmaps"].reshape(batch * count, height, width)
        places, fullness = self._fit(maps, self._filter(maps))
        keypoints = np.clip((places + 0.5) * self.stride, 0, self.size_wh)  # (B*K, 2)
        constant = maps.max((1, 2)) <= maps.min((1, 2))
        keypoints[constant] = np.array(self.size_wh) / 2
        scores = np.where(constant, 0.0, np.clip(fullness, 0, 1))
        return keypoints.reshape(batch, count, 2), scores.reshape(batch, count)

    def _disc(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Draw soft discs at distances (N, w) along x and (N, h) along y, in cells: (N, h, w)."""
        squares = down[:, :, None] ** 2 + across[:, None, :] ** 2  # (N, h, 1) + (N, 1, w) -> (N, h, w)
        return sigmoid((self.radius**2 - squares) * (2 / self.radius))

    def _filter(self, maps: np.ndarray) -> np.ndarray:
        """Return the cell about which each map (N, h, w) is most like a disc: x and y, (N, 2)."""
        reach = np.arange(-np.ceil(self.radius), np.ceil(self.radius) + 1)[None]  # (1, s)
        disc = self._disc(reach, reach)[0]  # (s, s)
        likeness = [cv2.filter2D(each, cv2.CV_32F, disc, borderType=cv2.BORDER_CONSTANT) for each in maps]
        highest = np.array([response.argmax() for response in likeness], np.intp)
        return np.stack([highest % maps.shape[2], highest // maps.shape[2]], 1)

    def _fit(self, maps: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move discs to where they are most likely, by Fisher scoring of their cross entropy with the maps.

        Args:
            maps: (N, h, w).
            cells: (N, 2) x and y to begin at; only cells about them count, so that another disc does not pull.
        Returns:
            places (N, 2) as cell indices, inside the crop, and how full the disc there is, 1 for a perfect one, (N,).
        """
        corner = np.array(maps.shape[:0:-1]) - 1  # x and y of the last cell
        reach = np.arange(-int(self.radius) - 2, int(self.radius) + 3)  # (s,)
        around = cells[:, :, None] + reach  # (N, 2, s): columns, rows
        x, y = np.clip(around, 0, corner[:, None]).swapaxes(0, 1)  # (N, s)
        values = maps[np.arange(len(maps))[:, None, None], y[:, :, None], x[:, None]]  # (N, s, s)
        on_map = (around >= 0) & (around <= corner[:, None])
        values, counts = values.astype(np.float64), on_map[:, 1, :, None] & on_map[:, 0, None]
        places = cells.astype(np.float64)
        for _ in range(_STEPS):
            across, down = np.moveaxis(around - places[:, :, None], 1, 0)  # (N, s)
            disc = self._disc(across, down) * counts
            gap, certainty = (values - disc) * counts, disc * (1 - disc)
            pull = np.stack([(gap.sum(1) * across).sum(1), (gap.sum(2) * down).sum(1)], 1)  # (N, 2)
            xx, yy = (certainty.sum(1) * across**2).sum(1), (certainty.sum(2) * down**2).sum(1)
            xy = np.einsum("nyx,ny,nx->n", certainty, down, across)
            information = np.stack([xx, xy, xy, yy], 1).reshape(-1, 2, 2) + 1e-9 * np.eye(2)  # (N, 2, 2)
            steps = np.linalg.solve(information, pull[:, :, None])[:, :, 0] * (self.radius / 4)  # (N, 2)
            places = np.clip(places + np.clip(steps, -1, 1), -0.5, corner + 0.5)
        disc = self._disc(*np.moveaxis(around - places[:, :, None], 1, 0)) * counts
        return places, (disc * values).sum((1, 2)) / np.maximum((disc**2).sum((1, 2)), 1e-9)
