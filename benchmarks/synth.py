"""Time one synthetic garment against the decoding of a photo, on one core.

    python benchmarks/synth.py [--size 256] [--count 100] [--rounds 5] [--photos FOLDER]

Prints the ratio: drawing a layout and rendering it, over `cv2.imdecode` of a JPEG of 512 px. Both run in alternating
rounds; the figures are medians over rounds of the processor's time, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from hemline.garments import CATEGORIES
from hemline.synth.prior import sample
from hemline.synth.render import Rendered, render


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--size", type=int, default=256)
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--photos", type=Path, help="folder of JPEGs to decode; synthetic ones without it")
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    if chosen.photos:
        files = [np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(chosen.photos.rglob("*.jpg"))[:100]]
    else:
        files = [cv2.imencode(".jpg", draw(number, 512).image)[1] for number in range(30)]
    decode, drawing = [], []
    for _ in range(chosen.rounds):
        began = time.process_time()
        for data in files:
            cv2.imdecode(data, cv2.IMREAD_COLOR)
        middle = time.process_time()
        for number in range(chosen.count):
            draw(number, chosen.size)
        decode.append((middle - began) / len(files))
        drawing.append((time.process_time() - middle) / chosen.count)
    photo, garment = statistics.median(decode), statistics.median(drawing)
    rate, ratio = 1 / garment, garment / photo
    print(f"decoding {photo * 1e3:.2f} ms, garment {garment * 1e3:.1f} ms ({rate:.0f}/s), ratio {ratio:.0f}")


def draw(number: int, size: int) -> Rendered:
    """Draw the garment of one number; categories take turns."""
    rng = np.random.default_rng(number)
    category = CATEGORIES[number % len(CATEGORIES)]
    keypoints, visibility = sample(rng, category)
    return render(rng, category, keypoints * size, visibility >= 0, size=size)


if __name__ == "__main__":
    main()
