"""Put what a benchmark measured into a page of docs/, between two comments."""

from __future__ import annotations

from pathlib import Path

from hemline.files import write_atomic

DOCS = Path(__file__).resolve().parent.parent / "docs"


def put_table(page: str, name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME: written by ... -->` and `<!-- end of NAME -->` in a page.

    Args:
        page: a file of docs/.
        name: as in the comments, which must be there.
        table: Markdown.
    """
    path = DOCS / page
    before, begin, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name}: ")
    comment, close, rest = rest.partition("-->")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not (begin and close and end):
        raise ValueError(f"{path} lacks the comments of '{name}'")
    write_atomic(path, f"{before}{begin}{comment}{close}\n\n{table.strip()}\n\n{end}{after}")
