"""The page that shows what changed between versions: one file, for readers with one minute and for those with ten."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING, Any

from mnist_bench.show.drawing import draw_svg, embed
from mnist_bench.show.page import render
from mnist_bench.timing.ab.records import VERDICTS, format_ratio
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import explain_machines
from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.findings import format_mean, list_some
from mnist_bench.versions.report.headline import count, format_change
from mnist_bench.versions.report.plots import Sample
from mnist_bench.versions.report.table import COMPARED, TONES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.report.findings import Findings, Trained
    from mnist_bench.versions.report.table import VersionRow

__all__ = ["LEGEND", "PAGE_MARKS", "draw_pictures", "format_letter", "format_page", "list_sections"]

_GENERATOR = "mnist-bench matrix report"
# The command knows its own pages by these; it had another name before.
PAGE_MARKS = [f'<meta name="generator" content="{name}">' for name in (_GENERATOR, "mnist-bench report")]
AXES = {
    "tensorflow": "TensorFlow, each with the Keras of its time",
    "keras": "Keras on one TensorFlow",
    "python": "Python with one TensorFlow and Keras",
}
# The signs tell the words apart for readers who do not see the colours.
SIGNS = {"good": "✓ ", "known": "◆ ", "bad": "✗ ", "open": "? ", "moved": "≠ ", "none": ""}
LEGEND = [
    ("IDENTICAL", "good", "the same bits: nothing can have got worse"),
    ("PASS", "good", "the bound holds"),
    ("BETTER", "known", "better beyond chance by more than the margin: suspicious, unless it is explained"),
    ("KNOWN", "known", "a regression on the reviewed list"),
    ("REGRESSED", "bad", "worse, and not by chance"),
    ("MOVED", "moved", "other bits: if trainings end in other weights, statistics judge accuracy and loss"),
    ("INCONCLUSIVE", "open", "no answer, and so not green"),
    ("FAILED", "open", "could not be measured"),
    ("FIRST", "none", "no older version to compare with"),
]
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


def format_page(findings: Findings) -> str:
    """Return the page: with one version of matplotlib the same findings give the same bytes."""
    collection = findings.collection
    datasets = (record.dataset for record in collection.records.values() if record.dataset)
    pictures, notes = draw_pictures(findings)
    return render(
        "versions.html",
        **{name: getattr(findings, name) for name in ("collection", "rows", "bit_groups", "costs", "headline")},
        # The news first: a narrow screen shows the first columns.
        groups=sorted(findings.groups, key=lambda group: group not in COMPARED),
        generator=_GENERATOR,
        dataset=next(datasets, None),
        sections=list_sections(findings.rows),
        machines=_list_machines(findings.rows),
        samples=findings.trained,
        labs=list(LABS),
        pictures=pictures,
        notes=notes,
        mark=findings.mark,
        legend=LEGEND,
        signs=SIGNS,
        verdict_tones={word: TONES.get(verdict.value, "open") for word, verdict in VERDICTS.items()},
        contents=[(name, text) for name, text in _CONTENTS.items() if name != "regressions" or findings.costs],
        anchor=lambda *words: "-".join(["v", *words]),
        **{tool.__name__: tool for tool in (count, format_change, format_ratio, format_mean, list_some)},
        **{tool.__name__: tool for tool in (format_letter, list_stages, describe_environment, format_commands)},
    )


def list_sections(rows: Sequence[VersionRow]) -> list[tuple[str, list[VersionRow]]]:
    """Return the rows of each axis, under its title."""
    sections = ((title, [row for row in rows if row.axis == axis]) for axis, title in AXES.items())
    return [(title, rows_of_axis) for title, rows_of_axis in sections if rows_of_axis]


def draw_pictures(findings: Findings) -> tuple[dict[str, str], list[str]]:
    """Return the pictures by name; and which results are not drawn."""
    pictures: dict[str, str] = {}
    notes: list[str] = []
    for lab in LABS:
        trained = [sample for sample in findings.trained if sample.lab == lab]
        shown = trained[-plots.MOST :]
        if len(trained) > len(shown):
            notes.append(f"{lab}: the last {len(shown)} of {len(trained)} different results are drawn.")
        for metric in ("accuracy", "loss") if shown else ():
            draw = functools.partial(plot_metric, shown, metric)
            size = plots.measure_rows(len(shown), lines=2)
            pictures[f"{metric}-{lab}"] = _draw(draw, f"{metric}-{lab}", f"Test {metric} of {lab} by version", size)
            curves = [(sample.results, int(sample.marked)) for sample in shown]
            draw, name = functools.partial(plots.plot_curves, curves, metric), f"curve-{metric}-{lab}"
            pictures[name] = _draw(draw, name, f"Validation {metric} of {lab} by epoch", (5.6, 3.2))
    pairs = dict(list(findings.collection.pairs.items())[-plots.MOST :])
    if pairs:
        draw, size = functools.partial(plots.plot_ratios, pairs), plots.measure_rows(len(pairs))
        pictures["ratios"] = _draw(draw, "ratios", "Each version's time over its predecessor's", size)
    return pictures, notes


def plot_metric(trained: Sequence[Trained], metric: str, ax: Any, *, mark: str = "") -> Any:
    """Draw the test accuracy or loss of one lab's samples; with `mark`, the title explains the marks."""
    columns = [
        (group, [value for value in getattr(group.results, f"test_{metric}") if value is not None]) for group in trained
    ]
    samples = [Sample(group.label, values, int(group.marked)) for group, values in columns if values]
    # Two lines: a picture that is an image in a document is cut off at its edge.
    legend = f"\n● without the {mark}\n◆ with it" if mark else ""
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
    """Yield what is known of the environment of a version, as names and texts."""
    if record.install:
        seconds = f", made in {record.install.seconds:.0f} s" if record.install.seconds is not None else ""
        yield "size", f"{record.install.bytes / 1e9:.2f} GB{seconds}"
    if record.imports:
        yield "import", ", ".join(f"{seconds:.2f} s" for seconds in record.imports)
    if environment := record.environment:
        names = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy", "python": "Python"}
        yield "software", ", ".join(f"{name} {getattr(environment, field)}" for field, name in names.items())
        yield "machine", f"{environment.system} {environment.machine}, {environment.cpu}, {environment.instruction_set}"
        device = ", ".join([environment.device, *(gpu.name for gpu in environment.gpus)])
        yield "cores", f"{environment.usable_cores} of {environment.cores}; {device}"
        yield "arithmetic", f"{environment.backend}, {environment.precision}; oneDNN {environment.onednn}"
        yield "keys", f"numerics {environment.numerics_key}, hardware {environment.hardware_key}"
    yield "requirements", ", ".join(record.version.pins) or "no further pins"
    if record.created:
        yield "measured", f"{record.created[:10]}, by commit {(record.commit or 'unknown')[:12]}"


def format_commands(row: VersionRow) -> str:
    """Return the commands that measure a version again and compare it with its predecessor."""
    spec, lines = row.record.version, []
    if row.name not in MATRIX:
        keras = f" --keras {spec.keras}" if spec.keras else ""
        pins = "".join(f" --pin {shlex.quote(pin)}" for pin in spec.pins)
        lines.append(
            f"mnist-bench matrix add {row.name} --tensorflow {spec.tensorflow}{keras} --python {spec.python}{pins}"
        )
    seeds = max((len(results.seeds) for results in row.record.accuracy), default=0)
    lines.append(f"mnist-bench matrix run {row.name} --again" + (f" --seeds {seeds}" if seeds else ""))
    if row.base:
        lines.append(f"mnist-bench compare {row.base} {row.name}")
    return "\n".join(lines)


def _draw(draw: Callable[[Any], Any], name: str, description: str, size: tuple[float, float]) -> str:
    return embed(plots.let_page_colour(draw_svg(draw, size=size)), f"p-{name}", description)


def _list_machines(rows: Sequence[VersionRow]) -> list[tuple[str, str]]:
    """Return the versions whose bits cannot be compared with the first version's, and why."""
    measured = [row for row in rows if row.record.environment]
    reasons = ((row.name, explain_machines(measured[0].record, row.record)) for row in measured)
    return [(name, why) for name, why in reasons if why]
