"""Fixtures that more than one test file needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def garments() -> Path:
    """The folder of real labelled photos; tests that need it are skipped where it is not there."""
    folder = Path(os.environ.get("HEMLINE_GARMENTS", REPOSITORY.parent / "shared" / "garments"))
    if not (folder / "Annotations").is_dir():
        pytest.skip(f"no labelled photos in {folder}; set HEMLINE_GARMENTS to their folder")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Run torch on one thread: small networks are faster so, and sums come out the same every time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def hemline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line as a user does; returns exit code, standard output and standard error."""
    from hemline.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hemline", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        output = capsys.readouterr()
        return int(stopped.value.code or 0), output.out, output.err

    return run
