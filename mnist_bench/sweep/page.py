"""The results of a sweep for people: a record, a table, pictures, a page, and text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.files import check_replaceable, replace_own
from mnist_bench.records.serial import dump_record
from mnist_bench.show.drawing import save_alone
from mnist_bench.show.page import render
from mnist_bench.show.text import format_spread
from mnist_bench.sweep.plots import draw_all
from mnist_bench.sweep.results import CHOSEN, count_states, format_csv, measure_importances, rank_rows
from mnist_bench.sweep.space import describe_point

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.sweep.records import SweepRecord, TrialRecord
    from mnist_bench.sweep.results import RankRow

__all__ = ["check_page_folder", "describe_fate", "explain_choice", "format_table", "list_others", "write_sweep"]


# By which the files of an earlier look at the study are known, which may be replaced.
_MARKS = {
    "index.html": "<title>mnist-bench: a sweep of the",
    "sweep.csv": "rank,trial,data,lab,engine",
    "sweep.json": '"kind": "sweep"',
}


def check_page_folder(folder: Path) -> None:
    """Find out, before the work, whether `write_sweep` can write to a folder after the work; makes the folder.

    Raises:
        FileExistsError: A file that this command did not write is in the place of one that it writes.
        OSError: The folder cannot be written.
    """
    for name, mark in _MARKS.items():
        check_replaceable(folder / name, mark)


def write_sweep(sweep: SweepRecord, folder: Path) -> Path:
    """Write the results of a sweep; they replace earlier results of the same study.

    Args:
        sweep: A sweep with at least one point that was trained to the end.
        folder: The folder for sweep.json, sweep.csv, the pictures and index.html.

    Returns:
        The path of the page.
    """
    pictures = draw_all(sweep)
    for name, svg in pictures.items():
        save_alone(svg, folder / f"{name}.svg")
    replace_own(folder / "sweep.json", dump_record(sweep).encode(), _MARKS["sweep.json"])
    replace_own(folder / "sweep.csv", format_csv(sweep).encode(), _MARKS["sweep.csv"])
    html = render(
        "sweep.html",
        plan=sweep.plan,
        rows=rank_rows(sweep),
        others=list_others(sweep),
        states=format_states(sweep),
        rule=explain_choice(sweep),
        measure=measure_importances(sweep)[0],
        pictures=pictures,
        environments=_list_environments(sweep),
        format_spread=format_spread,
        format_test=format_test,
    )
    page = folder / "index.html"
    replace_own(page, html.encode(), _MARKS["index.html"])
    return page


def format_table(sweep: SweepRecord) -> str:
    """Return the ranking as text for a terminal, narrow enough for 100 columns."""
    plan = sweep.plan
    data = "MNIST" if plan.dataset.source == "mnist" else f"the stand-in {plan.dataset.source!r}, which is NOT MNIST"
    lines = [f"Sweep of {plan.space.lab} on {data}: {format_states(sweep)}; seeds of each point: {len(plan.seeds)}", ""]
    lines.append(f"{'rank':>4} {'validation':>17} {'test':>17} {'parameters':>10} {'s/train':>7} engine what differs")
    for rank, row in enumerate(rank_rows(sweep), start=1):
        figures = format_spread(row.accuracies)
        lines.append(
            f"{rank:>4} {figures:>17} {format_test(row):>17} {row.parameters:>10,} {row.seconds:>7.2f}"
            f" {row.engine:6} {row.label}"
        )
    lines += [f"   - {fate}: {label}" for _, label, fate in list_others(sweep)]
    return "\n".join([*lines, "", explain_choice(sweep)])


def explain_choice(sweep: SweepRecord) -> str:
    """Return how the best point was chosen, and how the test set was used."""
    seeds = len(sweep.plan.seeds)
    mean = f"the mean over {seeds} seeds" if seeds > 1 else "of one seed"
    rule = f"Chosen by validation accuracy after the last epoch, {mean}."
    if not sweep.tested:
        return f"{rule} The test set was not used."
    apart = len(sweep.tested) - CHOSEN  # 1 if the lab's own point is not among the best
    points = f"the best {CHOSEN} and the lab's own" if apart > 0 else "the best, including the lab's own"
    return f"{rule} The test set was used once, after the choice, for {len(sweep.tested)} points: {points}."


def format_states(sweep: SweepRecord) -> str:
    """Return the number of trials in each state, in words."""
    return ", ".join(f"{count} {state}" for state, count in count_states(sweep).items())


def format_test(row: RankRow) -> str:
    """Return the test accuracy of a chosen point, and a dash for other points."""
    return format_spread(row.test_accuracies) if row.test_accuracies else "-"


def describe_fate(trial: TrialRecord) -> str:
    """Return what happened to a trial, in words."""
    if trial.trainings:
        return f"validation accuracy {format_spread([training.val_accuracy for training in trial.trainings])}"
    if trial.repeats is not None:
        return f"the same point as trial {trial.repeats}, not trained again"
    if trial.state == "pruned":
        return f"pruned after {len(trial.val_accuracy)} epochs, at {trial.val_accuracy[-1]:.4f}"
    return f"failed: {trial.reason}" if trial.reason else trial.state


def list_others(sweep: SweepRecord) -> list[tuple[int, str, str]]:
    """Return the trials that have no rank: number, point, and what happened, in words."""
    return [
        (trial.number, "not chosen yet" if trial.point is None else describe_point(trial.point), describe_fate(trial))
        for trial in sweep.trials
        if not trial.trainings
    ]


def _list_environments(sweep: SweepRecord) -> list[EnvironmentRecord]:
    """Return the environment of each kind of machine that trained."""
    environments = [training.environment for trial in sweep.trials for training in trial.trainings]
    return list({environment.hardware_key: environment for environment in environments}.values())
