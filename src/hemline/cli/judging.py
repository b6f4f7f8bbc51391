"""Verbs that compare and submit: evaluate, evaluate-boxes, submit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemline.cli.app import app, naming, submit
from hemline.errors import require_extra

if TYPE_CHECKING:
    from hemline.annotation import AnnotationTable


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(metavar="PRED.csv", help="The points to judge.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.csv", help="The true points.")],
    absent_normalizer: Annotated[
        str,
        typer.Option(
            metavar="skip|PIXELS",
            help="Garments whose armpits or waistband ends are absent: leave them out, or divide by this length.",
        ),
    ] = "skip",
    categories: Annotated[
        str | None, typer.Option(metavar="blouse,...", help="Compare these categories only.", show_default="all")
    ] = None,
    json: Annotated[Path | None, typer.Option(dir_okay=False, help="Write all numbers to this file, too.")] = None,
) -> None:
    """Compare predicted points with true ones: normalised error (NE), PCK, and what was skipped."""
    from hemline.formats.fashionai import read_annotations
    from hemline.report.evaluation import evaluate, parse_absent_normalizer, print_evaluation, write_evaluation

    length = parse_absent_normalizer(absent_normalizer)
    tables = read_annotations(prediction), read_annotations(truth)
    with naming(prediction, truth):
        evaluation = evaluate(
            *tables,
            absent_normalizer=length,
            categories=[name.strip() for name in categories.split(",")] if categories is not None else None,
        )
    if json:
        write_evaluation(json, evaluation)
    print_evaluation(evaluation)


@app.command("evaluate-boxes")
def evaluate_boxes(
    detector: Annotated[Path, typer.Argument(help="A run folder of a detect_* recipe, or its weights.")],
    data: Annotated[list[str], typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos. May be repeated.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
) -> None:
    """Compare a detector's boxes with those of labelled points: AP, keypoint recall, and the errors of the sides."""
    require_extra("train")
    from hemline.formats.roots import read_roots
    from hemline.infer.torch_backend import load_detector
    from hemline.report.detection import judge_detector, label_photos, print_box_scores

    found = load_detector(detector, device=device)
    table, notes = read_roots(data)
    for note in notes:
        typer.echo(note)
    photos = label_photos(table.of_categories(found.categories), margin=found.margin)
    print_box_scores(judge_detector(found, photos), photos=len(photos))


_TestOption = Annotated[
    Path | None, typer.Option("--test", metavar="TEST.csv", help="The test CSV: its photos and categories must match.")
]


@submit.command("write")
def submit_write(
    prediction: Annotated[Path, typer.Argument(metavar="PRED.csv", help="What `hemline predict` wrote.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The submission to write.")],
    test: _TestOption = None,
) -> None:
    """Write predictions as a submission: integers, x_y_1 inside the category, -1_-1_-1 outside."""
    from hemline.formats.fashionai import read_annotations

    _write_submission(out, read_annotations(prediction), files=[prediction], test=test)


@submit.command("merge")
def submit_merge(
    files: Annotated[list[Path], typer.Argument(metavar="A.csv B.csv ...", help="One file per category, any order.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The submission to write.")],
    test: _TestOption = None,
) -> None:
    """Merge files that each answer some categories into one submission."""
    from hemline.formats.submission import merge_submissions

    _write_submission(out, merge_submissions(files), files=files, test=test)


@submit.command("average")
def submit_average(
    files: Annotated[list[Path], typer.Argument(metavar="A.csv B.csv ...", help="Answers for the same garments.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The submission to write.")],
    weights: Annotated[
        str | None, typer.Option(metavar="1,3,...", help="How much each file counts.", show_default="all alike")
    ] = None,
    test: _TestOption = None,
) -> None:
    """Average the points of several predictions or submissions, and write the result as a submission."""
    from hemline.formats.submission import average_submissions, parse_weights

    table = average_submissions(files, weights=parse_weights(weights) if weights is not None else ())
    _write_submission(out, table, files=files, test=test)


@submit.command("check")
def submit_check(
    submission: Annotated[Path, typer.Argument(metavar="SUB.csv", exists=True, help="Anybody's submission.")],
    test: _TestOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Places to show of each problem.")] = 5,
) -> None:
    """Say what is wrong with a submission; the exit code is 1 if anything is."""
    from hemline.formats.fashionai import read_annotations
    from hemline.formats.submission import check_submission

    problems = check_submission(submission, test=read_annotations(test) if test else None)
    for problem, places in problems.items():
        typer.echo(f"{problem}: {len(places)}")
        for place in places[:limit]:
            typer.echo(f"  {place}")
        if len(places) > limit:
            typer.echo("  ...")
    if problems:
        raise typer.Exit(1)
    typer.echo("no problem found")


def _write_submission(out: Path, table: AnnotationTable, *, files: Sequence[Path], test: Path | None) -> None:
    from hemline.formats.fashionai import read_annotations
    from hemline.formats.submission import write_submission

    expected = read_annotations(test) if test else None
    with naming(", ".join(map(str, files)), test):
        write_submission(out, table, test=expected)
    typer.echo(f"{len(table)} garments in {out}")
