"""The command line: verbs only. Each verb imports what it needs when it runs."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from hemline import __version__
from hemline.errors import DataError, HemlineError, ImageError, RecipeError, require_extra, unknown_name
from hemline.files import write_atomic
from hemline.garments import CATEGORIES

app = typer.Typer(
    name="hemline",
    help="Find the keypoints of garments on photographs: train, predict, evaluate, submit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

submit = typer.Typer(help="Write, merge, average and check FashionAI submissions.", no_args_is_help=True)
app.add_typer(submit, name="submit")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hemline {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one (hemline recipes).")],
    data: Annotated[
        list[str], typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos, all or a file's. May be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    val: Annotated[
        list[str] | None, typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos for validation, as --data.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe: train.epochs=5. May be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")] = False,
) -> None:
    """Train a network on labelled photos."""
    require_extra("train")
    from hemline.formats.roots import count_shared_photos, read_roots
    from hemline.learn.fit import fit
    from hemline.recipe import read_any_recipe, recipe_path
    from hemline.report.training import TrainingDisplay

    chosen = read_any_recipe(recipe_path(recipe), overrides=set_ or ())
    table, notes = read_roots(data)
    validation, val_notes = read_roots(val) if val else (None, [])
    if validation is not None and (shared := count_shared_photos(table, validation)):
        val_notes.append(f"{shared} of {len(validation)} validation photos are training photos: NE will be too good")
    left_out = len(table) - len(table.of_categories(chosen.categories))
    if left_out:
        notes.append(f"{left_out} of {len(table)} training garments are no {' or '.join(chosen.categories)}, left out")
    for note in [*notes, *val_notes]:
        typer.echo(note)
    with TrainingDisplay(chosen.train.epochs) as display:
        weights = fit(
            chosen,
            table,
            out=out,
            validation=validation,
            resume=resume,
            on_step=display.step,
            on_epoch=display.epoch,
        )
    typer.echo(f"Weights: {weights}")


@app.command("augment-preview")
def augment_preview(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one (hemline recipes).")],
    data: Annotated[
        list[str], typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos, all or a file's. May be repeated.")
    ],
    out: Annotated[Path, typer.Option(metavar="SHEET.jpg", dir_okay=False, help="The picture to write.")],
    rows: Annotated[int, typer.Option(min=1, max=20, help="Garments, one per row, evenly spread over the data.")] = 5,
    count: Annotated[int, typer.Option(min=1, max=20, help="Crops of each: those of the first so many epochs.")] = 5,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe: augment.half=0.5."),
    ] = None,
) -> None:
    """Draw what training sees: garments with their points, plain and as the recipe augments them.

    Occluded points are hollow, those that left the crop are not drawn.
    """
    require_extra("train")
    from hemline.formats.roots import read_roots
    from hemline.images import write_image
    from hemline.learn.preview import cut_preview
    from hemline.recipe import read_recipe, recipe_path
    from hemline.report.contact_sheet import draw_contact_sheet

    chosen = read_recipe(recipe_path(recipe), overrides=set_ or ())
    table, notes = read_roots(data)
    for note in notes:
        typer.echo(note)
    tiles = cut_preview(chosen, table, garments=rows, epochs=count)
    write_image(out, draw_contact_sheet(tiles))
    typer.echo(f"{len(tiles)} garments in {out}")


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
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of [predict] or [decode] for all networks: predict.views=[1.0,1.25]. May be repeated.",
        ),
    ] = None,
) -> None:
    """Find the keypoints of garments on photos.

    Several networks (--with) are averaged: their maps where all have the same grid, else their points, by score.

    A photo that cannot be read is named, and its row is the category's mean layout; the exit code is then 1.
    """
    require_extra("train")
    from hemline.formats.fashionai import open_writer
    from hemline.images import read_image, write_image
    from hemline.infer.ensemble import split_weight
    from hemline.infer.scores import open_score_writer
    from hemline.infer.sources import find_sources
    from hemline.infer.stream import predict_stream
    from hemline.infer.torch_backend import load_predictor
    from hemline.recipe import parse_changes
    from hemline.report.drawing import draw_prediction, picture_name

    predictor = load_predictor(
        model,
        device=device,
        flip=flip,
        batch_size=batch_size,
        others=[split_weight(other) for other in with_ or ()],
        refiner=refine_with,
        **parse_changes(set_ or (), sections=("predict", "decode")),
    )
    sources, notes = find_sources(
        photos, known=predictor.categories, category=category, root=data, subject=predictor.subject
    )
    for note in notes:
        typer.echo(note, err=True)
    unreadable = 0
    with contextlib.ExitStack() as files, _progress("predicting", len(sources)) as show:
        write = files.enter_context(open_writer(out))
        write_scores = files.enter_context(open_score_writer(scores)) if scores else None
        for outcome in predict_stream(predictor, sources):
            prediction = outcome.prediction
            write(prediction.image_id, prediction.category, prediction.points)
            if write_scores:
                write_scores(prediction)
            if outcome.error:
                unreadable += 1
                typer.echo(f"hemline: {outcome.error}", err=True)
            elif draw:
                picture = draw_prediction(read_image(outcome.source.path), prediction)
                write_image(draw / picture_name(prediction.image_id), picture)
            show()
    typer.echo(f"{len(sources)} garments in {out}")
    if unreadable:
        typer.echo(f"hemline: {unreadable} of {len(sources)} photos could not be read, see above", err=True)
        raise typer.Exit(1)


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
    with _naming(prediction, truth):
        evaluation = evaluate(
            *tables,
            absent_normalizer=length,
            categories=[name.strip() for name in categories.split(",")] if categories is not None else None,
        )
    if json:
        write_evaluation(json, evaluation)
    print_evaluation(evaluation)


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
    from hemline.formats.submission import write_submission

    table, expected = read_annotations(prediction), read_annotations(test) if test else None
    with _naming(prediction, test):
        write_submission(out, table, test=expected)
    typer.echo(f"{len(table)} garments in {out}")


@submit.command("merge")
def submit_merge(
    files: Annotated[list[Path], typer.Argument(metavar="A.csv B.csv ...", help="One file per category, any order.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The submission to write.")],
    test: _TestOption = None,
) -> None:
    """Merge files that each answer some categories into one submission."""
    from hemline.formats.fashionai import read_annotations
    from hemline.formats.submission import merge_submissions, write_submission

    table, expected = merge_submissions(files), read_annotations(test) if test else None
    with _naming(", ".join(map(str, files)), test):
        write_submission(out, table, test=expected)
    typer.echo(f"{len(table)} garments in {out}")


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
    from hemline.formats.fashionai import read_annotations
    from hemline.formats.submission import average_submissions, parse_weights, write_submission

    table = average_submissions(files, weights=parse_weights(weights) if weights is not None else ())
    expected = read_annotations(test) if test else None
    with _naming(", ".join(map(str, files)), test):
        write_submission(out, table, test=expected)
    typer.echo(f"{len(table)} garments in {out}")


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


@app.command()
def draw(
    annotations: Annotated[Path, typer.Argument(metavar="CSV", help="Labels or predictions.")],
    data: Annotated[Path, typer.Option(file_okay=False, help="The folder that image_id starts from.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder for the pictures.")],
    truth: Annotated[
        Path | None, typer.Option(metavar="TRUTH.csv", help="Draw these points beside the others.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Draw only the first so many.", show_default="all")] = None,
) -> None:
    """Draw points and limbs onto the photos; occluded points are hollow.

    A photo that cannot be read is named and left out; the exit code is then 1.
    """
    from hemline.formats.fashionai import read_annotations
    from hemline.formats.roots import attach_paths
    from hemline.report.drawing import draw_table

    table = read_annotations(annotations)
    table = attach_paths(table.select(range(len(table))[:limit]), data, file=annotations)
    true_table = read_annotations(truth) if truth else None
    unreadable = 0
    with _naming(annotations, truth), _progress("drawing", len(table)) as show:
        for outcome in draw_table(table, out, truth=true_table):
            if isinstance(outcome, ImageError):
                unreadable += 1
                typer.echo(f"hemline: {outcome}", err=True)
            show()
    typer.echo(f"{len(table) - unreadable} pictures in {out}")
    if unreadable:
        typer.echo(f"hemline: {unreadable} of {len(table)} photos could not be read, see above", err=True)
        raise typer.Exit(1)


@app.command()
def ablate(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A base recipe and what to change about it.")],
    data: Annotated[
        list[str], typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos to train on. May be repeated.")
    ],
    val: Annotated[
        list[str], typer.Option(metavar="ROOT[:FILE.csv]", help="Labelled photos to compare on, as --data.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="The study's folder; what is there is not done again.")],
    run: Annotated[
        Path | None, typer.Option(file_okay=False, help="A run folder: the base with seed 0, trained before.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key for the base and all switches. May be repeated."),
    ] = None,
) -> None:
    """Measure what each switch of a study does to NE: paired with the base, with an interval of the difference.

    May be killed and started again at any time.
    """
    require_extra("train")
    from hemline.formats.roots import read_roots
    from hemline.learn.ablation import Measured, run_study
    from hemline.metrics import mean_error
    from hemline.report.ablation import PLOT, TABLE, effect_table, write_effect_plot
    from hemline.study import read_study

    chosen = read_study(study, changes=set_ or ())
    (table, notes), (validation, val_notes) = read_roots(data), read_roots(val)
    for note in [*notes, *val_notes]:
        typer.echo(note)

    def show(measured: Measured) -> None:
        typer.echo(f"{measured.name}, seed {measured.seed}: NE {mean_error(measured.errors):.2f} %")

    base_ne, effects = run_study(chosen, table, validation, out=out, trained=run, on_measured=show)
    content = effect_table(base_ne, effects)
    write_atomic(out / TABLE, content)
    write_effect_plot(out / PLOT, effects)
    typer.echo(content, nl=False)
    typer.echo(f"{out / TABLE}, {out / PLOT}")


@app.command()
def soup(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN ...", help="Run folders or weights files.")],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", dir_okay=False, help="The weights file to write.")],
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="ROOT[:FILE.csv]", help="Training photos, to measure batch norm's statistics anew."),
    ] = None,
) -> None:
    """Average the weights of several networks with a common start into one network."""
    require_extra("train")
    from hemline.formats.roots import read_roots
    from hemline.learn.soup import cook_soup

    table, notes = read_roots(data) if data else (None, [])
    for note in notes:
        typer.echo(note)
    cook_soup(runs, out, data=table)
    typer.echo(f"{len(runs)} networks in {out}")


@app.command()
def models(
    table: Annotated[bool, typer.Option("--table", help="Measure the network of each recipe.")] = False,
) -> None:
    """List the networks that a recipe can name."""
    require_extra("train")
    from hemline.models import MODELS

    if not table:
        for name, build in MODELS.items():
            typer.echo(f"{name:<12} {(inspect.getmodule(build).__doc__ or '').splitlines()[0]}")
        return
    from hemline.learn.build import model_arguments
    from hemline.models.count import measure_network
    from hemline.recipe import read_recipe, shipped_recipes

    typer.echo("| recipe | network | arXiv | params | GFLOPs | size | outputs |")
    typer.echo("|---|---|---|---|---|---|---|")
    for name, path in shipped_recipes().items():
        recipe = read_recipe(path)
        measured = measure_network(**model_arguments(recipe))
        typer.echo(
            f"| {name} | {recipe.model.name} | {measured.paper} | {measured.parameters / 1e6:.1f} M "
            f"| {measured.flops / 1e9:.2f} | {recipe.input.size} | {', '.join(measured.outputs)} |"
        )


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe.", show_default="list all")] = None,
) -> None:
    """List the recipes that come with hemline, or print one."""
    from hemline.recipe import shipped_recipes

    shipped = shipped_recipes()
    if name is None:
        for each, path in shipped.items():
            about = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()
            typer.echo(f"{each:<24} {about}")
    elif name in shipped:
        typer.echo(shipped[name].read_text(encoding="utf-8"), nl=False)
    else:
        raise RecipeError(unknown_name("recipe", name, shipped))


@app.command()
def synth(
    out: Annotated[
        Path, typer.Option(help="The folder to write; its CSV is Annotations/train.csv. With --sheet a picture file.")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many garments.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same photos.")] = 0,
    size: Annotated[int, typer.Option(min=32, help="Side of the photos, pixels.")] = 512,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw; they do not change what is drawn.")] = 1,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="worn, flat, hanger or ghost. May be repeated.", show_default="all"),
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(file_okay=False, metavar="DIR", help="Real photos to use as backgrounds, too.")
    ] = None,
    sheet: Annotated[bool, typer.Option("--sheet", help="Write one contact sheet with the points drawn.")] = False,
) -> None:
    """Draw garments with exact labels: FashionAI CSV, masks and COCO keypoints, or a sheet to look at."""
    from hemline.images import write_image
    from hemline.report.contact_sheet import Tile, draw_contact_sheet
    from hemline.synth.render import SETTINGS
    from hemline.synth.stream import read_backgrounds, stream, write_drawn_set

    settings = setting or list(SETTINGS)
    if sheet:
        garments = stream(seed, size=size, settings=settings, backgrounds=read_backgrounds(backgrounds, size=size))
        drawn = [next(garments) for _ in range(count)]
        rows = [drawn[row :: len(CATEGORIES)] for row in range(min(len(CATEGORIES), count))]
        write_image(out, draw_contact_sheet([[Tile(each.image, each.annotation, "") for each in row] for row in rows]))
        typer.echo(f"{count} drawn garments on {out}")
        return
    with _progress("drawing", count) as show:
        drawing = write_drawn_set(
            out, count=count, seed=seed, size=size, settings=settings, backgrounds=backgrounds, workers=workers
        )
        for _ in drawing:
            show()
    typer.echo(f"{count} drawn garments in {out}")


@contextlib.contextmanager
def _naming(file: Path | str, other: Path | None) -> Iterator[None]:
    """Put the files that are compared in front of what is wrong with them."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{file}{f' against {other}' if other else ''}: {error}") from error


@contextlib.contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error where that is a terminal; yields what to call after each step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2."""
    try:
        app(prog_name="hemline")
    except HemlineError as error:
        typer.echo(f"hemline: {error}", err=True)
        sys.exit(2)
    except OSError as error:  # a folder that cannot be made or listed; hemline.files names what cannot be written
        if error.filename is None:
            raise
        typer.echo(f"hemline: {error.filename}: {error.strerror}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
