"""Two records compared, or two folders of them: nothing is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mnist_bench.cli.shell import Reports, echo, write_compared

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.records import VersionRecord

    _Side = dict[str, VersionRecord]

__all__ = ["compare_records"]


def compare_records(base: str, new: str, versions: Path, *, same: bool, reports: Reports) -> None:
    """Compare what the two texts name, show the answer, and leave with its exit status."""
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.versions import comparison
    from mnist_bench.versions.pairs import find_pair_result
    from mnist_bench.versions.sources import check_apart, get_probe, load_sides
    from mnist_bench.versions.upgrade.answer import write_answer

    sides = load_sides(base, versions), load_sides(new, versions)
    if not same:
        check_apart(base, new, versions)
    sides, notes = _share(base, new, sides, versions)
    probes = [probe for probe in map(get_probe, sides) if probe]
    both = len(probes) == len(sides)
    compared = comparison.compare_probe_records(*probes) if both else comparison.compare_sides(*sides)
    compared.notes.extend(notes)
    single = [next(iter(side.values())) for side in sides if len(side) == 1]
    if len(single) == len(sides) and (timed := find_pair_result(single[0], single[1], versions)):
        compared.results.append(timed)
    answer = "" if both or len(single) < len(sides) else write_answer(compared, single[0], single[1])
    if reports.json:
        typer.echo(comparison.format_compared_json(compared, answer), nl=False)
    elif both:
        _show_probes(*probes)
        for result in compared.results:
            if result.evidence:
                echo(" ".join([f"{result.verdict.value}: {result.evidence}", result.command]).strip())
    else:
        echo(comparison.format_compared(compared, answer))
    write_compared(compared, answer, reports)
    raise typer.Exit(exit_status(compared.results))


def _share(base: str, new: str, sides: tuple[_Side, _Side], versions: Path) -> tuple[tuple[_Side, _Side], list[str]]:
    """Return both sides, two versions on record with the trainings that they share with others, and a note on each."""
    from mnist_bench.versions.report.sharing import share_in_folder
    from mnist_bench.versions.sources import name_version

    names = [name_version(text, versions) for text in (base, new)]
    if not (names[0] and names[1]) or names[0] == names[1]:
        return sides, []
    first, second = share_in_folder(names[0], names[1], versions)
    more = [record for record, side in zip((first, second), sides, strict=True) if record != side[""]]
    told = "with the further seeds of a version on record whose trainings end in the same bits"
    return ({"": first}, {"": second}), [f"{record.version.name}: {told}" for record in more]


def _show_probes(base: ProbeRecord, new: ProbeRecord) -> None:
    from mnist_bench.checks.records import compare_probes, describe_difference, format_difference
    from mnist_bench.show.text import clean_line
    from mnist_bench.versions.notes import note_basis

    echo(clean_line(describe_difference(base, new)))
    for note in note_basis(new.dataset, [base.environment, new.environment]):
        echo(clean_line(note))
    for difference in compare_probes(base, new):
        echo(f"  {clean_line(difference.stage):<26} {format_difference(difference)}")
