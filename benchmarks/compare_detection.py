"""Where to look: the whole photo, the true box, a second look, or a detector's box in front of one keypoint network.

    python benchmarks/compare_detection.py run --network RUN --detector RUN [RUN ...] --val ROOT:val.csv
    python benchmarks/compare_detection.py table

Two trials. `photos`: each validation photo has one garment of a known category; NE is compared with the whole photo's
on the same garments. `scenes`: pictures of two to four garments, cut out of validation photos or drawn, and of none;
the detector says what and where. `run` keeps the numbers as benchmarks/results/detection.json, `table` writes
docs/detection.md from them.

A garment counts as found where an answer overlaps its true box by half (intersection over union), and as named where
that answer has its category. NE of scenes is that of the named ones; beside it is NE with their true boxes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from page import put_table

from hemline.annotation import Annotation, AnnotationTable
from hemline.files import write_atomic
from hemline.formats.roots import read_roots
from hemline.geometry import Box, clip_box, points_box
from hemline.images import read_image
from hemline.infer.closer_look import keep_photo, look_closer
from hemline.infer.detect_then_find import DetectThenFind
from hemline.infer.detector import Detector
from hemline.infer.finder import Finder
from hemline.infer.torch_backend import load_detector, load_predictor
from hemline.metrics import bootstrap_interval, mean_error, point_errors
from hemline.report.detection import LabelledPhoto, judge_boxes, label_photos, match_boxes
from hemline.report.speed import relative_speed
from hemline.synth.scene import Scene, compose, cut_out, spare_strip
from hemline.synth.stream import draw

RESULTS = Path(__file__).resolve().parent / "results" / "detection.json"
WHOLE, TRUE, AGAIN = "whole photo", "true box", "second look (coarse to fine)"
SCENES, EMPTY, SCENE_SIZE = 150, 100, 512
TIMED = 32

Points = Callable[[Sequence[np.ndarray], Sequence[str]], np.ndarray]
"""A pipeline: photos and their categories to points (N, 24, 2)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("--network", type=Path, required=True)
    run.add_argument("--detector", type=Path, nargs="+", required=True)
    run.add_argument("--val", required=True, action="append")
    verbs.add_parser("table")
    chosen = parser.parse_args()
    if chosen.verb == "run":
        validation = read_roots(chosen.val)[0]
        once = load_predictor(chosen.network, predict={"second_pass": False})
        again = load_predictor(chosen.network, predict={"second_pass": True})
        margin = json.loads((chosen.network / "schema.json").read_text())["predict"].get("margin", 0.25)
        detectors = {path.name: load_detector(path) for path in chosen.detector}
        photos = try_photos(once, again, detectors, validation, margin=margin)
        scenes = {name: try_scenes(once, detector, validation, margin=margin) for name, detector in detectors.items()}
        write_atomic(RESULTS, json.dumps({"margin": margin, "photos": photos, "scenes": scenes}, indent=1) + "\n")
    write_page()


def try_photos(
    once: Finder, again: Finder, detectors: dict[str, Detector], validation: AnnotationTable, *, margin: float
) -> dict[str, Any]:
    """Measure each pipeline on photos of one garment."""
    images = [read_image(path) for path in validation.paths]
    boxes = [room(garment, image, margin=margin) for garment, image in zip(validation, images, strict=True)]
    pipelines: dict[str, Points] = {
        WHOLE: whole_photos(once),
        TRUE: lambda photos, categories: in_boxes(once, photos, boxes[: len(photos)], categories),
        AGAIN: whole_photos(again),
    }
    for name, detector in detectors.items():
        pipelines[name] = whole_photos(DetectThenFind(detector, once, margin=margin))
        pipelines[f"{name}, then a second look"] = whole_photos(DetectThenFind(detector, again, margin=margin))
    results: dict[str, Any] = {}
    errors = {}
    timed = images[:TIMED], validation.categories[:TIMED]
    for name, points in pipelines.items():
        found = points(images, validation.categories)
        errors[name] = point_errors(found, validation.points, categories=validation.categories)
        difference = errors[name] - errors[WHOLE]
        results[name] = {
            "ne": mean_error(errors[name]),
            "difference": mean_error(difference),
            "interval": bootstrap_interval(difference),
            "speed": relative_speed(partial(points, *timed), partial(pipelines[WHOLE], *timed)),
        }
        print(name, results[name], flush=True)
    for name, detector in detectors.items():
        results[name]["boxes"] = judge(detector, label_photos(validation, margin=detector.margin), images)
        print(name, results[name]["boxes"], flush=True)
    return results


def try_scenes(once: Finder, detector: Detector, validation: AnnotationTable, *, margin: float) -> dict[str, Any]:
    """Measure a detector and the keypoint network behind it on pictures of several garments and of none."""
    scenes = [make_scene(seed, validation) for seed in range(SCENES)]
    images = [scene.image for scene in scenes]
    truth = [
        LabelledPhoto(
            Path(),
            (SCENE_SIZE, SCENE_SIZE),
            tuple(garment.category for garment in scene.garments),
            np.array([room(garment, scene.image, margin=detector.margin) for garment in scene.garments]),
            tuple(garment.present for garment in scene.garments),
        )
        for scene in scenes
    ]
    result = judge(detector, truth, images)
    found = DetectThenFind(detector, once, margin=margin).find(images)
    named, points, given, categories = [], [], [], []
    for scene, photo, answers in zip(scenes, truth, found, strict=True):
        matches = match_boxes(photo.boxes, np.array([answer.box for answer in answers]).reshape(-1, 4))
        for garment, answer in zip(scene.garments, matches.tolist(), strict=True):
            if answer >= 0 and answers[answer].prediction.category == garment.category:
                named.append(garment.points)
                points.append(answers[answer].prediction.keypoints)
                box = room(garment, scene.image, margin=margin)
                given.append(in_boxes(once, [scene.image], [box], [garment.category])[0])
                categories.append(garment.category)
    truths = np.array(named).reshape(-1, 24, 3)
    ours, true = (
        point_errors(np.array(each).reshape(-1, 24, 2), truths, categories=categories) for each in (points, given)
    )
    empty = [make_scene(seed, validation, garments=0).image for seed in range(EMPTY)]
    answers = detector.detect(empty)
    return result | {
        "garments": sum(len(photo.boxes) for photo in truth),
        "ne": mean_error(ours),
        "ne_true_boxes": mean_error(true),
        "empty_with_answer": sum(bool(each) for each in answers) / EMPTY,
    }


def make_scene(seed: int, validation: AnnotationTable, *, garments: int | None = None) -> Scene:
    """Compose a picture of two to four garments, a third of them drawn, from validation photos; or of none."""
    rng = np.random.default_rng([2018, seed])
    while True:
        count = int(rng.integers(2, 5)) if garments is None else garments
        rows = rng.integers(len(validation), size=count + 1).tolist()
        cutouts = []
        for row in rows[:count]:
            if rng.random() < 1 / 3:
                drawn = draw(rng, validation.categories[row], size=SCENE_SIZE // 2)
                cutouts.append(cut_out(rng, drawn.image, drawn.annotation, mask=drawn.mask))
            else:
                cutouts.append(cut_out(rng, read_image(validation.paths[row]), validation[row]))
        backdrop = spare_strip(rng, read_image(validation.paths[rows[-1]]), validation[rows[-1]])
        if rng.random() < 0.5:
            backdrop = None
        scene = compose(rng, cutouts, size=SCENE_SIZE, backdrop=backdrop)
        if len(scene.garments) >= min(count, 2):
            return scene


def judge(detector: Detector, truth: Sequence[LabelledPhoto], images: Sequence[np.ndarray]) -> dict[str, float]:
    """Compare a detector's boxes with true ones."""
    candidates = []
    for start in range(0, len(images), detector.batch_size):
        batch = [detector.prepare(image) for image in images[start : start + detector.batch_size]]
        candidates += detector.list_candidates(batch)
    scores = judge_boxes(truth, [detector.select(each) for each in candidates], candidates)
    names = ("ap", "ap50", "keypoint_recall", "found", "named", "extra")
    return {name: float(getattr(scores, name)) for name in names} | {
        "side_errors": [round(float(np.hypot(*each)), 4) for each in scores.side_errors]
    }


def whole_photos(finder: Finder) -> Points:
    """Make a pipeline of a Finder that is shown whole photos."""

    def find(photos: Sequence[np.ndarray], categories: Sequence[str]) -> np.ndarray:
        return np.array([each.keypoints for each in finder.predict(photos, categories)])

    return find


def in_boxes(
    finder: Finder, photos: Sequence[np.ndarray], boxes: Sequence[Any], categories: Sequence[str]
) -> np.ndarray:
    """Find the points in one box of each photo, as DetectThenFind does."""
    found = []
    for start in range(0, len(photos), finder.batch_size):
        batch = slice(start, start + finder.batch_size)
        kept = [keep_photo(photo, size=finder.size) for photo in photos[batch]]
        ids = [str(at) for at in range(len(kept))]
        found += look_closer(finder, kept, boxes[batch], categories[batch], image_ids=ids, alone=True)
    return np.array([each.keypoints for each in found])


def room(garment: Annotation, image: np.ndarray, *, margin: float) -> Box:
    """Box a garment's points on an image."""
    return clip_box(points_box(garment.present, margin=margin), (image.shape[1], image.shape[0]))


def write_page() -> None:
    """Write the results into docs/detection.md."""
    results = json.loads(RESULTS.read_text())
    rows = ["| looks at | NE val | difference | 95 % interval | missed | photos/s |", "|---" * 6 + "|"]
    for name, result in results["photos"].items():
        low, high = result["interval"]
        zero = ", includes zero" if low <= 0 <= high else ""
        difference, interval = f"{result['difference']:+.2f}", f"{low:+.2f} to {high:+.2f}{zero}"
        if name == WHOLE:
            difference = interval = ""
        boxes = results["photos"][name.removesuffix(", then a second look")].get("boxes")
        missed = f"{100 * (1 - boxes['found']):.1f} %" if boxes else ""
        rows.append(f"| {name} | {result['ne']:.2f} % | {difference} | {interval} | {missed} | {result['speed']:.2f} |")
    put_table("detection.md", "photos", "\n".join(rows))
    columns = ("detector", "pictures", "AP50", "AP", "keypoint recall", "found", "named", "boxes without garment")
    columns = (*columns, "NE", "NE in true boxes", "answers on empty pictures")
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, result in results["scenes"].items():
        photos, true = results["photos"][name], results["photos"][TRUE]
        empty = f"{100 * result['empty_with_answer']:.0f} %"
        rows.append(
            f"| {name} | val photos | {_boxes(photos['boxes'])} | {photos['ne']:.2f} % | {true['ne']:.2f} % | |"
        )
        nes = f"{result['ne']:.2f} % | {result['ne_true_boxes']:.2f} %"
        rows.append(f"| {name} | scenes | {_boxes(result)} | {nes} | {empty} |")
    put_table("detection.md", "scenes", "\n".join(rows))


def _boxes(result: dict[str, float]) -> str:
    return (
        f"{result['ap50']:.3f} | {result['ap']:.3f} | {result['keypoint_recall']:.3f} | {result['found']:.3f} "
        f"| {result['named']:.3f} | {result['extra']:.2f} per picture"
    )


if __name__ == "__main__":
    main()
