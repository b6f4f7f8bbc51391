"""Points as maps with one Gaussian peak each.

Three forms share one geometry: `heatmap` has peaks of height 1, for losses that compare values; `belief` sums to 1,
for a softmax over the map's cells; `sigmoid` has peaks of height 1, for losses that judge each cell as yes or no.

Source: Tompson et al. 2014 (arXiv 1406.2984) for the maps; see `decoders` for the place between the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hemline.codecs.decoders import DECODE_OPTIONS, check_decoding, find_peaks
from hemline.codecs.peak import gaussian, sigmoid, softmax


class HeatmapCodec:
    """Encode points as Gaussian maps of height 1 and decode maps into points.

    Args:
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell.
        sigma: standard deviation of the Gaussian in cells.
        stage_sigmas: that of the targets of the network's stages before the final one, the first one first;
            empty for the same at all stages.
        decode: keyword arguments of `find_peaks`.
    Raises:
        RecipeError: see `check_decoding`.
    """

    def __init__(
        self,
        *,
        size_wh: tuple[int, int],
        stride: int,
        sigma: float = 2.0,
        stage_sigmas: Sequence[float] = (),
        **decode: Any,
    ) -> None:
        check_decoding(**decode)
        self.size_wh = size_wh
        self.stride = stride
        self.map_wh = (size_wh[0] // stride, size_wh[1] // stride)
        self.sigma = sigma
        self.sigmas = {"heatmaps": sigma} | {f"heatmaps.{stage}": each for stage, each in enumerate(stage_sigmas)}
        self.decoding = DECODE_OPTIONS | decode

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw one map per point.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); maps of absent points (-1) stay zero.
        Returns:
            {"heatmaps": (K, h, w) float32}, and with `stage_sigmas` "heatmaps.0", "heatmaps.1" and so on, which are
            the targets of these stages.
        """
        width, height = self.map_wh
        present = np.flatnonzero(visibility >= 0)
        centres = keypoints_crop[present] / self.stride - 0.5  # cell index at the point, (P, 2)
        target = {}
        for name, sigma in self.sigmas.items():
            target[name] = np.zeros((len(keypoints_crop), height, width), np.float32)
            target[name][present] = self._draw(centres, sigma)
        return target

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn a network's raw output into maps that may be averaged.

        Args:
            output: {"heatmaps": (B, K, h, w)}.
        Returns:
            {"heatmaps": (B, K, h, w) float32, not negative}.
        Edge cases: NaN and infinite values become 0.
        """
        maps = np.asarray(output["heatmaps"], np.float32)
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
            height of the peak, relative to that of a perfect one.
        Edge cases: a constant map gives the centre of the crop and score 0.
        """
        batch, count, height, width = activated["heatmaps"].shape
        maps = activated["heatmaps"].reshape(batch * count, height, width)
        places, heights = find_peaks(maps, **self.decoding)
        keypoints = np.clip((places + 0.5) * self.stride, 0, self.size_wh)  # (B*K, 2)
        constant = maps.max((1, 2)) <= maps.min((1, 2))
        keypoints[constant] = np.array(self.size_wh) / 2
        perfect = self._perfect_height(self.sigma**2 + self.decoding["blur"] ** 2)
        scores = np.where(constant, 0.0, np.clip(heights / perfect, 0, 1))
        return keypoints.reshape(batch, count, 2), scores.reshape(batch, count)

    def _draw(self, centres: np.ndarray, sigma: float) -> np.ndarray:
        """Draw one Gaussian about each cell index (P, 2): (P, h, w) float32."""
        across, down = (
            self._profile(length, centres[:, axis], sigma).astype(np.float32) for axis, length in enumerate(self.map_wh)
        )
        return down[:, :, None] * across[:, None, :]  # (P, h, 1) * (P, 1, w) -> (P, h, w)

    def _profile(self, length: int, centres: np.ndarray, sigma: float) -> np.ndarray:
        """Draw the targets' factors along one axis: (P, length)."""
        return gaussian(length, centres, sigma)

    def _perfect_height(self, variance: float) -> float:
        """Return the height of a target that was smoothed to this variance, in cells squared."""
        return self.sigma**2 / variance


class BeliefCodec(HeatmapCodec):
    """The same as beliefs that sum to 1; outputs are logits for a softmax over the cells of each map."""

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn logits {"heatmaps": (B, K, h, w)} into beliefs, float32; for NaN and infinity see `softmax`."""
        return {"heatmaps": softmax(np.asarray(output["heatmaps"], np.float32), axis=(2, 3))}

    def _profile(self, length: int, centres: np.ndarray, sigma: float) -> np.ndarray:
        profiles = gaussian(length, centres, sigma)
        return profiles / profiles.sum(1, keepdims=True)

    def _perfect_height(self, variance: float) -> float:
        return 1 / (2 * np.pi * variance)


class SigmoidCodec(HeatmapCodec):
    """The same targets as `HeatmapCodec`; outputs are logits for a sigmoid in each cell."""

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn logits {"heatmaps": (B, K, h, w)} into probabilities, float32; NaN becomes 0."""
        return {"heatmaps": np.nan_to_num(sigmoid(np.asarray(output["heatmaps"], np.float32)), copy=False)}
