"""The page of what the records in a folder say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from mnist_bench.cli.selftest.kept import PLANTED, REPLAYED, TRAINED
from mnist_bench.cli.shell import echo

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
    from mnist_bench.versions.replay.records import ReplayRecord

    _Sources = tuple[SelftestRecord | None, SelftestTrainings | None, dict[str, Reference], ReplayRecord | None]

__all__ = ["check_page", "write_page"]

_Record = TypeVar("_Record", "SelftestRecord", "SelftestTrainings", "ReplayRecord")

_NOT_PLANTED = "No planted faults are on record in this folder: `mnist-bench selftest` plants them."


def check_page(path: Path, out: Path) -> None:
    """Refuse what the page could not be written with, before hours of work: its place, and each file it is made of.

    Raises:
        FileExistsError: There is a page that this command did not write.
        RecordError: A record in the folder, or a stored reference, is invalid.
    """
    from mnist_bench.checks.selftest.report import MARK
    from mnist_bench.records.files import check_replaceable

    check_replaceable(path, MARK)
    _load_sources(out)


def write_page(path: Path, out: Path) -> None:
    """Write the page of what the records in the folder say."""
    from mnist_bench.checks.selftest.effects import find_effects
    from mnist_bench.checks.selftest.effects_report import format_effects
    from mnist_bench.checks.selftest.report import MARK, format_report
    from mnist_bench.records.files import replace_own
    from mnist_bench.versions.replay.report import format_replays

    planted, trainings, references, replays = _load_sources(out)
    effects = find_effects(trainings, references) if trainings else []
    parts = [format_report(planted, effects) if planted else f"{MARK}\n\n{_NOT_PLANTED}\n"]
    parts += [format_effects(trainings, effects)] if trainings else []
    parts += [format_replays(replays)] if replays else []
    replace_own(path, "\n".join(parts).encode(), MARK)
    echo(f"written: {path}")


def _load_sources(out: Path) -> _Sources:
    """Return what the page is made of, None for each record that is not there; with the references of the trainings."""
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.selftest.effects import find_references
    from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
    from mnist_bench.versions.replay.records import ReplayRecord

    trainings = _load(out / TRAINED, SelftestTrainings)
    references = find_references(trainings.dataset, find_folder()) if trainings else {}
    return _load(out / PLANTED, SelftestRecord), trainings, references, _load(out / REPLAYED, ReplayRecord)


def _load(path: Path, form: type[_Record]) -> _Record | None:
    from mnist_bench.records.files import is_taken
    from mnist_bench.records.serial import load

    return load(path, form) if is_taken(path) else None
