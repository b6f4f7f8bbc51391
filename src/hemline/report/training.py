"""What a person sees while a network trains: a progress bar on a terminal, one line per epoch anywhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from hemline.learn.run_folder import Progress as Epoch


_NAMES = {"ne": "NE", "ap": "AP", "ap50": "AP50", "keypoint_recall": "points in boxes"}
"""What validation measures, in a person's words."""


class TrainingDisplay:
    """Show the steps of the epoch under way and a line for each finished one.

    Args:
        epochs: that the run will have.
        console: where to write; standard output by default.
    """

    def __init__(self, epochs: int, *, console: Console | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console(highlight=False)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("training", total=None, loss=float("nan"))

    def __enter__(self) -> TrainingDisplay:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def step(self, step: int, steps: int, loss: float) -> None:
        """Show one finished step."""
        self.bar.update(self.task, completed=step, total=steps, loss=loss)

    def epoch(self, epoch: Epoch) -> None:
        """Print one finished epoch."""
        scores = "".join(f"  {_NAMES[name]} {_write(name, score)}" for name, score in epoch.scores.items())
        if epoch.scores and epoch.best is not None:
            scores += f"  best {_write(next(iter(epoch.scores)), epoch.best)}"
        self.console.print(
            f"epoch {epoch.epoch:>4}/{self.epochs}  loss {epoch.loss:8.4f}{scores}  "
            f"lr {epoch.lr:.2e}  {epoch.photos_per_second:6.1f} photos/s",
            soft_wrap=True,
        )


def _write(name: str, score: float) -> str:
    return f"{score:6.2f} %" if name == "ne" else f"{score:.3f}"
