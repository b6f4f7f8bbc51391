"""Points as plain coordinates, for networks that regress them.

Source: Toshev & Szegedy 2013 (arXiv 1312.4659). Differs: coordinates are shares of the crop, counted from its
top-left corner.
"""

from __future__ import annotations

import numpy as np


class CoordinateCodec:
    """Encode points as shares of the crop and back.

    Args:
        size_wh: width and height of the crop, pixels.
    """

    def __init__(self, *, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Divide by the size of the crop.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); absent points (-1) become zero.
        Returns:
            {"coordinates": (K, 2) float32}, 0 to 1.
        """
        shares = np.where(visibility[:, None] >= 0, keypoints_crop / np.array(self.size_wh), 0)
        return {"coordinates": shares.astype(np.float32)}

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the coordinates (B, K, 2) as float32."""
        return {"coordinates": np.asarray(output["coordinates"], np.float32)}

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Bring the coordinates of a mirrored crop back to the unmirrored one.

        Args:
            activated: what `activate` returned for the mirrored crop.
            permutation: `flip_permutation` of the K points.
        """
        swapped = activated["coordinates"][:, list(permutation)]
        return {"coordinates": np.stack([1 - swapped[..., 0], swapped[..., 1]], -1)}

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Multiply by the size of the crop.

        Args:
            activated: {"coordinates": (B, K, 2)}.
        Returns:
            keypoints (B, K, 2) float64 in crop pixels, inside the crop, and scores (B, K), all 1: a regression
            does not say how sure it is.
        Edge cases: a point that is not finite gives the centre of the crop and score 0.
        """
        shares = activated["coordinates"].astype(np.float64)
        finite: np.ndarray = np.all(np.isfinite(shares), axis=-1)  # (B, K)
        shares = np.where(finite[..., None], np.clip(shares, 0, 1), 0.5)
        return shares * np.array(self.size_wh), finite.astype(np.float64)
