"""Put the tables of the studies into docs/ablations.md.

    hemline ablate benchmarks/studies/NAME.toml --data ... --val ... --out benchmarks/results/ablations/NAME
    python benchmarks/ablations.py

The second command copies effects.md of each study that has been run to its end.
"""

from __future__ import annotations

from pathlib import Path

from page import put_table

from hemline.report.ablation import TABLE

RESULTS = Path(__file__).resolve().parent / "results" / "ablations"


def main() -> None:
    for folder in sorted(RESULTS.iterdir()):
        if not (folder / TABLE).is_file():
            print(f"{folder.name}: not finished; run its study to the end")
            continue
        put_table("ablations.md", folder.name, (folder / TABLE).read_text(encoding="utf-8"))
        print(f"{folder.name}: in docs/ablations.md")


if __name__ == "__main__":
    main()
