"""From nothing to a trained network in minutes: every step is one `hemline` command, printed before it runs.

    python examples/demo.py --out demo

Draws garments with exact labels, trains a small network on them, predicts others, evaluates, writes a
submission and pictures. Started again, it goes on where it stopped; delete the folder to start afresh.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything (default: demo)")
    out: Path = parser.parse_args().out
    began = time.monotonic()

    say("1. Draw garments: 600 to learn from, and 60 others to choose the best epoch and to be judged on.")
    for name, count, seed in (("train", 600, 1), ("val", 60, 2)):
        if labels(out / name).exists():
            print(f"{out / name} is there already")
        else:
            flat = ("--setting", "flat", "--size", 256, "--workers", 2)
            hemline("synth", "--out", out / name, "--count", count, "--seed", seed, *flat)

    say("2. Train a small network, from random weights. It can be stopped, and goes on when the demo is run again.")
    hemline("train", "demo", "--data", out / "train", "--val", out / "val", "--out", out / "run", "--resume")

    say("3. Find the keypoints of the 60: the network gets the photos and their categories, as in the competition.")
    test = write_test_csv(out / "val")
    hemline("predict", out / "run", test, "--out", out / "pred.csv")

    say("4. Compare with the truth. NE is the mean distance in percent of the garment's own width; less is better.")
    hemline("evaluate", out / "pred.csv", labels(out / "val"), "--json", out / "report.json")

    say("5. Write the predictions as the competition wants them, and check the file.")
    hemline("submit", "write", out / "pred.csv", "--out", out / "submission.csv", "--test", test)
    hemline("submit", "check", out / "submission.csv", "--test", test)

    say("6. Draw the truth and the predictions side by side.")
    pictures = ("--out", out / "pictures", "--limit", 20)
    hemline("draw", out / "pred.csv", "--data", out / "val", "--truth", labels(out / "val"), *pictures)

    ne = json.loads((out / "report.json").read_text(encoding="utf-8"))["ne"]
    say(f"Done in {(time.monotonic() - began) / 60:.1f} minutes: NE {ne:.2f} %.")
    for name, about in (
        ("pictures", "look at these first: the truth and, to its right, the prediction"),
        ("report.json", "the score by category and by keypoint"),
        ("submission.csv", "what one would hand in"),
        ("run", "the trained network, its recipe and its log"),
    ):
        print(f"  {out / name!s:<28}{about}")
    print()
    print("Next, with photos of your own in FashionAI's layout (Images/ and Annotations/):")
    command = hemline_command()
    print(f"  {command} recipes  # what can be trained by name")
    print(f"  {command} train cpn_mobilenetv2 --data YOUR_PHOTOS --val MORE_PHOTOS --out runs/first")
    print(f"  {command} predict runs/first A_FOLDER --category skirt --out pred.csv --draw pictures")


def hemline(*arguments: object) -> None:
    """Run one `hemline` command after printing it; stop the demo where it fails."""
    words = [str(argument) for argument in arguments]
    print(f"$ hemline {shlex.join(words)}", flush=True)
    finished = subprocess.run([sys.executable, "-m", "hemline.cli", *words])
    if finished.returncode:
        sys.exit(finished.returncode)


def hemline_command() -> str:
    """Name the command so that it works as printed, with the environment of this Python active or not."""
    beside = Path(sys.executable).with_name("hemline")
    return "hemline" if shutil.which("hemline") or not beside.exists() else shlex.quote(str(beside))


def labels(root: Path) -> Path:
    return root / "Annotations" / "train.csv"


def write_test_csv(root: Path) -> Path:
    """Write the first two columns of a root's labels: what a competitor gets."""
    test = root / "test.csv"
    with labels(root).open(newline="", encoding="utf-8") as given, test.open("w", newline="", encoding="utf-8") as cut:
        csv.writer(cut, lineterminator="\n").writerows(row[:2] for row in csv.reader(given))
    return test


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    main()
