"""The page that shows what changed between versions: one file, for a person with one minute and for one with ten."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from mnist_bench.show.drawing import draw_svg, embed
from mnist_bench.show.page import render
from mnist_bench.timing.ab.records import VERDICTS, format_ratio
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bitgroups import find_keras
from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.findings import format_mean, list_some
from mnist_bench.versions.report.headline import count, format_change
from mnist_bench.versions.report.plots import Sample
from mnist_bench.versions.report.table import TONES, explain_machines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.report.findings import Facts, Trained
    from mnist_bench.versions.report.table import Row

__all__ = ["GENERATOR", "LEGEND", "draw_pictures", "format_letter", "format_page", "list_sections"]

GENERATOR = "mnist-bench report"  # by which the command knows a page of its own
AXES = {
    "tensorflow": "TensorFlow, each with the Keras of its time",
    "keras": "Keras on one TensorFlow",
    "python": "Python with one TensorFlow and Keras",
}
# A word is told from another by its sign, too, whatever the eye makes of the colour.
SIGNS = {"good": "✓ ", "known": "◆ ", "bad": "✗ ", "open": "? ", "moved": "≠ ", "none": ""}
LEGEND = [
    ("IDENTICAL", "good", "the same bits: nothing can have got worse"),
    ("PASS", "good", "the bound holds"),
    ("KNOWN", "known", "a regression that a reviewed list has"),
    ("REGRESSED", "bad", "worse, beyond chance"),
    ("MOVED", "moved", "other bits: where trainings end elsewhere, statistics judge them"),
    ("INCONCLUSIVE", "open", "no answer, and so not green"),
    ("FAILED", "open", "could not be measured"),
    ("LEAD", "none", "timed alone: no comparison"),
    ("FIRST", "none", "nothing older to hold it against"),
]
TIMED = ("epoch", "graph", "fused")  # the engines whose times are drawn, in the order of their marks
_CONTENTS = {
    "matrix": "Verdicts",
    "bits": "Same bits",
    "accuracy": "Accuracy and loss",
    "regressions": "What is broken",
    "time": "Time",
    "curves": "Learning curves",
    "versions": "Each version",
    "again": "How to make it",
}


def format_page(facts: Facts) -> str:
    """Return the page: the same facts give the same bytes, on one version of matplotlib."""
    collection = facts.collection
    datasets = (record.dataset for record in collection.records.values() if record.dataset)
    pictures, notes = draw_pictures(facts)
    return render(
        "versions.html",
        **{name: getattr(facts, name) for name in ("collection", "rows", "groups", "alike", "costs", "headline")},
        generator=GENERATOR,
        dataset=next(datasets, None),
        sections=list_sections(facts.rows),
        machines=_list_machines(facts.rows),
        samples=facts.trained,
        labs=list(LABS),
        pictures=pictures,
        timed=[name for name in pictures if name.startswith("times-")],
        notes=notes,
        mark=facts.mark,
        timed_engines=TIMED,
        legend=LEGEND,
        signs=SIGNS,
        verdict_tones={word: TONES.get(verdict.value, "open") for word, verdict in VERDICTS.items()},
        contents=[(name, text) for name, text in _CONTENTS.items() if name != "regressions" or facts.costs],
        anchor=lambda *words: "-".join(["v", *words]),
        **{it.__name__: it for it in (count, find_keras, format_change, format_ratio, format_mean, list_some)},
        **{it.__name__: it for it in (format_letter, list_stages, describe_environment, format_commands)},
    )


def list_sections(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each axis, under its title."""
    sections = ((title, [row for row in rows if row.axis == axis]) for axis, title in AXES.items())
    return [(title, its) for title, its in sections if its]


def draw_pictures(facts: Facts) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the pictures by name; and, by section, what of the records is not in them."""
    pictures: dict[str, str] = {}
    notes: dict[str, list[str]] = {"accuracy": [], "time": []}
    for lab in LABS:
        trained = [it for it in facts.trained if it.lab == lab]
        shown = trained[-plots.MOST :]
        if len(trained) > len(shown):
            notes["accuracy"].append(f"{lab}: the last {len(shown)} of {len(trained)} different results are drawn.")
        for metric in ("accuracy", "loss") if shown else ():
            draw = functools.partial(plot_metric, shown, metric)
            size = plots.measure_rows(len(shown), lines=2)
            pictures[f"{metric}-{lab}"] = _draw(draw, f"{metric}-{lab}", f"Test {metric} of {lab} by version", size)
            curves = [(it.results, int(it.marked)) for it in shown]
            draw, name = functools.partial(plots.plot_curves, curves, metric), f"curve-{metric}-{lab}"
            pictures[name] = _draw(draw, name, f"Validation {metric} of {lab} by epoch", (5.6, 3.2))
    pairs = dict(list(facts.collection.pairs.items())[-plots.MOST :])
    if pairs:
        draw, size = functools.partial(plots.plot_ratios, pairs), plots.measure_rows(len(pairs))
        pictures["ratios"] = _draw(draw, "ratios", "Each version's time over its predecessor's", size)
    pictures |= _draw_times(facts.rows, notes["time"])
    return pictures, notes


def plot_metric(trained: Sequence[Trained], metric: str, ax: Any, *, mark: str = "") -> Any:
    """Draw the test accuracy or loss of one lab's samples; a picture that stands alone says what the marks are."""
    columns = [(it, [x for x in getattr(it.results, f"test_{metric}") if x is not None]) for it in trained]
    samples = [Sample(it.label, values, int(it.marked)) for it, values in columns if values]
    legend = f"\n● without the {mark}, ◆ with it" if mark else ""
    return plots.plot_cloud(samples, f"{trained[0].lab}: test {metric}{legend}", ax)


def format_letter(place: int) -> str:
    """Return the letter of a group: A to Z, then A1, B1, ..."""
    return chr(ord("A") + place % 26) + (str(place // 26) if place >= 26 else "")  # noqa: PLR2004 - letters


def list_stages(record: VersionRecord) -> list[dict[str, Any]]:
    """Return the stages of a record's probes in the order of training, each with its digest in every probe."""
    digests = [{stage.name: stage.digest[:8] for stage in probe.stages} for probe in record.probes]
    names = dict.fromkeys(name for column in digests for name in column)
    return [{"name": name, "digests": [column.get(name, "") for column in digests]} for name in names]


def describe_environment(record: VersionRecord) -> Iterator[tuple[str, str]]:
    """Yield what is known of where a version was measured, as names and texts."""
    it = record.environment
    if record.install:
        seconds = f", made in {record.install.seconds:.0f} s" if record.install.seconds is not None else ""
        yield "size", f"{record.install.bytes / 1e9:.2f} GB{seconds}"
    if record.imports:
        yield "import", ", ".join(f"{seconds:.2f} s" for seconds in record.imports)
    if it:
        yield "software", f"TensorFlow {it.tensorflow}, Keras {it.keras}, NumPy {it.numpy}, Python {it.python}"
        yield "machine", f"{it.system} {it.machine}, {it.cpu}, {it.instruction_set}"
        yield "cores", f"{it.usable_cores} of {it.cores}; {it.device}{''.join(f', {gpu.name}' for gpu in it.gpus)}"
        yield "oneDNN", it.onednn
        yield "keys", f"numerics {it.numerics_key}, hardware {it.hardware_key}"
    yield "requirements", ", ".join(record.version.pins) or "no further pins"
    if record.created:
        yield "begun", f"{record.created[:10]}, by commit {(record.commit or 'unknown')[:12]}"


def format_commands(row: Row) -> str:
    """Return the commands that measure a version again and hold it against its predecessor."""
    spec, lines = row.record.version, []
    if row.name not in MATRIX:
        keras = f" --keras {spec.keras}" if spec.keras else ""
        pins = "".join(f" --pin '{pin}'" for pin in spec.pins)
        lines.append(
            f"mnist-bench matrix add {row.name} --tensorflow {spec.tensorflow}{keras} --python {spec.python}{pins}"
        )
    seeds = max((len(it.seeds) for it in row.record.accuracy), default=0)
    lines.append(f"mnist-bench matrix run {row.name} --again" + (f" --seeds {seeds}" if seeds else ""))
    if row.base:
        lines.append(f"mnist-bench compare {row.base} {row.name}")
    return "\n".join(lines)


def _draw(draw: Callable[[Any], Any], name: str, description: str, size: tuple[float, float]) -> str:
    return embed(plots.let_page_colour(draw_svg(draw, size=size)), f"p-{name}", description)


def _draw_times(rows: Sequence[Row], notes: list[str]) -> dict[str, str]:
    """Return a picture of each lab that was timed, on one kind of machine: the one of the first version."""
    cases = [(row.name, it) for row in rows for it in row.record.times if it.seconds[1:]]
    pictures = {}
    for lab in dict.fromkeys(it.lab for _, it in cases):
        its = [(name, it) for name, it in cases if it.lab == lab and it.engine in TIMED]
        here = [(name, it) for name, it in its if it.hardware_key == its[0][1].hardware_key]
        names = list(dict.fromkeys(name for name, _ in here))[-plots.MOST :]
        samples = [Sample(name, it.seconds[1:], TIMED.index(it.engine)) for name, it in here if name in names]
        if len(samples) < len(its):
            notes.append(f"{lab}: {len(samples)} of {len(its)} are drawn, of one kind of machine.")
        if samples:
            draw = functools.partial(plots.plot_times, samples, f"{lab}: seconds an epoch")
            size = plots.measure_rows(len(names))
            pictures[f"times-{lab}"] = _draw(draw, f"times-{lab}", f"Seconds of an epoch of {lab} by version", size)
    return pictures


def _list_machines(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the versions whose bits do not compare with the first one's, and why."""
    there = [row for row in rows if row.record.environment]
    reasons = ((row.name, explain_machines(there[0].record, row.record)) for row in there)
    return [(name, why) for name, why in reasons if why]
