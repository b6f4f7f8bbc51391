"""What to predict: photo files, folders of photos, and FashionAI CSVs, as one list of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemline.errors import DataError
from hemline.formats.fashionai import read_annotations
from hemline.garments import check_category
from hemline.images import find_images
from hemline.infer.stream import Source


def find_sources(
    places: Sequence[Path],
    *,
    known: Sequence[str],
    category: str | None = None,
    root: Path | None = None,
    subject: str = "this network was",
    detects: bool = False,
) -> tuple[list[Source], list[str]]:
    """List the photos that a user named.

    Read to the end before the first is predicted, so that mistakes come first: a list of ids and paths, some 0.5 KB
    each. An image_id is what a CSV says, the path below a given folder, or a file's path as given.

    Args:
        places: files, folders, and CSVs with image_id and image_category.
        known: the categories of the network.
        category: of the photos outside CSVs; of a CSV's rows only these are taken.
        root: the folder that a CSV's ids start from; by default the folder of the CSV, or that folder's parent
            when it is called Annotations.
        subject: of errors about categories that are not `known`: "... trained for skirt".
        detects: a detector says what is on photos outside CSVs, where `category` does not.
    Returns:
        the sources in order, and one sentence for each CSV or folder of which rows or photos were left out.
    Raises:
        DataError: no category where one is needed, one that the network does not know, a CSV without a photo,
            or two photos with the same id; whatever `read_annotations` finds wrong.
        ImageError: no such file or folder, or a folder without photos.
    """
    if category is not None and check_category(category) not in known:
        raise DataError(f"{subject} trained for {', '.join(known)}, not for '{category}'")
    sources, notes = [], []
    for place in places:
        if place.suffix.lower() == ".csv":
            found, left_out = _read_csv(place, known=known, category=category, root=root, subject=subject)
            sources += found
            if left_out:
                notes.append(f"{place}: {left_out} of {left_out + len(found)} garments are no {category}, left out")
        else:
            found, note = _find_photos(place, category if category or detects else _only(known))
            sources += found
            if note:
                notes.append(note)
    _check_ids(sources)
    return sources, notes


def _only(known: Sequence[str]) -> str:
    if len(known) > 1:
        raise DataError(f"what is on these photos? Say so with --category: {', '.join(known)}")
    return known[0]


def _find_photos(place: Path, category: str | None) -> tuple[list[Source], str | None]:
    paths, note = find_images(place)
    if not place.is_dir():
        return [Source(path.as_posix(), category, path) for path in paths], note
    return [Source(path.relative_to(place).as_posix(), category, path) for path in paths], note


def _read_csv(
    file: Path, *, known: Sequence[str], category: str | None, root: Path | None, subject: str
) -> tuple[list[Source], int]:
    """Return the sources of a CSV and how many of its rows are of another category than the wanted one."""
    table = read_annotations(file)
    rows = table if category is None else table.of_categories([category])
    if not len(rows):
        raise DataError(f"{file}: no {category} among its {len(table)} garments")
    strange = sorted(set(rows.categories) - set(known))
    if strange:
        raise DataError(
            f"{file} has garments of {', '.join(strange)}, but {subject} trained for {', '.join(known)}; "
            "take the rows of one category with --category"
        )
    if root is None:
        root = file.parent.parent if file.parent.name == "Annotations" else file.parent
    sources = [
        Source(image_id, name, root / image_id) for image_id, name in zip(rows.image_ids, rows.categories, strict=True)
    ]
    if not any(source.path.is_file() for source in sources):
        raise DataError(
            f"{file}: none of its photos is in {root} (the first would be {sources[0].path}); "
            "give the folder that image_id starts from as --data"
        )
    return sources, len(table) - len(rows)


def _check_ids(sources: Sequence[Source]) -> None:
    first: dict[str, Path] = {}
    for source in sources:
        if source.image_id in first:
            raise DataError(
                f"{first[source.image_id]} and {source.path} would both be '{source.image_id}' in the output; "
                "predict them one after the other, or name the folder that holds both"
            )
        first[source.image_id] = source.path
