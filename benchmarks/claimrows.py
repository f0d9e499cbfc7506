"""The claims of the lab sheet as rows of a table: records in, Markdown out."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, TypeAlias

from scipy import stats

from mnist_bench.checks.sheet.figures import EPOCH_LINES
from mnist_bench.stats.intervals import change_interval
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from learning import Bar, Look, Way

    from mnist_bench.records.training import TrainingRecord

    Ways: TypeAlias = Mapping[str, Sequence[Way]]

__all__ = ["LAB_EPOCHS", "make_rows"]

_ALPHA = 0.025  # at each end of an interval of 95 %
LAB_EPOCHS = 20
"""The lab's epochs of both MLPs."""

_Row: TypeAlias = "tuple[str, str, str]"


def make_rows(
    ways: Ways,
    bars: Mapping[str, Sequence[Bar]],
    records: Mapping[tuple[str, str], TrainingRecord],
    *,
    mnist: bool,
) -> Iterator[_Row]:
    """Yield what is claimed, what was measured, and what follows, each as text.

    Args:
        ways: For each lab its trainings, the same seeds in the same order; looked at after the first epoch, the
            20th and the last.
        bars: For each lab its first epochs of `fit`.
        records: A training of each lab by `eager` and by `graph`, by lab and engine.
        mnist: Whether the data is MNIST, as the sheet's.
    """
    yield from _compare_speed(ways)
    yield from _compare_gaps(ways)
    yield from _describe_long(ways)
    yield from _compare_eager(records)
    yield from _compare_printed(ways)
    yield from _compare_bars(bars, mnist=mnist)


def _compare_speed(ways: Ways) -> Iterator[_Row]:
    first = {lab: [way.validation[0] for way in ways[lab]] for lab in ("perceptron", "mlp")}
    yield (
        "the MLP learns faster than the perceptron",
        (
            "validation accuracy after the first epoch: "
            f"perceptron {_spread(first['perceptron'])}, MLP {_spread(first['mlp'])}"
        ),
        _judge_change(first["perceptron"], first["mlp"], "ahead by", "behind by"),
    )
    passed = [
        next((epoch for epoch, it in enumerate(mlp.validation, 1) if it > max(perceptron.validation)), None)
        for mlp, perceptron in zip(ways["mlp"], ways["perceptron"], strict=True)
    ]
    epochs = ways["perceptron"][0].epochs
    reached = [str(epoch) if epoch else "never" for epoch in passed]
    yield (
        "fewer epochs are enough for it",
        f"the first epoch in which its validation accuracy is above the perceptron's best of {epochs}, seed by seed: "
        + ", ".join(reached),
        "holds" if all(passed) else "does not hold",
    )


def _compare_gaps(ways: Ways) -> Iterator[_Row]:
    for claim, left in (
        ("dropout narrows the gap between training and validation", "train"),
        ("the same, by the printed figures", "printed"),
    ):
        gaps = {
            lab: [getattr(look, left) - look.validation for look in _look_at(ways[lab], LAB_EPOCHS)]
            for lab in ("mlp", "dropout")
        }
        yield (
            claim,
            (
                f"training minus validation accuracy after {LAB_EPOCHS} epochs: "
                f"MLP {_spread(gaps['mlp'])}, dropout {_spread(gaps['dropout'])}"
            ),
            _judge_change(gaps["dropout"], gaps["mlp"], "narrower by", "wider by"),
        )


def _describe_long(ways: Ways) -> Iterator[_Row]:
    long = ways["dropout"][0].epochs
    for epoch in dict.fromkeys((LAB_EPOCHS, long)):
        looks = _look_at(ways["dropout"], epoch)
        figures = {name: [getattr(look, name) for look in looks] for name in ("printed", "train", "validation", "test")}
        yield (
            f"with dropout, {epoch} epochs: training and test accuracy converge at about 97 %",
            (
                f"printed {_spread(figures['printed'])}, evaluated on the training set {_spread(figures['train'])}, "
                f"validation {_spread(figures['validation'])}, test {_spread(figures['test'])}"
            ),
            _judge_change(figures["test"], figures["train"], "evaluated training above test by", "below test by"),
        )


def _compare_eager(records: Mapping[tuple[str, str], TrainingRecord]) -> Iterator[_Row]:
    for lab in LABS:
        eager, graph = (records[lab, engine] for engine in ("eager", "graph"))
        same = eager.final_digest == graph.final_digest
        ratio = (eager.seconds.epoch or 0) / (graph.seconds.epoch or 1)
        yield (
            f"run_eagerly changes nothing but the time ({lab})",
            (
                f"{eager.config.epochs} epochs by Keras {eager.environment.keras}: {'the same' if same else 'other'} "
                f"bits in the weights; {ratio:.1f} times the seconds, one pair of epochs"
            ),
            "holds" if same else "does not hold",
        )


def _compare_printed(ways: Ways) -> Iterator[_Row]:
    for lab in LABS:
        looks = _look_at(ways[lab], 1)
        printed, train = [look.printed for look in looks], [look.train for look in looks]
        yield (
            f"the printed accuracy lags behind `evaluate` ({lab})",
            f"after the first epoch: printed {_spread(printed)}, evaluated on the training set {_spread(train)}",
            _judge_change(printed, train, "lags by", "leads by"),
        )


def _compare_bars(bars: Mapping[str, Sequence[Bar]], *, mnist: bool) -> Iterator[_Row]:
    for lab, found in bars.items():
        history, bar, loss = ([getattr(it, name) for it in found] for name in ("accuracy", "bar_accuracy", "bar_loss"))
        line = EPOCH_LINES[lab][1]
        nearer = abs(statistics.fmean(bar) - line.accuracy) < abs(statistics.fmean(history) - line.accuracy)
        yield (
            f"the sheet's first line is a mean of running means ({lab})",
            (
                f"first epoch of `fit`: accuracy in the history {_spread(history)}; mean over the steps of the running "
                f"means {_spread(bar)}, of their losses {_spread(loss)}"
            ),
            f"the sheet prints {line.accuracy:.4f} and {line.loss:.4f}: {'so it is' if nearer else 'so it is not'}"
            if mnist
            else "not MNIST: not compared",
        )


def _look_at(ways: Sequence[Way], epoch: int) -> list[Look]:
    return [next(look for look in way.looks if look.epoch == epoch) for way in ways]


def _judge_change(reference: Sequence[float], sample: Sequence[float], above: str, below: str) -> str:
    """Say how far the sample's mean is from the reference's, with the ends of a 95 % interval."""
    it = change_interval(reference, sample, alpha=_ALPHA)
    if it.low <= 0 <= it.high:
        return f"no difference seen: {it.low:+.4f} to {it.high:+.4f}"
    low, high = sorted((abs(it.low), abs(it.high)))
    return f"{above if it.estimate > 0 else below} {abs(it.estimate):.4f} ({low:.4f} to {high:.4f})"


def _spread(figures: Sequence[float]) -> str:
    """Return the mean and the half width of its 95 % interval, Student's."""
    half = stats.t.isf(_ALPHA, len(figures) - 1) * statistics.stdev(figures) / len(figures) ** 0.5
    return f"{statistics.fmean(figures):.4f} ± {half:.4f}"
