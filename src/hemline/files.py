"""Output files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import io
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
        HemlineError: no file can be made there, or the disk is full; names it. Other errors of the block stay
            as they are.
    """
    path = Path(path)
    with _naming(path):
        if path.is_dir():
            raise HemlineError(f"{path}: cannot be written: it is a folder")
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BufferedWriter(_NamedFile(temporary, path))
    stream = buffer if "b" in mode else io.TextIOWrapper(buffer, encoding="utf-8", newline="\n")
    try:
        with stream:
            yield stream
            stream.flush()
            with _naming(path):
                os.fsync(stream.fileno())
        with _naming(path):
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file in one step; see `open_atomic`."""
    with open_atomic(path, "wb" if isinstance(content, bytes) else "w") as stream:
        stream.write(content)


class _NamedFile(io.FileIO):
    """A new file whose errors of writing, a full disk above all, name the final path.

    The block of `open_atomic` may read and write other files, whose errors must not be taken for this one's.
    """

    def __init__(self, temporary: Path, path: Path) -> None:
        super().__init__(temporary, "x")
        self.path = path

    def write(self, data: Any) -> int:
        with _naming(self.path):
            return super().write(data)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HemlineError(f"{path}: cannot be written: {error.strerror}") from error
