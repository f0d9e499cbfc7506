"""The page that shows what changed between versions: one file, for readers with one minute and for those with ten."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING, Any

from mnist_bench.show.drawing import draw_svg, embed
from mnist_bench.show.page import render
from mnist_bench.stats.ratios import BOUND
from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.timing.ab.verdict import VERDICTS
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import explain_machines
from mnist_bench.versions.notes import note_environments
from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.choices import Chooser, pack_choices
from mnist_bench.versions.report.facts import explain_move
from mnist_bench.versions.report.findings import format_mean
from mnist_bench.versions.report.headline import count, format_change, format_costs
from mnist_bench.versions.report.names import join_names
from mnist_bench.versions.report.plots import Sample
from mnist_bench.versions.report.table import COMPARED, TONES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.report.findings import Findings, Trained
    from mnist_bench.versions.report.names import Products
    from mnist_bench.versions.report.table import VersionRow

__all__ = ["GLOSSARY", "LEGEND", "PAGE_MARKS", "draw_pictures", "format_letter", "format_page", "list_sections"]

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
    ("IDENTICAL", "good", "the same bits as the version before: nothing can be worse"),
    ("PASS", "good", "not worse: the bound of the check holds"),
    ("BETTER", "known", "better beyond chance by more than the margin: suspicious, unless it is explained"),
    ("KNOWN", "known", "a defect on the reviewed list of known regressions"),
    ("REGRESSED", "bad", "worse, and chance does not explain it"),
    ("MOVED", "moved", "other bits, which need not be worse: accuracy and loss have verdicts of their own"),
    ("INCONCLUSIVE", "open", "no answer: too few seeds, or a check did not finish; so not green"),
    ("UNREADABLE", "open", "no answer, because an earlier stage is broken"),
    ("FAILED", "open", "could not be measured"),
    ("NOT MEASURED", "none", "not measured yet"),
    ("FIRST", "none", "no older version to compare with"),
]
GLOSSARY = [
    (
        "version before",
        "the nearest older version that differs in one thing: TensorFlow with its Keras, Keras or Python",
    ),
    ("bits", "the weights after every stage of a training, compared as numbers with all their digits"),
    ("seed", "one training; all its random numbers follow from the seed"),
    ("points", "hundredths of the test accuracy: from 97.6% to 97.5% is a loss of 0.1 points"),
    (
        "(9 to 33%)",
        "an interval that holds the true value, with a confidence of 95% or more unless it says another one",
    ),
    ("margin", "the largest loss that does not matter, fixed before any result: PASS if the interval stays within it"),
    ("not proven here", "the interval includes 0: the change may be chance"),
    ("same", f"of times: the interval lies within {BOUND:.0%} of the other version's time"),
    ("slower, faster", "of times: the interval excludes 0, and is not within that band"),
    ("fit, graph, epoch", "Keras's own training; graph and epoch are two ways to call it, which end in the same bits"),
    ("fused", "a training of this package, one compiled function an epoch"),
]
_MORE_WORDS = [
    ("NOT WORSE", "good", "the checks that fail do so in both versions: an old defect"),
    (
        "IN STEPS",
        "open",
        "two versions that were not timed against each other, but over the versions between; no verdict",
    ),
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
        machines=_list_machines(findings.rows, findings.name),
        samples=findings.trained,
        labs=list(LABS),
        pictures=pictures,
        notes=notes,
        mark=findings.mark,
        legend=[*LEGEND, *_MORE_WORDS],
        glossary=GLOSSARY,
        choices=_pack(findings),
        name=findings.name,
        signs=SIGNS,
        verdict_tones={word: TONES.get(verdict.value, "open") for word, verdict in VERDICTS.items()},
        contents=[(name, text) for name, text in _CONTENTS.items() if name != "regressions" or findings.costs],
        anchor=lambda *words: "-".join(["v", *words]),
        **{tool.__name__: tool for tool in (count, format_change, format_costs, format_ratio, format_mean)},
        **{tool.__name__: tool for tool in (join_names, list_differences, list_moves, cut_figure, cut_reason)},
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
        named = {findings.name(key).short: pair for key, pair in pairs.items()}
        draw, size = functools.partial(plots.plot_ratios, named), plots.measure_rows(len(pairs))
        pictures["ratios"] = _draw(draw, "ratios", "Each version's time over that of the version before", size)
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


def list_differences(row: VersionRow, records: Mapping[str, VersionRecord]) -> Iterator[str]:
    """Yield in what the software of a version and its size differ from those of the version before."""
    if row.base is not None:
        yield from note_environments(records[row.base], row.record)


def list_moves(row: VersionRow, records: Mapping[str, VersionRecord]) -> list[str]:
    """Return where the bits part from those of the version before, each once."""
    if row.base is None or row.compared is None:
        return []
    cases: dict[str, list[str]] = {}
    for case, reason in row.compared.moved.items():
        told = explain_move(case, records[row.base], row.record) or reason
        cases.setdefault(told, []).append(f"{case.lab} by {case.engine}")
    return [f"{join_names(names)}: {told}" for told, names in cases.items()]


def cut_figure(result: CheckResult, row: VersionRow) -> str:
    """Return the figure of a result; "" if it is the stage at which the bits part, which `list_moves` has told."""
    return "" if row.compared and result.figure in row.compared.moved.values() else result.figure


def cut_reason(result: CheckResult, row: VersionRow) -> str:
    """Return the evidence of a result without the stage at which the bits part, which `list_moves` has told."""
    reasons = {str(case): reason for case, reason in row.compared.moved.items()} if row.compared else {}
    reason = reasons.get(result.case, "")
    return result.evidence.removesuffix(reason).rstrip(" .") + "." if reason else result.evidence


def _pack(findings: Findings) -> dict[str, Any]:
    """Return all pairs of versions for the page's script, and the pair that is shown first."""
    collection = findings.collection
    packed = pack_choices(Chooser(findings.sharing, collection.pairs, findings.costs, findings.name))
    keys = [key for key, _ in packed["names"]]
    # The newest TensorFlow with the Keras of its time, from the last version without the first defect.
    newest = [key for key in keys if collection.axes[key] == "tensorflow"] or keys
    lacking = [key for regression, _ in findings.costs.values() for key in regression.lacking if key in keys]
    first = [keys.index(lacking[-1] if lacking else keys[0]), keys.index(newest[-1])] if keys else []
    return {**packed, "signs": SIGNS, "first": first}


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
        yield "import, this version alone", ", ".join(f"{seconds:.2f} s" for seconds in record.imports)
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


def _list_machines(rows: Sequence[VersionRow], name: Callable[[str], Products]) -> list[tuple[str, str]]:
    """Return the versions whose bits cannot be compared with the first version's, and why."""
    measured = [row for row in rows if row.record.environment]
    reasons = ((name(row.name).short, explain_machines(measured[0].record, row.record)) for row in measured)
    return [(name, why) for name, why in reasons if why]
