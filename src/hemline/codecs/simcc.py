"""Points as two one-dimensional beliefs, one along each axis, finer than a pixel.

Source: Li et al. 2021 (arXiv 2107.03332); Gaussian targets as in its later version. Differs: decoding finds
the peak between the bins.
"""

from __future__ import annotations

import numpy as np

from hemline.codecs.peak import gaussian, softmax, vertex


class SimCCCodec:
    """Encode points as beliefs over bins of x and of y, and decode them.

    Args:
        size_wh: width and height of the crop, pixels.
        bins: bins per pixel.
        sigma: standard deviation of the Gaussian in bins.
    """

    def __init__(self, *, size_wh: tuple[int, int], bins: int = 2, sigma: float = 6.0) -> None:
        self.size_wh = size_wh
        self.bins = bins
        self.sigma = sigma

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw two beliefs per point.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); beliefs of absent points (-1) stay zero.
        Returns:
            {"simcc_x": (K, width * bins), "simcc_y": (K, height * bins)} float32; each row sums to 1.
        """
        present = visibility[:, None] >= 0
        centres = np.where(present, keypoints_crop * self.bins - 0.5, 0)  # bin index at the point, (K, 2)
        target = {}
        for axis, name in enumerate(("simcc_x", "simcc_y")):
            beliefs = gaussian(self.size_wh[axis] * self.bins, centres[:, axis], self.sigma)  # (K, bins)
            beliefs /= beliefs.sum(1, keepdims=True)
            target[name] = np.where(present, beliefs, 0).astype(np.float32)
        return target

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn logits into beliefs that may be averaged.

        Args:
            output: {"simcc_x": (B, K, width * bins), "simcc_y": (B, K, height * bins)}.
        Returns:
            the same, float32, each row summing to 1.
        Edge cases: see `softmax`.
        """
        return {name: softmax(np.asarray(output[name], np.float32), axis=-1) for name in ("simcc_x", "simcc_y")}

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Bring the beliefs of a mirrored crop back to the unmirrored one.

        Args:
            activated: what `activate` returned for the mirrored crop.
            permutation: `flip_permutation` of the K points.
        """
        order = list(permutation)
        return {"simcc_x": activated["simcc_x"][:, order, ::-1], "simcc_y": activated["simcc_y"][:, order]}

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Find the peak along each axis, between the bins.

        Args:
            activated: {"simcc_x": (B, K, width * bins), "simcc_y": (B, K, height * bins)}, not negative.
        Returns:
            keypoints (B, K, 2) float64 in crop pixels, inside the crop, and scores (B, K) in [0, 1]: the product
            of the two peaks, relative to perfect ones.
        Edge cases: a constant belief gives the middle of its axis and score 0.
        """
        places, heights = zip(*(self._peaks(activated[name]) for name in ("simcc_x", "simcc_y")), strict=True)
        keypoints = np.clip(np.stack(places, -1), 0, self.size_wh)  # (B, K, 2)
        full = 1 / (np.sqrt(2 * np.pi) * self.sigma)
        return keypoints, np.clip(heights[0] / full, 0, 1) * np.clip(heights[1] / full, 0, 1)

    def _peaks(self, beliefs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the place (B, K), pixels, and the height (B, K) of each peak; height 0 where there is none."""
        batch, count, length = beliefs.shape
        profiles = beliefs.reshape(batch * count, length)
        tops = profiles.argmax(1)
        heights = np.take_along_axis(profiles, tops[:, None], axis=1)[:, 0].astype(np.float64)
        places = (vertex(profiles, tops) + 0.5) / self.bins
        constant = heights <= profiles.min(1)
        places[constant] = length / self.bins / 2
        heights[constant] = 0
        return places.reshape(batch, count), heights.reshape(batch, count)
