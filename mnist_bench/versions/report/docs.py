"""docs/results.md and the README's picture: what the committed records come to, written by one command."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.files import replace_own
from mnist_bench.show import drawing
from mnist_bench.show.text import escape_markdown
from mnist_bench.timing.ab.records import format_ratio
from mnist_bench.versions.bitgroups import find_keras
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.findings import format_mean
from mnist_bench.versions.report.headline import format_change
from mnist_bench.versions.report.page import LEGEND, format_letter, list_sections, plot_metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mnist_bench.versions.report.findings import Facts
    from mnist_bench.versions.report.table import Row

__all__ = ["MARK", "draw_picture", "format_results", "make_stamp", "write_docs"]

MARK = "Written by mnist-bench report from the versions' records"
_READING = """Checks from structure to reproducibility are of the version itself. From bits on it is held against the
version before it, the nearest older one that differs in one thing. A field has the worst verdict of its checks."""
_COMMANDS = """    mnist-bench matrix run              # measures what is missing
    mnist-bench matrix pairs            # times each beside its predecessor, on a quiet machine
    mnist-bench report --docs docs      # this page and its picture
    mnist-bench report --out FILE.html  # the whole of it, with a drill-down for each version"""
_LAB = "mlp"  # of the picture: the one that the frozen shuffle costs most


def write_docs(facts: Facts, folder: Path) -> list[Path]:
    """Write results.md, and images/versions.svg where the mlp was trained; return their paths.

    Raises:
        FileExistsError: A file of that name is there that this command did not write.
    """
    contents = {folder / "results.md": format_results(facts)}
    picture = draw_picture(facts)
    if picture:
        contents[folder / "images" / "versions.svg"] = picture
    for path, text in contents.items():
        replace_own(path, text.encode(), mark=MARK)
    return list(contents)


def format_results(facts: Facts) -> str:
    """Return the page as Markdown: the same records give the same bytes."""
    parts = [
        f"<!-- {MARK}: do not edit it. -->",
        "# What changed between TensorFlow, Keras and Python versions",
        f"**{escape_markdown(facts.headline.sentence)}**",
    ]
    if not facts.rows:
        parts.append("There are no records in `baselines/versions` yet: `mnist-bench matrix run` makes them.")
        return "\n\n".join(parts) + "\n"
    parts += [
        *map(escape_markdown, facts.headline.support),
        "\n".join(f"- {escape_markdown(f'{it.value} {it.label}')}" for it in facts.headline.figures),
        *_show_picture(facts),
        "## Every version, every check",
        _READING,
        *(text for title, rows in list_sections(facts.rows) for text in (f"### {title}", _tell_rows(rows, facts))),
        "\n".join(f"- {word}: {meaning}" for word, _, meaning in LEGEND),
        *_tell_bits(facts),
        *_tell_accuracy(facts),
        *_tell_costs(facts),
        *_tell_times(facts),
        "## How to make it again",
        _COMMANDS,
    ]
    return "\n\n".join(parts) + "\n"


def draw_picture(facts: Facts) -> str | None:
    """Return the picture of the mlp's accuracy and loss on a ground of its own; None where it was not trained."""
    trained = [it for it in facts.trained if it.lab == _LAB][-plots.MOST :]
    if not trained:
        return None
    draws = [functools.partial(plot_metric, trained, metric, mark=facts.mark) for metric in ("accuracy", "loss")]
    width, height = plots.measure_rows(len(trained), lines=2)
    svg = drawing.stand_alone(drawing.draw_panels(draws, columns=2, size=(width - 1.2, height + 0.2)))
    return svg.replace(">", f"><desc>{MARK}; {make_stamp(facts)}</desc>", 1)


def make_stamp(facts: Facts) -> str:
    """Return what the picture depends on, but for matplotlib: the records' digest and that of the code that draws."""
    code = b"".join(Path(str(it.__file__)).read_bytes() for it in (drawing, plots))
    return f"records {facts.collection.digest[:16]}, drawing {hashlib.sha256(code).hexdigest()[:16]}"


def _show_picture(facts: Facts) -> Iterator[str]:
    if any(it.lab == _LAB for it in facts.trained):
        yield (
            "![Test accuracy and loss of the MLP, a row for each different result: seeds, means and intervals]"
            "(images/versions.svg)"
        )
        yield "Small marks are seeds, large ones means with their 95% intervals. Versions of the same bits are one row."


def _tell_rows(rows: Sequence[Row], facts: Facts) -> str:
    table = []
    for row in rows:
        spec, status = row.record.version, row.record.status
        words = [row.cells[group].word if group in row.cells else "" for group in facts.groups]
        if status in ("failed", "planned"):
            words = ["NOT MEASURED" if status == "planned" else "FAILED", *[""] * (len(words) - 1)]
        table.append([f"`{row.name}`", spec.tensorflow, find_keras(row.record), *words])
    return _make_table(["version", "TensorFlow", "Keras", *facts.groups], table)


def _tell_bits(facts: Facts) -> Iterator[str]:
    yield "## Which versions end in the same bits"
    if not facts.alike:
        yield "Not measured."
        return
    yield "*fit* is Keras's own training, *fused* ours. Versions of one row end in the same weights, bit for bit."
    # Most labs part at the same versions: they are told once.
    parts: dict[str, list[str]] = {}
    groups = {str(it.groups): it.groups for it in facts.alike}
    for it in facts.alike:
        parts.setdefault(str(it.groups), []).append(f"{it.lab} by {it.way}")
    yield _make_table(
        ["of", "bits", "versions"],
        [
            [", ".join(cases), format_letter(place), ", ".join(names)]
            for key, cases in parts.items()
            for place, names in enumerate(groups[key])
        ],
    )


def _tell_accuracy(facts: Facts) -> Iterator[str]:
    yield "## Accuracy and loss"
    if not facts.trained:
        yield "Not measured."
        return
    yield "On the test set: mean ± standard deviation over seeds, and the mean's 95% interval. The same bits are a row."
    yield _make_table(
        ["lab", "versions", "seeds", "accuracy", "loss"],
        [
            [
                it.lab,
                it.label.replace("\n", ", "),
                str(len(it.results.seeds)),
                format_mean(it.results.test_accuracy),
                format_mean(it.results.test_loss),
            ]
            for it in facts.trained
        ],
    )


def _tell_costs(facts: Facts) -> Iterator[str]:
    for regression, costs in facts.costs.values():
        yield f"## {regression.title[:1].upper()}{regression.title[1:]}"
        link = f" [Where it is discussed]({regression.link})." if regression.link else ""
        yield f"{escape_markdown(regression.reason)}{link}"
        yield (
            f"Found by `{regression.check}` in {len(regression.having)} versions, "
            f"{f'from {regression.since} on' if regression.since else ', '.join(regression.having)}; "
            f"it holds in {len(regression.lacking)}."
        )
        if costs:
            yield _make_table(
                ["lab", "of", "without it", "with it", "change (95% interval)", "seeds"],
                [
                    [
                        it.lab,
                        it.metric,
                        f"{it.lacking:.4f}",
                        f"{it.having:.4f}",
                        format_change(it.change, it.metric),
                        ", ".join(map(str, it.seeds)),
                    ]
                    for it in costs
                ],
            )
            yield (
                "The seed is the unit: versions of the same bits count once, other bits are averaged by seed. "
                "Whatever else changed between these versions is in the change, too."
            )


def _tell_times(facts: Facts) -> Iterator[str]:
    yield "## Time, each version beside its predecessor"
    pairs = facts.collection.pairs
    if not pairs:
        yield "Not measured."
        return
    yield (
        "Fresh processes of both at the same time, in turns: see [ab.md](ab.md). The times are of the work, without "
        "tf.data's autotuner: as shipped, `fit` also waits for that at the end of an epoch, with Keras 3 longer than "
        "with Keras 2: see [performance.md](performance.md#what-fit-waits-for)."
    )
    yield _make_table(
        ["version", "beside", "verdict", "wall clock", "processor time", "workload"],
        [
            [
                f"`{name}`",
                f"`{pair.python_a}`",
                pair.verdict,
                format_ratio(pair.wall),
                format_ratio(pair.cpu),
                f"{pair.workload.lab} by {pair.workload.engine}",
            ]
            for name, pair in pairs.items()
        ],
    )


def _make_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([escape_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
