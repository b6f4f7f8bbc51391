"""The floors of docs/architecture.md, and which rooms are without torch: an AST walk over every import."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parent.parent / "src"

FLOORS = {
    "hemline": 0,
    **dict.fromkeys(
        (
            "hemline.errors",
            "hemline.files",
            "hemline.garments",
            "hemline.annotation",
            "hemline.recipe",
            "hemline.study",
            "hemline.toml_file",
        ),
        0,
    ),
    **dict.fromkeys(("hemline.geometry", "hemline.images", "hemline.metrics"), 1),
    "hemline.formats": 2,
    **dict.fromkeys(("hemline.models", "hemline.synth", "hemline.codecs"), 3),
    "hemline.learn": 4,
    "hemline.infer": 5,
    "hemline.report": 6,
    **dict.fromkeys(("hemline.learn.build", "hemline.learn.fit", "hemline.learn.soup", "hemline.learn.ablation"), 7),
    **dict.fromkeys(("hemline.learn.task", "hemline.learn.keypoint_task", "hemline.learn.detection_task"), 7),
    "hemline.learn.preview": 7,
    **dict.fromkeys(("hemline.serve", "hemline.export"), 7),
    "hemline.cli": 8,
}
TORCH = {"torch", "torchvision", "timm", "lightning"}
WITH_TORCH = ("hemline.models", "hemline.learn", "hemline.infer.torch_backend", "hemline.export")


class Import(NamedTuple):
    importer: str
    target: str
    line: int
    where: str  # "top", "function" or "types"

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.target}"


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports_in(importer: str, node: ast.AST, where: str = "top") -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(importer, alias.name, child.lineno, where) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{importer}, line {child.lineno}: imports are absolute here"
            names = {f"{child.module}.{alias.name}" for alias in child.names}
            targets = {name if name in MODULES else str(child.module) for name in names}
            yield from (Import(importer, target, child.lineno, where) for target in sorted(targets))
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports_in(importer, child, "function")
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imports_in(importer, child, "types")
        else:
            yield from imports_in(importer, child, where)


IMPORTS = [each for name, path in MODULES.items() for each in imports_in(name, ast.parse(path.read_text("utf-8")))]
INSIDE = [each for each in IMPORTS if each.target.split(".")[0] == "hemline"]


def floor_of(module: str) -> int:
    while module not in FLOORS:
        module = module.rpartition(".")[0]
    return FLOORS[module]


def is_within(module: str, *rooms: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def test_every_room_has_a_floor() -> None:
    assert {".".join(name.split(".")[:2]) for name in MODULES} <= FLOORS.keys()


def test_imports_go_down() -> None:
    def is_allowed(each: Import) -> bool:
        here, there = floor_of(each.importer), floor_of(each.target)
        same_room = each.importer.split(".")[1:2] == each.target.split(".")[1:2]
        return there < here or (there == here and (same_room or here <= 1))

    assert [str(each) for each in INSIDE if not is_allowed(each)] == []


def test_nothing_imports_in_a_circle() -> None:
    below: dict[str, set[str]] = {}
    for each in INSIDE:
        if each.where != "types":
            below.setdefault(each.importer, set()).add(each.target)
    graphlib.TopologicalSorter(below).prepare()  # raises CycleError, which names the circle


def test_recipes_stop_at_the_upper_floors() -> None:
    readers = {each.importer for each in INSIDE if each.target in ("hemline.recipe", "hemline.study")}
    assert {name for name in readers if floor_of(name) < 7} == set()


def test_torch_stays_in_its_rooms() -> None:
    def is_allowed(each: Import) -> bool:
        if is_within(each.importer, *WITH_TORCH) or each.where == "types":
            return True
        if each.where == "function":  # a verb, and the Predictor's choice of its backend, load torch when they run
            return is_within(each.importer, "hemline.cli") or is_within(each.target, "hemline.infer")
        return False

    needs_torch = [e for e in IMPORTS if e.target.split(".")[0] in TORCH or is_within(e.target, *WITH_TORCH)]
    assert [str(each) for each in needs_torch if not is_allowed(each)] == []


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_all_other_rooms_open_without_torch() -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in sorted(TORCH))
    rooms = "".join(f"import {name}\n" for name in MODULES if not is_within(name, *WITH_TORCH))
    run_python(f"import sys\n{blocked}{rooms}")


def test_help_is_light() -> None:
    loaded = "print(sorted({'torch', 'cv2', 'pandas', 'numpy'} & set(sys.modules)))"
    assert run_python(f"import sys, hemline; {loaded}") == "[]\n"
    show_help = "import atexit, sys; sys.argv = ['hemline', '--help']; from hemline.cli import main"
    output = run_python(f"{show_help}; atexit.register(lambda: {loaded}); main()")
    assert "train" in output
    assert output.splitlines()[-1] == "[]"


def test_modules_are_named_after_what_they_hold() -> None:
    assert not {"utils", "util", "helpers", "common", "misc", "core", "base"} & {
        part for name in MODULES for part in name.split(".")
    }


def test_no_file_is_longer_than_600_lines() -> None:
    assert {name: n for name, path in MODULES.items() if (n := len(path.read_text("utf-8").splitlines())) > 600} == {}
