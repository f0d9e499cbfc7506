"""The command `matrix pairs`: each version timed against its predecessor."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import echo, load_data, say

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["pairs"]

# More than `compare --only time` spends, for nobody waits: with Keras 3 a round takes up to 14 s on a slow machine, so
# these are eight.
_PAIR_SECONDS = 120.0


def pairs(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="The newer version of each pair; all pairs if not given.",
            autocompletion=options.complete_version,
        ),
    ] = None,
    *,
    out: options.VersionsOut = options.VERSIONS_FOLDER,
    budget: options.Budget = _PAIR_SECONDS,
    data: options.Data = "auto",
) -> None:
    """Time each version against its predecessor.

    Trains lab mlp by engine epoch, and needs a quiet machine. Works as `compare --only time` does, and writes
    OUT/pairs/NAME.json; a pair that has a record is not measured again. Exit status: 0 nothing is missing, 2 bad usage
    or bad input, 3 something could not be measured.
    """
    from mnist_bench.records.files import check_folder
    from mnist_bench.versions.folder import pair_path
    from mnist_bench.versions.matrix import find_spec, list_matrix
    from mnist_bench.versions.releases import find_predecessor

    records = list_matrix(out)
    specs = [record.version for record in records.values()]
    chosen = list({spec.name: spec for spec in (find_spec(name, out) for name in names)}.values()) if names else specs
    bases = {spec.name: find_predecessor(spec, specs) for spec in chosen}
    if names and None in bases.values():
        first = next(name for name, base in bases.items() if base is None)
        raise ValueError(f"{first}: has no predecessor, because it is the first version of its axis")
    check_folder(pair_path(out, "").parent)
    measure = functools.partial(_pair_one, records=records, out=out, budget=budget, dataset=load_data(data))
    raise typer.Exit(max([measure(base, spec) for spec in chosen if (base := bases[spec.name])]))


def _pair_one(
    base: VersionSpec,
    new: VersionSpec,
    *,
    records: dict[str, VersionRecord],
    out: Path,
    budget: float,
    dataset: Dataset,
) -> int:
    """Measure one pair and return its exit status; a pair that fails does not stop the others."""
    from mnist_bench.timing.ab.console import show_rounds
    from mnist_bench.timing.ab.ratio import format_ratio
    from mnist_bench.training.workers.interpreters import CommandError
    from mnist_bench.versions.pairs import measure_pair
    from mnist_bench.versions.plan import choose_engine

    engine = choose_engine(
        *(records[spec.name].keras if spec.name in records else spec.keras or "any" for spec in (base, new))
    )
    try:
        with show_rounds(budget) as show:
            record = measure_pair(base, new, out, engine=engine, dataset=dataset, budget_seconds=budget, on_round=show)
    except (CommandError, ValueError, OSError) as error:
        say(f"{new.name}: {error}")
        return 3 if isinstance(error, CommandError) else 2
    ratios = f"wall {format_ratio(record.wall)}, processor {format_ratio(record.cpu)}"
    echo(f"{new.name}, compared with {base.name}: {record.verdict}; {ratios}")
    return 0
