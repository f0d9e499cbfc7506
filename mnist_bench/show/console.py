"""What a person sees in a terminal: progress while trainings run, and the table of a run."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from mnist_bench.checks.accuracy import judge_threshold
from mnist_bench.records.verdicts import Verdict
from mnist_bench.show.choice import choose_records, describe_choice, describe_company
from mnist_bench.training.labs import LABS
from mnist_bench.training.workers.events import EpochEnded, Failed, Finished, Silent, Started
from mnist_bench.training.workers.worker import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.workers.events import Event

__all__ = ["make_run_table", "print_table", "show_download", "show_events", "show_events_by_config"]


_MOST_BARS = 20  # on a terminal of usual height
_WIDEST = 1000  # characters, more than a table needs
_NO_TERMINAL = 120  # a pipe has no width, and rich would cut the figures to 80 columns


@contextlib.contextmanager
def show_events(configs: Sequence[TrainingConfig]) -> Iterator[Callable[[Event], None]]:
    """Show the events of these trainings on standard error while the context lasts.

    A terminal gets a progress bar for each training, with the latest accuracy; anything else gets plain lines.
    """
    console = Console(stderr=True)
    if not _is_terminal(console):
        yield _make_line_printer(configs)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _make_bar_updater(progress, configs)


def _is_terminal(console: Console) -> bool:
    """Return whether standard error is a terminal; rich takes a log for one if FORCE_COLOR is set."""
    return sys.stderr.isatty() and console.is_terminal


def _make_bar_updater(progress: Progress, configs: Sequence[TrainingConfig]) -> Callable[[Event], None]:
    bars: dict[int, TaskID] = {}
    # Of many trainings, those that run have bars, and one bar counts all.
    every = progress.add_task("all trainings", total=len(configs), figures="") if len(configs) > _MOST_BARS else None

    def update(event: Event) -> None:
        if every is not None and isinstance(event, (Finished, Failed)):
            progress.advance(every)
            if event.task in bars:
                progress.remove_task(bars.pop(event.task))
        if isinstance(event, Started):
            name = _name(configs[event.task])
            bars[event.task] = progress.add_task(name, total=configs[event.task].epochs, figures="")
        elif isinstance(event, EpochEnded):
            figures = f"validation accuracy {event.figures['val_accuracy']:.4f}"
            progress.update(bars[event.task], completed=event.epoch + 1, figures=figures)
        elif isinstance(event, Silent):
            progress.console.print(_warn(event), markup=False, highlight=False)
        elif isinstance(event, Finished) and event.task in bars:
            progress.update(bars[event.task], figures=f"[bold]test accuracy {event.record.test_accuracy:.4f}[/]")
        elif event.task in bars:
            progress.update(bars[event.task], figures="[red]failed[/]")

    return update


def _make_line_printer(configs: Sequence[TrainingConfig]) -> Callable[[Event], None]:
    """Return a function that prints a line at the start, the end, and each tenth of a training."""

    def show(event: Event) -> None:
        config = configs[event.task]
        epochs = config.epochs or 1
        if isinstance(event, Started):
            line = f"{epochs} epochs on {event.dataset} ..."
        elif isinstance(event, EpochEnded):
            if (event.epoch + 1) % max(1, epochs // 10):
                return
            figures = event.figures
            line = (
                f"epoch {event.epoch + 1}/{epochs}: loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}, "
                f"val_loss {figures['val_loss']:.4f}, val_accuracy {figures['val_accuracy']:.4f}"
            )
        elif isinstance(event, Silent):
            sys.stderr.write(f"{_warn(event)}\n")
            sys.stderr.flush()
            return
        elif isinstance(event, Finished):
            line = f"test accuracy {event.record.test_accuracy:.4f}"
        else:
            line = "failed"
        sys.stderr.write(f"{_name(config)}: {line}\n")
        sys.stderr.flush()

    return show


def show_events_by_config() -> Callable[[Event], None]:
    """Return a function that prints a line on standard error when a training ends or hangs, whatever its campaign."""

    def show(event: Event) -> None:
        if isinstance(event, Silent):
            sys.stderr.write(f"{_warn(event)}\n")
            sys.stderr.flush()
        if isinstance(event, Finished):
            sys.stderr.write(f"{_name(event.record.config)}: test accuracy {event.record.test_accuracy:.4f}\n")
            sys.stderr.flush()

    return show


def _warn(event: Silent) -> str:
    return (
        f"{_name(event.config)}: no sign of its worker process for {event.seconds:.0f} s; "
        f"it is given up after {PATIENCE_SECONDS:.0f} s"
    )


def _name(config: TrainingConfig) -> str:
    return f"{config.lab} ({config.engine}, seed {config.seed})"


@contextlib.contextmanager
def show_download() -> Iterator[Callable[[int, int | None], None]]:
    """Show a download's progress on a terminal; the context gives a function of (bytes so far, total or None)."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not _is_terminal(console), transient=True) as progress:
        bar: list[TaskID] = []

        def update(received: int, total: int | None) -> None:
            if not bar:
                bar.append(progress.add_task("downloading MNIST", total=total))
            progress.update(bar[0], completed=received, total=total)

        yield update


def make_run_table(records: Sequence[TrainingRecord]) -> Table:
    """Return the table of a run: one row for each training, with figures of the test set."""
    source, config = records[0].dataset.source, records[0].config
    data = "MNIST" if source == "mnist" else "the stand-in 'digits', which is NOT MNIST"
    title = f"Test set of {data}, engine {config.engine}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    there = records[0].environment
    software = f"TensorFlow {there.tensorflow}, Keras {there.keras} on {there.backend}, {there.precision}"
    notes = (describe_choice(records), describe_company(records))
    table.caption = "\n".join([software, *(note for note in notes if note)])
    table.caption_justify = "left"
    # Narrow, to fit into 80 columns.
    table.show_edge = table.pad_edge = False
    table.collapse_padding = True
    table.add_column("model", no_wrap=True)
    for heading in ("seed", "parameters", "accuracy", "threshold", "loss", "s/epoch"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = choose_records(records)
    rows = [_run_row(record) for record in shown]
    verdicts = [judge_threshold(record).value for record in shown]
    table.add_column("verdict", no_wrap=True, min_width=max(map(len, [*verdicts, Verdict.REGRESSED.value])))
    for row in rows:
        table.add_row(*row)
    return table


def print_table(table: Table) -> None:
    """Print a table on standard output, no narrower than the table: a verdict that is cut could be misread."""
    console = Console()
    needed = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    Console(width=max(console.width if sys.stdout.isatty() else _NO_TERMINAL, needed)).print(table)


def _run_row(record: TrainingRecord) -> list[str]:
    seconds = record.seconds.first_epoch if record.seconds.epoch is None else record.seconds.epoch
    verdict = judge_threshold(record)
    return [
        record.config.lab,
        str(record.config.seed),
        f"{record.parameters:,}",
        f"{record.test_accuracy:.4f}",
        f"≥ {LABS[record.config.lab].threshold:.2f}",
        "diverged" if record.test_loss is None else f"{record.test_loss:.4f}",
        f"{seconds:.3f}",
        f"[green]{verdict.value}[/]" if verdict is Verdict.PASS else f"[bold red]{verdict.value}[/]",
    ]
