"""The command line: verbs only. Each verb imports what it needs when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hemline import __version__
from hemline.errors import HemlineError

app = typer.Typer(
    name="hemline",
    help="Find the keypoints of garments on photographs: train, predict, evaluate, submit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2."""
    try:
        app()
    except HemlineError as error:
        typer.echo(f"hemline: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
