"""Where to look: the whole photo, the true box, a second look, or a detector's box in front of keypoint networks.

    python benchmarks/compare_detection.py run --network RUN [RUN ...] --detector RUN [RUN ...] --val ROOT:val.csv
    python benchmarks/compare_detection.py table

Two trials. `photos`: each validation photo has one garment of a known category; NE is compared with that of the first
network on whole photos, on the same garments. `scenes`: pictures of two to four garments, cut out of validation photos
or drawn, and of none; the detector says what and where. `run` keeps the numbers as benchmarks/results/detection.json,
`table` writes docs/detection.md from them. Runs go by the names of their folders. Every network is asked as
recipes/cpn_mobilenetv2.toml says, with the second look only where it is named.

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
from hemline.recipe import read_recipe, shipped_recipes
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
    run.add_argument("--network", type=Path, nargs="+", required=True)
    run.add_argument("--detector", type=Path, nargs="+", required=True)
    run.add_argument("--val", required=True, action="append")
    verbs.add_parser("table")
    chosen = parser.parse_args()
    if chosen.verb == "run":
        validation = read_roots(chosen.val)[0]
        recipe = read_recipe(shipped_recipes()["cpn_mobilenetv2"])
        ask = partial(load_predictor, decode=recipe.decode.model_dump(exclude_unset=True))
        alike = recipe.predict.model_dump(exclude_unset=True)
        networks = {
            path.name: [ask(path, predict=alike | {"second_pass": again}) for again in (False, True)]
            for path in chosen.network
        }
        detectors = {path.name: load_detector(path) for path in chosen.detector}
        margin = recipe.predict.margin
        photos = try_photos(networks, detectors, validation, margin=margin)
        scenes = try_scenes(networks, detectors, validation, margin=margin)
        write_atomic(RESULTS, json.dumps({"photos": photos, "scenes": scenes}, indent=1) + "\n")
    write_page()


def try_photos(
    networks: dict[str, list[Finder]], detectors: dict[str, Detector], validation: AnnotationTable, *, margin: float
) -> dict[str, Any]:
    """Measure each way of looking with each network, and the detectors' boxes, on photos of one garment."""
    images = [read_image(path) for path in validation.paths]
    boxes = [room(garment, image, margin=margin) for garment, image in zip(validation, images, strict=True)]
    result: dict[str, Any] = {"networks": {}, "detectors": {}}
    reference = None
    for network, (once, again) in networks.items():
        looks: dict[str, Points] = {
            WHOLE: whole_photos(once),
            TRUE: partial(in_boxes, once, boxes=boxes),
            AGAIN: whole_photos(again),
        }
        for name, detector in detectors.items():
            looks[name] = whole_photos(DetectThenFind(detector, once, margin=margin))
            looks[f"{name}, then a second look"] = whole_photos(DetectThenFind(detector, again, margin=margin))
        result["networks"][network] = {}
        for name, points in looks.items():
            errors = point_errors(
                points(images, validation.categories), validation.points, categories=validation.categories
            )
            reference = errors if reference is None else reference
            timed = [partial(each, images[:TIMED], validation.categories[:TIMED]) for each in (points, looks[WHOLE])]
            result["networks"][network][name] = {
                "ne": mean_error(errors),
                "difference": mean_error(errors - reference),
                "interval": bootstrap_interval(errors - reference),
                "speed": relative_speed(*timed),
            }
            print(network, name, result["networks"][network][name], flush=True)
    for name, detector in detectors.items():
        result["detectors"][name] = judge(detector, label_photos(validation, margin=detector.margin), images)
        print(name, result["detectors"][name], flush=True)
    return result


def try_scenes(
    networks: dict[str, list[Finder]], detectors: dict[str, Detector], validation: AnnotationTable, *, margin: float
) -> dict[str, Any]:
    """Measure each detector, and each keypoint network behind it, on pictures of several garments and of none."""
    scenes = [make_scene(seed, validation) for seed in range(SCENES)]
    images = [scene.image for scene in scenes]
    empty = [make_scene(seed, validation, garments=0).image for seed in range(EMPTY)]
    results = {}
    for name, detector in detectors.items():
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
        results[name] = judge(detector, truth, images) | {
            "garments": sum(len(photo.boxes) for photo in truth),
            "empty_with_answer": sum(bool(each) for each in detector.detect(empty)) / EMPTY,
            "networks": {
                network: judge_named(once, detector, scenes, truth, margin=margin)
                for network, (once, _) in networks.items()
            },
        }
        print(name, results[name], flush=True)
    return results


def judge_named(
    once: Finder, detector: Detector, scenes: Sequence[Scene], truth: Sequence[LabelledPhoto], *, margin: float
) -> dict[str, float]:
    """Measure the points of garments that were found and given their own category; and those in their true boxes."""
    found = DetectThenFind(detector, once, margin=margin).find([scene.image for scene in scenes])
    named, points, given = [], [], []
    for scene, photo, answers in zip(scenes, truth, found, strict=True):
        matches = match_boxes(photo.boxes, np.array([answer.box for answer in answers]).reshape(-1, 4))
        for garment, answer in zip(scene.garments, matches.tolist(), strict=True):
            if answer >= 0 and answers[answer].prediction.category == garment.category:
                named.append(garment)
                points.append(answers[answer].prediction.keypoints)
                box = room(garment, scene.image, margin=margin)
                given.append(in_boxes(once, [scene.image], [garment.category], boxes=[box])[0])
    truths = np.array([garment.points for garment in named]).reshape(-1, 24, 3)
    ours, true = (
        point_errors(np.array(each).reshape(-1, 24, 2), truths, categories=[garment.category for garment in named])
        for each in (points, given)
    )
    return {"ne": mean_error(ours), "ne_true_boxes": mean_error(true)}


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
    finder: Finder, photos: Sequence[np.ndarray], categories: Sequence[str], *, boxes: Sequence[Box]
) -> np.ndarray:
    """Find the points in one box of each photo, as DetectThenFind does."""
    found = []
    for start in range(0, len(photos), finder.batch_size):
        batch = slice(start, min(start + finder.batch_size, len(photos)))
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
    photos, scenes = results["photos"], results["scenes"]
    rows = ["| network | looks at | NE val | difference | 95 % interval | photos/s |", "|---" * 6 + "|"]
    for network, looks in photos["networks"].items():
        for look, result in looks.items():
            low, high = result["interval"]
            zero = ", includes zero" if low <= 0 <= high else ""
            first = len(rows) == 2
            difference = " | " if first else f"{result['difference']:+.2f} | {low:+.2f} to {high:+.2f}{zero}"
            rows.append(f"| {network} | {look} | {result['ne']:.2f} % | {difference} | {result['speed']:.2f} |")
    put_table("detection.md", "photos", "\n".join(rows))
    columns = ("detector", "pictures", "AP50", "AP", "keypoint recall", "missed", "named", "boxes without garment")
    columns = (*columns, "answers on empty pictures")
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, result in scenes.items():
        rows.append(f"| {name} | val photos | {_boxes(photos['detectors'][name])} | |")
        rows.append(f"| {name} | scenes | {_boxes(result)} | {100 * result['empty_with_answer']:.0f} % |")
    put_table("detection.md", "boxes", "\n".join(rows))
    rows = ["| detector | network | NE | NE in true boxes | ratio |", "|---" * 5 + "|"]
    for name, detector in scenes.items():
        for network, result in detector["networks"].items():
            ours, true = result["ne"], result["ne_true_boxes"]
            rows.append(f"| {name} | {network} | {ours:.2f} % | {true:.2f} % | {ours / true:.2f} |")
    put_table("detection.md", "scenes", "\n".join(rows))


def _boxes(result: dict[str, float]) -> str:
    shares = f"{100 * (1 - result['found']):.1f} % | {100 * result['named']:.1f} %"
    measures = f"{result['ap50']:.3f} | {result['ap']:.3f} | {result['keypoint_recall']:.3f}"
    return f"{measures} | {shares} | {result['extra']:.2f} per picture"


if __name__ == "__main__":
    main()
