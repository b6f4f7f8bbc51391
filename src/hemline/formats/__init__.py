"""Annotation file formats: one file per format, read and write side by side.

Adding a format: one module here with `read_annotations(path) -> AnnotationTable` and
`write_annotations(path, table)`, and one line in FORMATS; tests/formats/test_format_contract.py covers it then.
"""

from __future__ import annotations

from types import ModuleType

from hemline.formats import coco, fashionai

FORMATS: dict[str, ModuleType] = {"fashionai": fashionai, "coco": coco}
