"""The command line as a newcomer meets it: help, version, lists, mistakes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import hemline as package
from hemline.cli import app
from hemline.garments import CATEGORIES
from hemline.images import read_image
from hemline.recipe import shipped_recipes

VERBS = (
    *("train", "augment-preview", "predict", "evaluate", "evaluate-boxes", "submit", "draw"),
    *("ablate", "soup", "models", "recipes", "synth"),
)
SUBMIT_VERBS = ("submit write", "submit merge", "submit average", "submit check")
REPOSITORY = Path(__file__).resolve().parent.parent
RECIPES = sorted((REPOSITORY / "recipes").glob("*.toml"))


def words(text: str) -> str:
    """Join wrapped lines."""
    return " ".join(text.split())


def test_the_first_page_names_every_verb_with_a_sentence(hemline):
    code, text, problems = hemline("--help")
    assert (code, problems) == (0, "")
    assert "keypoints of garments" in text
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith("  ") and line.split()}
    for verb in VERBS:
        assert len(lines[verb]) >= 4
    assert len(app.registered_commands) + len(app.registered_groups) == len(VERBS)


@pytest.mark.parametrize("verb", [verb.split() for verb in (*VERBS, *SUBMIT_VERBS)])
def test_every_verb_explains_itself_and_each_of_its_options(hemline, verb):
    code, text, problems = hemline(*verb, "--help")
    assert (code, problems) == (0, "")
    assert f"Usage: hemline {' '.join(verb)}" in text
    shown = text.splitlines()
    for number, line in enumerate(shown):
        if line.startswith("  --"):  # an option has a sentence behind it or on the next line
            follows = shown[number + 1] if number + 1 < len(shown) else ""
            explained = len(line.split("  ")) > 2 or (follows.startswith("      ") and follows.strip())
            assert explained, f"{verb}: no help for {line.strip()}"


def test_version(hemline):
    assert hemline("--version") == (0, f"hemline {package.__version__}\n", "")


def test_nothing_heavy_is_loaded_for_help():
    code = (
        "import sys, hemline\n"
        "sys.argv = ['hemline', '--help']\n"
        "from hemline.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "loaded = {'torch', 'cv2', 'pandas', 'numpy', 'timm', 'lightning'} & set(sys.modules)\n"
        "sys.exit(str(sorted(loaded)) if loaded else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_models_are_listed_with_a_sentence_each(hemline):
    code, text, _ = hemline("models")
    assert code == 0
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}
    assert lines["cpn"] == "Cascaded Pyramid Network."
    assert all(len(sentence) > 10 for sentence in lines.values())


def test_the_networks_page_has_the_measured_table(hemline):
    """Every shipped recipe's network is built and measured for it."""
    code, text, _ = hemline("models", "--table")
    assert code == 0
    assert {line.split()[1] for line in text.splitlines()[2:]} == set(shipped_recipes(task="keypoints"))
    page = (REPOSITORY / "docs" / "networks.md").read_text(encoding="utf-8")
    assert text in page, "write the output of `hemline models --table` into docs/networks.md"


def test_recipes_are_listed_with_their_first_line_and_printed(hemline):
    code, text, _ = hemline("recipes")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == [path.stem for path in RECIPES]
    for line, path in zip(text.splitlines(), RECIPES, strict=True):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ")
        assert line.endswith(first.removeprefix("# "))
    assert hemline("recipes", "demo") == (0, next(p for p in RECIPES if p.stem == "demo").read_text(), "")


def test_drawn_garments(hemline, tmp_path):
    out = tmp_path / "drawn"
    code, text, problems = hemline("synth", "--out", out, "--count", 5, "--seed", 3, "--size", 32)
    assert (code, text, problems) == (0, f"5 drawn garments in {out}\n", "")
    assert sorted(path.name for path in (out / "Images").iterdir()) == sorted(CATEGORIES)
    assert len((out / "Annotations" / "train.csv").read_text().splitlines()) == 6


def test_drawn_garments_on_a_sheet(hemline, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, text, problems = hemline("synth", "--sheet", "--out", sheet, "--count", 7, "--size", 32)
    assert (code, text, problems) == (0, f"7 drawn garments on {sheet}\n", "")
    assert read_image(sheet).shape[1] > 2 * 32  # two columns


def test_a_users_mistake_is_one_message_and_exit_code_2(hemline, tmp_path):
    (tmp_path / "drawn" / "Annotations").mkdir(parents=True)
    (tmp_path / "drawn" / "Annotations" / "train.csv").touch()
    (tmp_path / "typo.toml").write_text('name = "typo"\n[train]\nepoch = 3\n')
    for arguments, message in (
        (["recipes", "dmeo"], "hemline: unknown recipe 'dmeo'. Did you mean 'demo'?"),
        (["recipes", tmp_path / "typo.toml"], "hemline: unknown recipe '"),
        (["train", "dmeo", "--data", "x", "--out", "y"], "dmeo: no such file, and unknown recipe 'dmeo'. Did you mean"),
        (["synth", "--out", tmp_path / "drawn", "--count", 1], "is there already; give another --out"),
        (["train", tmp_path / "typo.toml", "--data", "x", "--out", "y"], "Did you mean 'train.epochs'?"),
        (["train", "demo", "--data", tmp_path / "gone", "--out", tmp_path / "run"], "gone: no such folder"),
        (["evaluate", tmp_path / "a.csv", tmp_path / "b.csv"], "a.csv: No such file"),
    ):
        code, text, problems = hemline(*arguments)
        assert (code, text) == (2, "")
        assert message in problems
        assert problems.startswith("hemline: ")
        assert "Traceback" not in problems


@pytest.mark.parametrize(
    "call", [["train", "demo", "--data", "x", "--out", "y"], ["predict", "run", "a.jpg", "--out", "y"], ["models"]]
)
def test_a_missing_package_is_named(hemline, monkeypatch, call):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("timm", "safetensors") else there(name)
    )
    assert hemline(*call) == (
        2,
        "",
        "hemline: not installed: safetensors, timm. Run: pip install 'hemline[train]'\n",
    )


def test_a_wrong_call_points_to_the_help(hemline, tmp_path):
    for arguments, message in (
        (["predcit"], "No such command 'predcit'"),
        (["predict"], "Missing argument"),
        (["synth"], "Missing option '--out'"),
        (["synth", "--out", tmp_path, "--count", "many"], "Invalid value for '--count'"),
        (["predict", "run", "photo.jpg", "--out", tmp_path], "is a directory"),
    ):
        code, _, problems = hemline(*arguments)
        assert code == 2
        assert message in words(problems)
        assert "--help" in problems


def test_a_place_that_cannot_be_written_is_a_message(hemline, tmp_path):
    (tmp_path / "file").touch()
    code, _, problems = hemline("synth", "--out", tmp_path / "file" / "drawn", "--count", 1, "--size", 32)
    assert code == 2
    assert problems.startswith(f"hemline: {tmp_path / 'file'}")
    assert problems.count("\n") == 1
