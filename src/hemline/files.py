"""Output files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hemline.errors import HemlineError


@contextlib.contextmanager
def open_atomic(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when the block ends without an error.

    Text is UTF-8 with LF line ends. Missing parent folders are made.

    Args:
        path: the final name; an older file there is replaced in one step.
        mode: "w" for text, "wb" for bytes.
    Raises:
        HemlineError: no file can be made there; names it.
    """
    path = Path(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    try:
        if path.is_dir():
            raise HemlineError(f"{path}: cannot be written: it is a folder")
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        stream: IO[Any] = temporary.open(mode.replace("w", "x"), encoding=encoding, newline=newline)
    except OSError as error:
        raise HemlineError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file in one step; see `open_atomic`."""
    with open_atomic(path, "wb" if isinstance(content, bytes) else "w") as stream:
        stream.write(content)
