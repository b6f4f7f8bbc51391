"""Points as heatmaps, limbs as part affinity fields.

Source: Cao et al. 2016 (arXiv 1611.08050). Differs: a crop shows one garment, so that no two limbs share a
field and nothing has to be averaged; the fields teach the network how points belong together, decoding
needs the heatmaps alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hemline.codecs.heatmap import HeatmapCodec
from hemline.errors import RecipeError


class PartFieldCodec(HeatmapCodec):
    """Encode points as Gaussian maps of height 1 and limbs as fields; decode the maps.

    Args:
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell.
        keypoints: the K keypoints, of which only the number matters here.
        limbs: L pairs of positions among the K points.
        sigma, stage_sigmas, decode: as for `HeatmapCodec`.
        width: largest distance between a limb and a cell of its band, in cells.
        magnitude: False for fields of unit vectors, True for their lengths alone.
    Raises:
        RecipeError: no limbs, or a limb whose end is not among the K points.
    """

    def __init__(
        self,
        *,
        size_wh: tuple[int, int],
        stride: int,
        keypoints: tuple[int, ...],
        limbs: tuple[tuple[int, int], ...],
        sigma: float = 2.0,
        stage_sigmas: Sequence[float] = (),
        width: float = 1.0,
        magnitude: bool = False,
        **decode: Any,
    ) -> None:
        super().__init__(size_wh=size_wh, stride=stride, sigma=sigma, stage_sigmas=stage_sigmas, **decode)
        ends = {end for limb in limbs for end in limb}
        if not ends or min(ends) < 0 or max(ends) >= len(keypoints):
            raise RecipeError(
                f"codec 'paf': limbs are pairs of positions among the {len(keypoints)} keypoints of the recipe's "
                f"categories, 0 to {len(keypoints) - 1}; got {limbs or 'none'}"
            )
        self.limbs = np.array(limbs, np.intp)  # (L, 2)
        self.width = width
        self.magnitude = magnitude

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]:
        """Draw one map per point and one field per limb.

        Args:
            keypoints_crop: (K, 2) float, crop pixels.
            visibility: (K,); maps of absent points (-1) and fields of limbs with an absent end stay zero.
        Returns:
            the maps of `HeatmapCodec` and {"paf": (2L, h, w) with x and y of each limb in turn, or (L, h, w) when
            `magnitude`, "limb_weight": (L,) 1 for a limb that has a field, else 0}, all float32.
        Edge cases: a limb so short that no cell lies beside it has no field.
        """
        width, height = self.map_wh
        vectors = np.zeros((len(self.limbs), 2), np.float32)
        bands = np.zeros((len(self.limbs), height, width), np.float32)
        cells = keypoints_crop / self.stride - 0.5  # cell index at each point, (K, 2)
        starts, ends = cells[self.limbs[:, 0]], cells[self.limbs[:, 1]]  # (L, 2)
        lengths = np.linalg.norm(ends - starts, axis=1)  # (L,)
        drawn = np.flatnonzero((visibility[self.limbs] >= 0).all(1) & (lengths > 0))
        if drawn.size:
            vectors[drawn] = (ends - starts)[drawn] / lengths[drawn, None]
            unit_x, unit_y = vectors[drawn].T[:, :, None, None]  # (D, 1, 1)
            x = np.arange(width) - starts[drawn, 0, None, None]  # (D, 1, w)
            y = np.arange(height)[:, None] - starts[drawn, 1, None, None]  # (D, h, 1)
            along = x * unit_x + y * unit_y  # (D, h, w)
            aside = np.abs(x * unit_y - y * unit_x)  # (D, h, w)
            bands[drawn] = (along >= 0) & (along <= lengths[drawn, None, None]) & (aside <= self.width)
        fields = bands if self.magnitude else (vectors[:, :, None, None] * bands[:, None]).reshape(-1, height, width)
        weight: np.ndarray = np.any(bands, axis=(1, 2)).astype(np.float32)  # (L,)
        return super().encode(keypoints_crop, visibility) | {"paf": fields, "limb_weight": weight}
