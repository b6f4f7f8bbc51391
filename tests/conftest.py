"""Fixtures that more than one test file needs."""

from __future__ import annotations

import os
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
