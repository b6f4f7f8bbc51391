"""Verbs that answer for photos: predict."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from hemline.cli.app import app, progress
from hemline.errors import DataError, RecipeError, require_extra


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A run folder of `hemline train`, or a weights file.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, folders of photos, or a FashionAI CSV.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The CSV to write.")],
    category: Annotated[
        str | None, typer.Option(help="What is on the photos; of a CSV, take the rows of this category only.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(file_okay=False, help="The folder that a CSV's image_id starts from.")
    ] = None,
    draw: Annotated[Path | None, typer.Option(file_okay=False, help="Draw each prediction into this folder.")] = None,
    scores: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the points' scores to this CSV.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Average with the mirrored photo, or not.", show_default="the recipe's"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Photos per step of the network.", show_default="the recipe's"),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="RUN[:WEIGHT]",
            help="Average with this network, too, which counts WEIGHT, or 1 as the first does. May be repeated.",
        ),
    ] = None,
    refine_with: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Look again, with this network, at the box of the points found first."),
    ] = None,
    detect: Annotated[
        Path | None,
        typer.Option(
            metavar="DETECTOR",
            help="Find the garments with this detector first: a run folder of a detect_* recipe, or its weights.",
        ),
    ] = None,
    coco: Annotated[
        Path | None, typer.Option(metavar="FILE.json", dir_okay=False, help="Write COCO keypoints with boxes, too.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of [predict] or [decode] for all networks, or of the detector's [detect]: "
            "predict.views=[1.0,1.25], detect.score=0.3. May be repeated.",
        ),
    ] = None,
) -> None:
    """Find the keypoints of garments on photos.

    Several networks (--with) are averaged: their maps where all have the same grid, else their points, by score.

    With a detector (--detect) photos may show any number of garments; the CSV then numbers them in a column
    "instance", and --category takes those of one category. A CSV of photos names one garment a row, and is answered
    row by row as without a detector.

    A photo that cannot be read is named, and its row is the category's mean layout, but for several garments a photo
    it has none; the exit code is then 1.
    """
    require_extra("train")
    from hemline.formats.coco import write_predictions
    from hemline.formats.fashionai import open_writer
    from hemline.images import read_image, write_image
    from hemline.infer.detect_then_find import DetectThenFind
    from hemline.infer.ensemble import split_weight
    from hemline.infer.scores import open_score_writer
    from hemline.infer.sources import find_sources
    from hemline.infer.stream import find_stream, predict_stream
    from hemline.infer.torch_backend import load_predictor
    from hemline.recipe import parse_changes
    from hemline.report.drawing import draw_garments, picture_name

    all_csv = all(place.suffix.lower() == ".csv" for place in photos)
    if detect and not all_csv and any(place.suffix.lower() == ".csv" for place in photos):
        raise DataError("with --detect, name CSVs, which say what is on each photo, or photos, but not both at once")
    changes = [each for each in set_ or () if not each.startswith("detect.")]
    of_detector = [each for each in set_ or () if each.startswith("detect.")]
    if of_detector and not detect:
        raise RecipeError(f"--set {of_detector[0]}: there is no detector to ask; give one with --detect")
    predictor = load_predictor(
        model,
        device=device,
        flip=flip,
        batch_size=batch_size,
        others=[split_weight(other) for other in with_ or ()],
        refiner=refine_with,
        detector=detect,
        **parse_changes(changes, sections=("predict", "decode")),
        **parse_changes(of_detector, sections=("detect",), task="detection"),
    )
    sources, notes = find_sources(
        photos,
        known=predictor.categories,
        category=category,
        root=data,
        subject=predictor.subject,
        detects=detect is not None,
    )
    for note in notes:
        typer.echo(note, err=True)
    if isinstance(predictor, DetectThenFind) and not all_csv:
        several, outcomes = True, find_stream(predictor, sources)
    else:
        several, outcomes = False, predict_stream(predictor, sources)
    sizes_wh: dict[str, tuple[int, int]] = {}
    garments = []
    found = empty = unreadable = 0
    with contextlib.ExitStack() as files, progress("predicting", len(sources)) as show:
        write = files.enter_context(open_writer(out, instances=several))
        write_scores = files.enter_context(open_score_writer(scores, instances=several)) if scores else None
        for outcome in outcomes:
            image_id = outcome.source.image_id
            if coco:
                sizes_wh[image_id] = outcome.size_wh
                garments += [(each.prediction, each.box, each.score) for each in outcome.garments]
            for garment in outcome.garments:
                write(image_id, garment.prediction.category, garment.prediction.points)
                if write_scores:
                    write_scores(garment.prediction)
            if outcome.error:
                unreadable += 1
                typer.echo(f"hemline: {outcome.error}", err=True)
            elif draw:
                drawn = draw_garments(read_image(outcome.source.path), outcome.garments, boxes=several)
                write_image(draw / picture_name(image_id), drawn)
            found += len(outcome.garments)
            empty += not outcome.garments and not outcome.error
            show()
    if coco:
        write_predictions(coco, sizes_wh, garments)
    typer.echo(f"{found} garments in {out}")
    if empty:
        typer.echo(f"{empty} of {len(sources)} photos show no garment")
    if unreadable:
        typer.echo(f"hemline: {unreadable} of {len(sources)} photos could not be read, see above", err=True)
        raise typer.Exit(1)
