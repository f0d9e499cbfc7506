"""docs/results.md and the README's picture: a summary of the committed records, written by one command."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.files import check_replaceable, replace_own
from mnist_bench.show import drawing
from mnist_bench.show.text import escape_markdown, format_code
from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.findings import format_mean
from mnist_bench.versions.report.headline import count, format_change, format_costs
from mnist_bench.versions.report.names import join_names
from mnist_bench.versions.report.page import GLOSSARY, LEGEND, format_letter, list_sections, plot_metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mnist_bench.versions.report.findings import Findings
    from mnist_bench.versions.report.table import VersionRow

__all__ = ["MARK", "draw_picture", "format_results", "make_stamp", "write_docs"]

MARK = "Written by mnist-bench matrix report from the versions' records"
_FORMER_MARK = MARK.replace("matrix report", "report")  # the command had another name; its files may be replaced, too
_READING = """The checks from structure to reproducibility judge a version alone. From bits on, a version is compared
with the version before: the nearest older version that differs in one thing. A field shows the worst verdict of its
checks. Versions of the same bits share their seeds."""
_COMMANDS = """    mnist-bench matrix run                     # measures what is missing
    mnist-bench matrix pairs                   # times each version against the one before, on a quiet machine
    mnist-bench matrix report --docs docs      # this page and its picture
    mnist-bench matrix report --out FILE.html  # the whole report, with the details of each version"""
_LAB = "mlp"  # the lab in the picture: the frozen shuffle costs it most


def write_docs(findings: Findings, folder: Path) -> list[Path]:
    """Write results.md, and images/versions.svg if the mlp was trained; return their paths.

    Raises:
        FileExistsError: There is a file of that name that this command did not write.
    """
    contents = {folder / "results.md": format_results(findings)}
    picture = draw_picture(findings)
    if picture:
        contents[folder / "images" / "versions.svg"] = picture
    for path in contents:  # all or none
        check_replaceable(path, MARK, _FORMER_MARK, option="--docs")
    for path, text in contents.items():
        replace_own(path, text.encode(), MARK, _FORMER_MARK)
    return list(contents)


def format_results(findings: Findings) -> str:
    """Return the page as Markdown: the same records give the same bytes."""
    parts = [
        f"<!-- {MARK}: do not edit it. -->",
        "# What changed between TensorFlow, Keras and Python versions",
        f"**{escape_markdown(findings.headline.findings[0])}**",
    ]
    if not findings.rows:
        parts.append("There are no records in `baselines/versions` yet: `mnist-bench matrix run` makes them.")
        return "\n\n".join(parts) + "\n"
    parts += [
        *_list(findings.headline.findings[1:]),
        *map(escape_markdown, findings.headline.support),
        *_list(f"{figure.value} {figure.label}" for figure in findings.headline.figures),
        *_show_picture(findings),
        "## Every version, every check",
        _READING,
        *(
            text
            for title, rows in list_sections(findings.rows)
            for text in (f"### {title}", _tell_rows(rows, findings))
        ),
        "### What the words mean",
        "\n".join(f"- {word}: {escape_markdown(meaning)}" for word, meaning in _list_words()),
        *_tell_bits(findings),
        *_tell_accuracy(findings),
        *_tell_costs(findings),
        *_tell_times(findings),
        "## How to make it again",
        _COMMANDS,
    ]
    return "\n\n".join(parts) + "\n"


def draw_picture(findings: Findings) -> str | None:
    """Return the picture of the mlp's accuracy and loss on a white background; None if the mlp was not trained."""
    trained = [sample for sample in findings.trained if sample.lab == _LAB][-plots.MOST :]
    if not trained:
        return None
    draws = [functools.partial(plot_metric, trained, metric, mark=findings.mark) for metric in ("accuracy", "loss")]
    width, height = plots.measure_rows(len(trained), lines=2)
    svg = drawing.stand_alone(drawing.draw_panels(draws, columns=2, size=(width - 1.2, height + 0.4)))
    return svg.replace(">", f"><desc>{MARK}; {make_stamp(findings)}</desc>", 1)


def make_stamp(findings: Findings) -> str:
    """Return what the picture depends on, except matplotlib: the digests of the records and of the code that draws."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (drawing, plots))
    return f"records {findings.collection.digest[:16]}, drawing {hashlib.sha256(code).hexdigest()[:16]}"


def _show_picture(findings: Findings) -> Iterator[str]:
    if any(sample.lab == _LAB for sample in findings.trained):
        yield (
            "![Test accuracy and loss of the MLP: seeds, means and intervals, a row for each different result]"
            "(images/versions.svg)"
        )
        yield "Small marks are seeds, large marks means with their 95% intervals. The same bits share a row."


def _list_words() -> Iterator[tuple[str, str]]:
    yield from ((word, meaning) for word, _, meaning in LEGEND)
    yield from GLOSSARY


def _list(lines: Iterable[str]) -> Iterator[str]:
    """Yield a list of lines, or nothing if there are none."""
    text = "\n".join(f"- {escape_markdown(line)}" for line in lines)
    if text:
        yield text


def _tell_rows(rows: Sequence[VersionRow], findings: Findings) -> str:
    table = []
    for row in rows:
        spec, status = row.record.version, row.record.status
        words = [row.cells[group].word if group in row.cells else "" for group in findings.groups]
        if status in ("failed", "planned"):
            words = ["NOT MEASURED" if status == "planned" else "FAILED", *[""] * (len(words) - 1)]
        on_python = f", Python {spec.python}" if row.axis == "python" else ""
        table.append([f"{spec.tensorflow}, {row.record.keras}{on_python}", *words, row.name])
    return _make_table(["TensorFlow, Keras", *findings.groups, "record"], table)


def _tell_bits(findings: Findings) -> Iterator[str]:
    yield "## Which versions end in the same bits"
    if not findings.bit_groups:
        yield "Not measured."
        return
    yield "*fit* is Keras's own training, *fused* ours. The versions in one row end in the same weights, bit for bit."
    # Most labs have the same groups, which are listed once.
    parts: dict[str, list[str]] = {}
    groups = {str(column.groups): column.groups for column in findings.bit_groups}
    for column in findings.bit_groups:
        parts.setdefault(str(column.groups), []).append(f"{column.lab} by {column.method}")
    yield _make_table(
        ["lab and method", "bits", "versions: TensorFlow/Keras"],
        [
            [", ".join(columns), format_letter(place), ", ".join(findings.name(name).brief for name in names)]
            for key, columns in parts.items()
            for place, names in enumerate(groups[key])
        ],
    )


def _tell_accuracy(findings: Findings) -> Iterator[str]:
    yield "## Accuracy and loss"
    if not findings.trained:
        yield "Not measured."
        return
    yield (
        "On the test set: mean ± standard deviation over seeds, and the 95% interval of the mean. Versions of the same "
        "bits share a row."
    )
    yield _make_table(
        ["lab", "versions", "seeds", "accuracy", "loss"],
        [
            [
                sample.lab,
                sample.label.replace("\n", ", "),
                str(len(sample.results.seeds)),
                format_mean(sample.results.test_accuracy),
                format_mean(sample.results.test_loss),
            ]
            for sample in findings.trained
        ],
    )


def _tell_costs(findings: Findings) -> Iterator[str]:
    for regression, costs in findings.costs.values():
        yield f"## {regression.title[:1].upper()}{regression.title[1:]}"
        link = f" [Where it is discussed]({regression.link})." if regression.link else ""
        yield f"{escape_markdown(' '.join([regression.reason, *format_costs(costs)]))}{link}"
        having = join_names(findings.name(name).full for name in regression.having)
        yield (
            f"Found by {format_code(regression.check)} in {count(len(regression.having), 'version')}, "
            f"{f'from {regression.since} on' if regression.since else escape_markdown(having)}; "
            f"the check holds in {len(regression.lacking)}."
        )
        if costs:
            yield _make_table(
                ["lab", "metric", "without", "with", "change (95% interval)", "seeds"],
                [
                    [
                        cost.lab,
                        cost.metric,
                        f"{cost.lacking:.4f}",
                        f"{cost.having:.4f}",
                        format_change(cost.change, cost.metric),
                        ", ".join(map(str, cost.seeds)),
                    ]
                    for cost in costs
                ],
            )
            yield (
                "The seed is the unit: versions of the same bits count once, other bits are averaged by seed. "
                "The change includes whatever else changed between these versions."
            )


def _tell_times(findings: Findings) -> Iterator[str]:
    yield "## Time, each version compared with the version before"
    pairs = findings.collection.pairs
    if not pairs:
        yield "Not measured."
        return
    yield (
        "Fresh processes of both versions, in turns: see [ab.md](ab.md). The times are measured with tf.data's "
        "autotuner switched off: with the autotuner, `fit` also waits at the end of an epoch, longer with Keras 3 than "
        "with Keras 2: see [performance.md](performance.md#what-fit-waits-for)."
    )
    yield _make_table(
        ["version", "compared with", "verdict", "wall clock", "processor time", "workload"],
        [
            [
                findings.name(name).short,
                findings.name(pair.python_a).short,
                pair.verdict,
                format_ratio(pair.wall),
                format_ratio(pair.cpu),
                f"{pair.workload.lab} by {pair.workload.engine}",
            ]
            for name, pair in pairs.items()
        ],
    )


def _make_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *(map(escape_markdown, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
