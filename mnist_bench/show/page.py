"""The template engine of every page; the page and the plots of a run, in one self-contained HTML file."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.accuracy import judge_threshold
from mnist_bench.records.files import replace_own
from mnist_bench.show.choice import choose_records, describe_choice, describe_company
from mnist_bench.show.drawing import TEST, TRAINING, VALIDATION, draw_svg, plot_by_epoch, save_alone
from mnist_bench.show.text import clean
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import jinja2
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.records.training import TrainingRecord

__all__ = ["RUN_MARK", "plot_accuracy", "plot_image", "plot_loss", "render", "write_run_page"]


RUN_MARK = "<title>mnist-bench: a run of the lab"
"""By which the page of an earlier run is known, which may be replaced."""


def write_run_page(
    records: Sequence[TrainingRecord],
    folder: Path,
    *,
    image: npt.NDArray[np.uint8],
    label: int,
    facts: Sequence[Fact] = (),
) -> Path:
    """Write the plots and the page of a run; both replace those of an earlier run in the folder.

    Args:
        records: The run's records, all on one data set.
        folder: Where to write `index.html`, `sample.svg` and two curves for each lab.
        image: Image number 2 of the training set, (28, 28) uint8.
        label: The label of the image.
        facts: The comparison with the lab sheet, after a walk; the page shows the facts of one line.

    Returns:
        The path of the page.
    """
    pictures = {"sample": draw_svg(lambda ax: plot_image(image, label, ax), size=(3.0, 3.0))}
    groups = _group_by_lab(records)
    for lab, group in groups.items():
        pictures[f"{lab}-accuracy"] = draw_svg(functools.partial(plot_accuracy, group))
        pictures[f"{lab}-loss"] = draw_svg(functools.partial(plot_loss, group))
    for name, svg in pictures.items():
        save_alone(svg, folder / f"{name}.svg")
    page = folder / "index.html"
    # The curves show the epochs, and the picture the sample.
    figures = [fact for fact in facts if fact.form == "figure"]
    notes = [note for note in (describe_choice(records), describe_company(records)) if note]
    html = render(
        "run.html",
        records=records,
        rows=choose_records(records),
        notes=notes,
        groups=groups,
        pictures=pictures,
        labs=LABS,
        facts=figures,
    )
    replace_own(page, html.encode(), RUN_MARK)
    return page


def _group_by_lab(records: Sequence[TrainingRecord]) -> dict[str, list[TrainingRecord]]:
    groups: dict[str, list[TrainingRecord]] = {}
    for record in records:
        groups.setdefault(record.config.lab, []).append(record)
    return groups


def plot_image(image: npt.NDArray[np.uint8], label: int, ax: Axes) -> Axes:
    """Draw one image, (28, 28) uint8, in grey, with the label in the title."""
    ax.imshow(image, cmap="gray")
    ax.set(title=f"training image 2: a {label}", xlabel="column", ylabel="row")
    ax.grid(visible=False)
    return ax


def plot_accuracy(records: Sequence[TrainingRecord], ax: Axes) -> Axes:
    """Draw training and validation accuracy by epoch for each record, and the mean test accuracy."""
    _plot_curves(records, "accuracy", ax)
    test = sum(record.test_accuracy for record in records) / len(records)
    ax.axhline(test, color=TEST, linestyle=":", linewidth=1.2, label=f"test, after the last epoch: {test:.4f}")
    ax.set(ylabel="accuracy", title=f"{records[0].config.lab}: accuracy")
    ax.legend(loc="lower right")
    return ax


def plot_loss(records: Sequence[TrainingRecord], ax: Axes) -> Axes:
    """Draw training and validation loss by epoch for each record, and the mean test loss."""
    _plot_curves(records, "loss", ax)
    losses = [record.test_loss for record in records if record.test_loss is not None]
    if losses:
        test = sum(losses) / len(losses)
        ax.axhline(test, color=TEST, linestyle=":", linewidth=1.2, label=f"test, after the last epoch: {test:.4f}")
    ax.set(ylabel="cross-entropy loss", title=f"{records[0].config.lab}: loss", ylim=(0, None))
    ax.legend(loc="upper right")
    return ax


def _plot_curves(records: Sequence[TrainingRecord], metric: str, ax: Axes) -> None:
    shown = choose_records(records)
    style: dict[str, Any] = {"linewidth": 1.6, "alpha": max(0.35, 1 / len(shown) ** 0.5)}
    part = f", {len(shown)} of {len(records):,} seeds" if len(shown) < len(records) else ""
    for number, record in enumerate(shown):
        labels = (f"training (running mean){part}", f"validation{part}") if not number else (None, None)
        plot_by_epoch(getattr(record.history, metric), ax, color=TRAINING, label=labels[0], **style)
        plot_by_epoch(getattr(record.history, f"val_{metric}"), ax, color=VALIDATION, label=labels[1], **style)


def render(template: str, **values: Any) -> str:
    """Return the page that a template of ours makes of these values; the filter `svg` embeds a picture."""
    return str(_open_templates().get_template(template).render(values))


@functools.cache  # with the templates that it has compiled
def _open_templates() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mnist_bench"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters["svg"] = _inline
    environment.filters["lines"] = _keep_lines
    environment.filters["tojson"] = _dump
    environment.filters["judge_threshold"] = lambda record: judge_threshold(record).value
    return environment


def _clean(value: Any) -> Any:
    """Return a text as a terminal would be shown it, on one line; what is HTML already is our own.

    An attribute has no other lines than those of its text, and is copied into a terminal, too.
    """
    return clean(value).replace("\n", " ") if type(value) is str else value


def _keep_lines(text: str) -> Any:
    """Return a text of several lines, for a `<pre>`, as HTML."""
    import markupsafe

    return markupsafe.escape(clean(text))


def _dump(value: Any) -> Any:
    """Return a value as JSON for a script, each text in it cleaned, and as HTML."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(_clean_within(value))


def _clean_within(value: Any) -> Any:
    """Return a value with all texts cleaned; they keep their lines, which the page shows."""
    if isinstance(value, dict):
        return {key: _clean_within(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean_within(part) for part in value]
    return clean(value) if isinstance(value, str) else value


def _inline(svg: str) -> Any:
    """Mark a picture as HTML: matplotlib has escaped the text in the picture."""
    import markupsafe

    return markupsafe.Markup(svg)  # noqa: S704 - our own drawing
