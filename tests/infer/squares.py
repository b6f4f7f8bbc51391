"""A network that needs no training: it finds coloured squares, as a good network finds waistbands and hems."""

from __future__ import annotations

import cv2
import numpy as np

SIZE, STRIDE, SIGMA = 64, 4, 2.0

NAMES = ("waistband_left", "waistband_right", "hemline_left", "hemline_right")
RED, GREEN = (255, 0, 0), (0, 255, 0)


def find_squares(crops: np.ndarray) -> dict[str, np.ndarray]:
    """Give the logits of exact beliefs at the centres of red squares (waistband) and green ones (hem).

    A crop without them gives flat maps. Left and right are told apart by the side of the crop, as a network does.
    """
    cells = SIZE // STRIDE
    logits = np.zeros((len(crops), 4, cells, cells), np.float32)
    across = (np.arange(cells) + 0.5) * STRIDE
    for row, crop in enumerate(crops.transpose(0, 2, 3, 1).astype(int)):
        for first, channel in ((0, 0), (2, 1)):
            weight = crop[:, :, channel] - crop.min(2)  # how much of a pixel is the square's
            count, labels = cv2.connectedComponents((weight > 10).astype(np.uint8))
            centres = []
            for label in range(1, count):
                y, x = np.nonzero(labels == label)
                share = weight[y, x] / weight[y, x].sum()
                centres.append(((share * (x + 0.5)).sum(), (share * (y + 0.5)).sum()))
            if len(centres) != 2:
                continue
            for which, (x, y) in enumerate(sorted(centres)):
                distance = (across[None, :] - x) ** 2 + (across[:, None] - y) ** 2
                logits[row, first + which] = -distance / (2 * (SIGMA * STRIDE) ** 2)
    return {"heatmaps": logits}


def draw_skirt(size_wh: tuple[int, int], *, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw a grey photo with four squares.

    Args:
        size_wh: of the photo.
        spread: how far the squares are from the photo's centre; their size stays.
    Returns:
        (H, W, 3) uint8, and the centres of the squares (4, 2) in the order of NAMES.
    """
    width, height = size_wh
    photo = np.full((height, width, 3), 128, np.uint8)
    half = max(width, height) // 25
    centres = np.array([[0.3, 0.2], [0.6, 0.25], [0.25, 0.8], [0.85, 0.9]]) * size_wh
    centres = np.round((1 - spread) * np.array(size_wh) / 2 + spread * centres)
    for (x, y), color in zip(centres.astype(int), (RED, RED, GREEN, GREEN), strict=True):
        photo[y - half : y + half, x - half : x + half] = color
    return photo, centres
