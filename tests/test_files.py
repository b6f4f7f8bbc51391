"""Output files are whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemline.errors import HemlineError
from hemline.files import open_atomic, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_utf8_with_lf(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.txt", "Säume\n2 %\n")
    assert (tmp_path / "a.txt").read_bytes() == b"S\xc3\xa4ume\n2 %\n"
    assert names(tmp_path) == ["a.txt"]


def test_bytes_stay_as_they_are(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.bin", b"\r\n\x00\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\r\n\x00\xff"


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x" / "y" / "a.txt", "1")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "1"


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with open_atomic(path) as stream:
        stream.write("new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_rest(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with open_atomic(path) as stream:
            stream.write("new")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_files_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "a.txt", "1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(HemlineError, match=r"file.a\.txt: cannot be written: "):
        write_atomic(tmp_path / "file" / "a.txt", "1")
    with pytest.raises(HemlineError, match=r"folder: cannot be written: it is a folder"):
        write_atomic(tmp_path / "folder", "1")
    with pytest.raises(HemlineError, match=r"^\.: cannot be written: it is a folder"):
        write_atomic(Path(), "1")
    assert names(tmp_path) == ["file", "folder"]


def test_an_error_of_the_block_is_not_taken_for_one_of_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_atomic(tmp_path / "a.txt") as stream:
        stream.write((tmp_path / "missing.txt").read_text())
    assert names(tmp_path) == []


@contextlib.contextmanager
def files_of_100_bytes() -> Iterator[None]:
    """No file may grow past 100 bytes: what follows is, as on a full disk, an error of writing without a name.

    The limit holds for the whole process, the test runner's own output included: keep the block to the write.
    """
    resource = pytest.importorskip("resource", reason="POSIX limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("content", ["x" * 101, b"x" * 101, "x" * 100_000, b"x" * 100_000])
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(HemlineError) as caught, files_of_100_bytes():
        write_atomic(tmp_path / "a.txt", content)
    assert str(caught.value) == f"{tmp_path / 'a.txt'}: cannot be written: {os.strerror(errno.EFBIG)}"
    assert names(tmp_path) == []


def test_of_two_files_the_one_that_does_not_fit_is_named(tmp_path: Path) -> None:
    def write_both() -> None:
        with open_atomic(tmp_path / "large.txt") as large, open_atomic(tmp_path / "small.txt") as small:
            small.write("1")
            large.write("x" * 100_000)

    with pytest.raises(HemlineError, match=r"large\.txt: cannot be written"), files_of_100_bytes():
        write_both()
    assert names(tmp_path) == []


def test_an_error_of_the_block_without_a_name_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^Broken pipe$"), open_atomic(tmp_path / "a.txt"):
        raise OSError("Broken pipe")


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("a" * 200 + ".csv"), "1")
    assert len(names(tmp_path)) == 1
