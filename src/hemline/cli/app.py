"""The command line itself, and what its verbs share. Each verb imports what it needs when it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from hemline import __version__
from hemline.errors import DataError

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


@contextlib.contextmanager
def naming(file: Path | str, other: Path | None) -> Iterator[None]:
    """Put the files that are compared in front of what is wrong with them."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{file}{f' against {other}' if other else ''}: {error}") from error


@contextlib.contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error where that is a terminal; yields what to call after each step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
