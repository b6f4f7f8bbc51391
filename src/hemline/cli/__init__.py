"""The command line: verbs only, and one function that runs them."""

from __future__ import annotations

import sys

import typer

from hemline.cli.app import app
from hemline.errors import HemlineError

# isort: off
from hemline.cli import training, predicting, judging, drawing  # each adds its verbs to the app, shown in this order
# isort: on

__all__ = ["app", "drawing", "judging", "main", "predicting", "training"]


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
