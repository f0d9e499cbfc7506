"""The page of one comparison: the answer, the changes in units of their margins, every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench import __version__
from mnist_bench.records.files import replace_own
from mnist_bench.records.verdicts import rank
from mnist_bench.show.drawing import TRAINING, VALIDATION, draw_svg
from mnist_bench.show.page import render
from mnist_bench.versions.upgrade.answer import name_lab, name_records
from mnist_bench.versions.upgrade.sides import list_packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from mnist_bench.records.config import Case
    from mnist_bench.stats.sequential import Decision
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.upgrade.decide import Decided

__all__ = ["UPGRADE_MARK", "plot_changes", "write_compared_page", "write_page"]

UPGRADE_MARK = "<title>mnist-bench: from "
"""By which the page of an earlier comparison is known, which may be replaced."""

_REACH = 3.0  # margins to each side of 0; longer bars are cut
_TINY = 1e-12  # for a margin of 0


def write_page(decided: Decided, answer: str, path: Path) -> None:
    """Write the page of a comparison; the page of an earlier one is replaced.

    Args:
        decided: What the comparison came to.
        answer: Its first line.
        path: Where to write.
    """
    base, new = decided.records
    standin = base.dataset is not None and base.dataset.source != "mnist"
    write_compared_page(
        decided.compared,
        answer,
        path,
        names=name_records(base, new),
        packages=list_packages(base.install.packages, new.install.packages) if base.install and new.install else [],
        seconds=decided.seconds,
        standin=standin,
    )


def write_compared_page(
    compared: Compared,
    answer: str,
    path: Path,
    *,
    names: tuple[str, str],
    packages: Sequence[str],
    seconds: float,
    standin: bool = False,
) -> None:
    """Write the page of a comparison of two environments, by the labs or by a user's own model.

    Args:
        compared: The verdicts.
        answer: The first line.
        path: Where to write; the page of an earlier comparison is replaced.
        names: The products of the base and of the new environment.
        packages: Those that differ.
        seconds: How long the comparison took.
        standin: Whether the data are those that stand in for MNIST.
    """
    decisions = compared.decisions
    height = 1.0 + 0.32 * len(decisions)
    picture = draw_svg(lambda ax: plot_changes(decisions, ax), size=(7.2, height)) if decisions else ""
    html = render(
        "upgrade.html",
        answer=answer,
        base=names[0],
        new=names[1],
        mnist=not standin,
        picture=picture,
        results=sorted(compared.results, key=lambda result: rank(result.verdict)),
        packages=packages,
        notes=compared.notes,
        seconds=seconds,
        version=__version__,
    )
    replace_own(path, html.encode(), UPGRADE_MARK)


def plot_changes(decisions: Mapping[tuple[str, Case], Decision], ax: Axes) -> Axes:
    """Draw the interval of each change in units of its margin; to the right is worse."""
    for place, decision in enumerate(decisions.values()):
        loss = decision.loss
        margin = decision.margin or _TINY
        low, middle, high = (value / margin for value in (loss.low, loss.estimate, loss.high))
        color = VALIDATION if decision.verdict == "REGRESSED" else TRAINING
        ax.plot([max(low, -_REACH), min(high, _REACH)], [place, place], color=color, linewidth=2.4)
        ax.plot([min(max(middle, -_REACH), _REACH)], [place], marker="o", color=color)
    ax.axvline(0, color=TRAINING, linewidth=0.8, alpha=0.4)
    ax.axvline(1, color=VALIDATION, linestyle="--", linewidth=1.2)
    ax.set_yticks(range(len(decisions)), [f"{metric} of {name_lab(case)}" for metric, case in decisions])
    ax.set(
        xlim=(-_REACH, _REACH), ylim=(len(decisions) - 0.5, -0.5), xlabel="change, in margins: to the right is worse"
    )
    return ax
