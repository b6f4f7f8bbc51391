"""Verbs that train: train, ablate, soup; and what can be trained: models, recipes, augment-preview."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import typer

from hemline.cli.app import app
from hemline.errors import RecipeError, require_extra, unknown_name
from hemline.files import write_atomic


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
        val_notes.append(_too_good(shared, len(validation)))
    left_out = len(table) - len(table.of_categories(chosen.categories))
    if left_out:
        notes.append(f"{left_out} of {len(table)} training garments are no {' or '.join(chosen.categories)}, left out")
    for kind, rows in (("training", table), ("validation", validation)):
        if rows is not None and (unlabelled := len(rows) - len(rows.labelled())):
            notes.append(f"{unlabelled} of {len(rows)} {kind} garments have no labelled point, left out")
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
    from hemline.formats.roots import count_shared_photos, read_roots
    from hemline.learn.ablation import Measured, run_study
    from hemline.metrics import mean_error
    from hemline.report.ablation import PLOT, TABLE, effect_table, write_effect_plot
    from hemline.study import read_study

    chosen = read_study(study, changes=set_ or ())
    (table, notes), (validation, val_notes) = read_roots(data), read_roots(val)
    if shared := count_shared_photos(table, validation):
        val_notes.append(_too_good(shared, len(validation)))
    for note in [*notes, *val_notes]:
        typer.echo(note)

    def show(measured: Measured) -> None:
        typer.echo(f"{measured.name}, seed {measured.seed}: NE {mean_error(measured.errors):.2f} %")

    base, effects = run_study(chosen, table, validation, out=out, trained=run, on_measured=show)
    content = effect_table(base, effects)
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
    """List the networks and detectors that a recipe can name."""
    require_extra("train")
    from hemline.models import MODELS
    from hemline.models.detectors import DETECTORS

    if not table:
        for name, build in MODELS.items():
            typer.echo(f"{name:<12} {(inspect.getmodule(build).__doc__ or '').splitlines()[0]}")
        for name, detector in DETECTORS.items():
            typer.echo(f"{name:<12} detector: {(detector.__doc__ or '').splitlines()[0]}")
        return
    from hemline.learn.build import model_arguments
    from hemline.models.count import measure_network
    from hemline.recipe import read_recipe, shipped_recipes

    typer.echo("| recipe | network | arXiv | params | GFLOPs | size | outputs |")
    typer.echo("|---|---|---|---|---|---|---|")
    for name, path in shipped_recipes(task="keypoints").items():
        recipe = read_recipe(path)
        measured = measure_network(**model_arguments(recipe))
        typer.echo(
            f"| {name} | {recipe.model.name} | {measured.paper} | {measured.parameters / 1e6:.1f} M "
            f"| {measured.flops / 1e9:.2f} | {recipe.input.size} | {', '.join(measured.outputs)} |"
        )


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe.", show_default="list all")] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Print all keys that a recipe may have, as Markdown.")] = False,
) -> None:
    """List the recipes that come with hemline, or print one."""
    from hemline.recipe import DetectorRecipe, Recipe, shipped_recipes
    from hemline.report.recipe_keys import key_tables

    shipped = shipped_recipes()
    if keys:
        typer.echo(
            f"## Keypoint networks\n\n{key_tables(Recipe)}\n## Garment detectors\n\n{key_tables(DetectorRecipe)}",
            nl=False,
        )
    elif name is None:
        for each, path in shipped.items():
            about = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()
            typer.echo(f"{each:<24} {about}")
    elif name in shipped:
        typer.echo(shipped[name].read_text(encoding="utf-8"), nl=False)
    else:
        raise RecipeError(unknown_name("recipe", name, shipped))


def _too_good(shared: int, count: int) -> str:
    return f"{shared} of {count} validation photos are training photos: scores will be too good"
