"""Data roots: a folder of photos and the annotation CSV that describes them.

Every release of the FashionAI data lies differently (Annotations/train.csv, Annotations/annotations.csv,
an answer file beside test.csv, train.csv and val.csv beside Images), so a root is named ROOT when it holds
one annotation CSV, or ROOT:FILE. An image_id is a path below ROOT.
"""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats.fashionai import TEST_COLUMNS, find_line, read_annotations, read_columns
from hemline.garments import KEYPOINTS


def read_roots(roots: Sequence[str], *, require_images: bool = True) -> tuple[AnnotationTable, list[str]]:
    """Read the annotations of several roots into one table.

    A photo that lies in two roots under the same file name (366 FashionAI photos do) is kept once, with the
    labels of the root named first. Photos whose names are the same but whose bytes differ are all kept.

    Args:
        roots: "ROOT" or "ROOT:FILE", FILE as seen from ROOT, e.g. "data/train:Annotations/train.csv".
        require_images: look whether every photo is there.
    Returns:
        the rows in order, with paths; and one sentence per root that repeated photos of an earlier one.
    Raises:
        DataError: no such folder or file, none or several annotation CSVs in ROOT (lists them), a missing
            photo, or whatever `read_annotations` finds wrong.
    """
    if not roots:
        raise DataError("no data: name at least one ROOT or ROOT:FILE")
    tables, notes = [], []
    kept: dict[str, list[Path]] = {}
    for argument in roots:
        root, file = split_root(argument)
        table = attach_paths(read_annotations(file), root, file=file, require_images=require_images)
        new = [row for row, path in enumerate(table.paths) if not _is_among(path, kept.get(path.name, ()))]
        for row in new:
            kept.setdefault(table.paths[row].name, []).append(table.paths[row])
        if len(new) < len(table):
            notes.append(
                f"{file}: {len(table) - len(new)} of {len(table)} photos are in an earlier root, left out here"
            )
        tables.append(table.select(new))
    return _join(tables), notes


def count_shared_photos(table: AnnotationTable, other: AnnotationTable) -> int:
    """Count the photos of `other` that are in `table` too, by the rule of `read_roots`; both have paths."""
    named: dict[str, list[Path]] = {}
    for path in table.paths:
        named.setdefault(path.name, []).append(path)
    return sum(_is_among(path, named.get(path.name, ())) for path in other.paths)


def split_root(argument: str) -> tuple[Path, Path]:
    """Find the folder and the annotation CSV that "ROOT" or "ROOT:FILE" names.

    A colon may be part of a folder's name or of a drive letter: an existing folder is ROOT as it stands, else
    the longest existing folder before a colon is.

    Raises:
        DataError: see `read_roots`.
    """
    if Path(argument).is_dir():
        return Path(argument), _find_annotations(Path(argument))
    colons = [at for at, character in enumerate(argument) if character == ":"]
    for at in reversed(colons):
        root, name = Path(argument[:at]), argument[at + 1 :]
        if argument[:at] and root.is_dir():
            if not (root / name).is_file():
                raise DataError(f"{root}: no file '{name}' in this folder{_offer(root)}")
            return root, root / name
    if Path(argument).is_file():
        raise DataError(f"{argument}: a file; expected ROOT:FILE, where ROOT is the folder that image_id starts from")
    raise DataError(f"{argument}: no such folder; expected ROOT or ROOT:FILE, e.g. data/train:Annotations/train.csv")


def attach_paths(
    table: AnnotationTable, root: Path, *, file: Path | None = None, require_images: bool = True
) -> AnnotationTable:
    """Add the path of each photo, ROOT/image_id.

    Args:
        table: annotations, with or without paths.
        root: the folder that the ids start from.
        file: the CSV that the table was read from, for the error message.
        require_images: look whether every photo is there.
    Raises:
        DataError: a photo is missing; names the first one's file and line, and how many are missing.
    """
    paths = tuple(root / image_id for image_id in table.image_ids)
    if require_images:
        missing = [row for row, path in enumerate(paths) if not path.is_file()]
        if missing:
            image_id = table.image_ids[missing[0]]
            where = f"{file}, line {find_line(file, image_id)}, column image_id: " if file else ""
            count = f"{len(missing)} of {len(paths)} photos are missing" if len(missing) > 1 else "1 photo is missing"
            raise DataError(f"{where}no photo '{image_id}' in {root} ({count}); is {root} the folder with Images?")
    return replace(table, paths=paths)


def _find_annotations(root: Path) -> Path:
    found = _annotation_files(root)
    if len(found) == 1:
        return found[0]
    if found:
        choices = "\n".join(f"  --data {root}:{path.relative_to(root).as_posix()}" for path in found)
        raise DataError(f"{root}: {len(found)} annotation files in this folder; name one of them:\n{choices}")
    deeper = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and _annotation_files(folder)]
    if deeper:
        choices = "\n".join(f"  --data {folder}" for folder in deeper)
        raise DataError(f"{root}: no annotation CSV in this folder, but one folder below; name that:\n{choices}")
    seen = _csv_files(root)
    if len(seen) == 1 and set(read_columns(seen[0])) != set(TEST_COLUMNS):
        return seen[0]  # `read_annotations` says what is wrong with it
    without = f" (without keypoint columns: {', '.join(path.name for path in seen)})" if seen else ""
    raise DataError(f"{root}: no annotation CSV in this folder or its folder Annotations{without}")


def _offer(root: Path) -> str:
    found = _annotation_files(root)
    return "; there is " + ", ".join(path.relative_to(root).as_posix() for path in found) if found else ""


def _annotation_files(root: Path) -> list[Path]:
    """List the CSVs that have keypoints; test.csv and lists of owners have none."""
    return [path for path in _csv_files(root) if {"image_id", *KEYPOINTS} <= set(read_columns(path))]


def _csv_files(root: Path) -> list[Path]:
    suffix = "[cC][sS][vV]"
    return [*sorted(root.glob(f"Annotations/*.{suffix}")), *sorted(root.glob(f"*.{suffix}"))]


def _is_among(path: Path, others: Sequence[Path]) -> bool:
    """Tell whether a photo is one of the photos of the same name; by name alone where the files are not there."""
    return any(not (path.is_file() and other.is_file()) or filecmp.cmp(path, other, shallow=False) for other in others)


def _join(tables: Sequence[AnnotationTable]) -> AnnotationTable:
    return AnnotationTable(
        tuple(image_id for table in tables for image_id in table.image_ids),
        tuple(category for table in tables for category in table.categories),
        np.concatenate([table.points for table in tables]),
        tuple(path for table in tables for path in table.paths),
    )
