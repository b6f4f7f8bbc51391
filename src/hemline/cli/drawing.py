"""Verbs that make pictures: draw, synth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemline.cli.app import app, naming, progress
from hemline.errors import ImageError
from hemline.garments import CATEGORIES


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
    with naming(annotations, truth), progress("drawing", len(table)) as show:
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
    with progress("drawing", count) as show:
        drawing = write_drawn_set(
            out, count=count, seed=seed, size=size, settings=settings, backgrounds=backgrounds, workers=workers
        )
        for _ in drawing:
            show()
    typer.echo(f"{count} drawn garments in {out}")
