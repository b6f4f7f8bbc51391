"""Time one training sample against the decoding of its photo alone, on one core.

    python benchmarks/loader.py [--photos ROOT] [--rounds 7]

Prints the ratio: JPEG of 512 px to augmented 256-px crop and target, over `cv2.imdecode` of the same bytes.
Both run on the same photos in alternating rounds; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from hemline.annotation import AnnotationTable
from hemline.codecs import build_codec
from hemline.formats.roots import read_roots
from hemline.garments import CATEGORIES
from hemline.infer.schema import channels_of
from hemline.learn.augment import Augmenter
from hemline.learn.dataset import PhotoDataset
from hemline.recipe import AugmentSection
from hemline.synth.stream import write_drawn_set


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--photos", help="ROOT:FILE.csv of labelled photos; drawn garments without it")
    arguments.add_argument("--rounds", type=int, default=7)
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.photos is None:
            for _ in write_drawn_set(Path(folder), count=100, seed=0, size=512):
                pass
        table, _ = read_roots([chosen.photos or folder])
        table = table.select(range(min(100, len(table))))
        decode, sample = time_both(table, rounds=chosen.rounds)
    print(f"decoding {decode * 1e3:.2f} ms, sample {sample * 1e3:.2f} ms, ratio {sample / decode:.2f}")


def time_both(table: AnnotationTable, *, rounds: int) -> tuple[float, float]:
    """Return the median seconds per photo of decoding alone and of a whole sample."""
    keypoints, _ = channels_of(CATEGORIES)
    dataset = PhotoDataset(
        table,
        codec=build_codec("belief", size_wh=(256, 256), stride=4, sigma=2.0),
        keypoints=keypoints,
        size=256,
        augmenter=Augmenter(**AugmentSection().model_dump()),
    )
    files = [np.frombuffer(path.read_bytes(), np.uint8) for path in table.paths]
    decode, sample = [], []
    for number in range(rounds):
        began = time.perf_counter()
        for data in files:
            cv2.imdecode(data, cv2.IMREAD_COLOR)
        middle = time.perf_counter()
        for row in range(len(table)):
            dataset[number, row]
        decode.append((middle - began) / len(table))
        sample.append((time.perf_counter() - middle) / len(table))
    return statistics.median(decode), statistics.median(sample)


if __name__ == "__main__":
    main()
