"""The pages: records and pictures in one self-contained HTML file."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.accuracy import judge_threshold
from mnist_bench.records.files import write_atomically
from mnist_bench.show import drawing
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.records.training import TrainingRecord

__all__ = ["render", "write_run_page"]


def write_run_page(
    records: Sequence[TrainingRecord],
    folder: Path,
    *,
    image: npt.NDArray[np.uint8],
    label: int,
    facts: Sequence[Fact] = (),
) -> Path:
    """Write the lab's plots and the page of a run, which replace those of an earlier run there.

    Args:
        records: The run's records, all on one data set.
        folder: Where to write `index.html`, `sample.svg` and for each lab two curves.
        image: Sample image number 2 of the training set, (28, 28) uint8.
        label: Its label.
        facts: What the lab sheet is compared with, where it was walked; the page shows those of one line.

    Returns:
        The path of the page.
    """
    pictures = {"sample": drawing.draw_svg(lambda ax: drawing.plot_image(image, label, ax), size=(3.0, 3.0))}
    groups = _group_by_lab(records)
    for lab, group in groups.items():
        pictures[f"{lab}-accuracy"] = drawing.draw_svg(functools.partial(drawing.plot_accuracy, group))
        pictures[f"{lab}-loss"] = drawing.draw_svg(functools.partial(drawing.plot_loss, group))
    for name, svg in pictures.items():
        drawing.save_alone(svg, folder / f"{name}.svg")
    page = folder / "index.html"
    # The curves show the epochs, and the picture the sample.
    figures = [fact for fact in facts if fact.form == "figure"]
    html = render("run.html", records=records, groups=groups, pictures=pictures, labs=LABS, facts=figures)
    write_atomically(page, html.encode(), overwrite=True)
    return page


def _group_by_lab(records: Sequence[TrainingRecord]) -> dict[str, list[TrainingRecord]]:
    groups: dict[str, list[TrainingRecord]] = {}
    for record in records:
        groups.setdefault(record.config.lab, []).append(record)
    return groups


def render(template: str, **values: Any) -> str:
    """Return the page that a template of ours makes of these values; its filter `svg` takes a picture in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mnist_bench"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = _inline
    environment.filters["judge_threshold"] = lambda record: judge_threshold(record).value
    return environment.get_template(template).render(values)


def _inline(svg: str) -> Any:
    """Mark a picture as HTML: matplotlib has escaped whatever text is in it."""
    import markupsafe

    return markupsafe.Markup(svg)  # noqa: S704 - our own drawing
