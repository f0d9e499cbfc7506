"""Real regressions, replayed in the versions that had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.cli.selftest.kept import REPLAYED
from mnist_bench.cli.shell import echo, load_data, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mnist_bench.versions.replay.measure import Compare
    from mnist_bench.versions.replay.regression import Measure

__all__ = ["replay_all"]


def replay_all(names: Sequence[str], data: str, out: Path) -> list[str]:
    """Replay real regressions, and return a line for each outcome that nothing explains."""
    from mnist_bench.own.upgrade.replay import compare_model
    from mnist_bench.versions.replay.report import find_unexplained, format_outcome
    from mnist_bench.versions.replay.run import choose, open_record, replay

    chosen = choose(names)
    path = out / REPLAYED
    record = open_record(path, load_data(data).name if data == "auto" else data)
    outcomes = []
    further: dict[Measure, Compare] = {"model": compare_model}
    for outcome in replay(chosen, record, path, again="all" not in names, tell=tell, further=further):
        echo(format_outcome(outcome))
        outcomes.append(outcome)
    return [format_outcome(outcome) for outcome in find_unexplained(outcomes)]
