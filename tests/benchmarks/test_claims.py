"""The sheet's claims as rows of a table: each follows from its figures, and turns where they turn."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.checksums import edit_record
from mnist_bench.training.backend import seed_everything
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

SEEDS = (0, 1, 2)
# By lab and epoch: what is printed, then what is evaluated on the training, validation and test images.
LOOKS = {
    "perceptron": {1: (0.84, 0.90, 0.90, 0.90), 20: (0.92, 0.92, 0.92, 0.92)},
    "mlp": {1: (0.86, 0.93, 0.93, 0.93), 20: (0.996, 0.998, 0.975, 0.976)},
    "dropout": {1: (0.78, 0.92, 0.92, 0.92), 20: (0.970, 0.985, 0.976, 0.976), 250: (0.99, 0.9999, 0.981, 0.982)},
}


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that imports a module of the folder `benchmarks`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def make_rows(benchmarks: Any, record: TrainingRecord) -> Any:
    """A function that makes the rows, by claim, of the figures above; `flip` exchanges the figures of two labs."""
    learning, claimrows = benchmarks("learning"), benchmarks("claimrows")

    def make_way(lab: str, figures: dict[int, tuple[float, ...]], seed: int) -> Any:
        # Seeds differ a little, or there would be no spread to judge by.
        rows = {
            epoch: [figure - seed * 1e-5 * (epoch + place) for place, figure in enumerate(row)]
            for epoch, row in figures.items()
        }
        names = ("printed", "train", "validation", "test")
        looks = [learning.Look(epoch=epoch, **dict(zip(names, row, strict=True))) for epoch, row in rows.items()]
        return learning.Way(
            lab=lab,
            seed=seed,
            epochs=max(rows),
            dataset="",
            validation=[row[2] for row in rows.values()],
            looks=looks,
        )

    def make(*flip: str, final_digest: str = record.final_digest, bar: float = 0.77) -> dict[str, tuple[str, str]]:
        looks = LOOKS | dict(zip(flip, (LOOKS[lab] for lab in reversed(flip)), strict=True))
        ways = {lab: [make_way(lab, figures, seed) for seed in SEEDS] for lab, figures in looks.items()}
        bars = {
            "mlp": [
                learning.Bar(
                    lab="mlp",
                    seed=seed,
                    dataset="",
                    accuracy=0.86,
                    loss=0.5,
                    bar_accuracy=bar + seed * 1e-4,
                    bar_loss=0.83,
                )
                for seed in SEEDS
            ]
        }
        eager = dataclasses.replace(record, final_digest=final_digest)
        records = {(lab, engine): trained for lab in LABS for engine, trained in (("eager", eager), ("graph", record))}
        return {row[0]: row[1:] for row in claimrows.make_rows(ways, bars, records, mnist=True)}

    return make


def test_every_claim_has_its_row(make_rows: Any) -> None:
    """Each claim has a row with the figures above and their interval."""
    rows = make_rows()
    assert rows["the MLP learns faster than the perceptron"][1].startswith("ahead by 0.0300 (0.029")
    assert rows["fewer epochs are enough for it"] == (
        "the first epoch in which its validation accuracy is above the perceptron's best of 20, seed by seed: 1, 1, 1",
        "holds",
    )
    assert rows["dropout narrows the gap between training and validation"][1].startswith("narrower by 0.0140 (")
    long = rows["with dropout, 250 epochs: training and test accuracy converge at about 97 %"]
    assert long[1].startswith("evaluated training above test by 0.01")
    assert rows["run_eagerly changes nothing but the time (mlp)"][1] == "holds"
    assert rows["the printed accuracy lags behind `evaluate` (mlp)"][1].startswith("lags by 0.0700 (")
    assert rows["the sheet's first line is a mean of running means (mlp)"][1].endswith("0.8302: so it is")


def test_a_claim_that_fails_is_said_to(make_rows: Any) -> None:
    """With the labs' figures exchanged, other bits and another first line, each row says the contrary."""
    assert make_rows("perceptron", "mlp")["the MLP learns faster than the perceptron"][1].startswith("behind by 0.03")
    assert make_rows("perceptron", "mlp")["fewer epochs are enough for it"][1] == "does not hold"
    exchanged = make_rows(final_digest="0" * 63 + "1", bar=0.95)
    assert exchanged["run_eagerly changes nothing but the time (dropout)"][1] == "does not hold"
    assert exchanged["the sheet's first line is a mean of running means (mlp)"][1].endswith("so it is not")


def test_a_record_of_other_data_is_refused(benchmarks: Any, tiny: Dataset, tmp_path: Path) -> None:
    """A stored measurement is read again, but only for the same data."""
    learning = benchmarks("learning")
    bar = learning.Bar(lab="mlp", seed=1, dataset=tiny.digest, accuracy=1, loss=1, bar_accuracy=1, bar_loss=1)
    path = tmp_path / "bar.json"
    assert learning.keep(path, learning.Bar, tiny, lambda: bar) == bar
    assert learning.keep(path, learning.Bar, tiny, lambda: pytest.fail("measured twice")) == bar
    edit_record(path, tiny.digest, "0" * 64)
    with pytest.raises(ValueError, match="it was measured on other data"):
        learning.keep(path, learning.Bar, tiny, lambda: bar)


def test_numpy_s_seed_does_not_reach_keras() -> None:
    """The sheet's own line leaves the weights to chance; `set_random_seed` does not."""

    def build(seed: Any) -> np.ndarray:
        seed(1671)
        return np.asarray(build_model(LABS["perceptron"]).get_weights()[0])

    seed_everything(1)
    assert build(np.random.seed).tobytes() != build(np.random.seed).tobytes()
    assert build(seed_everything).tobytes() == build(seed_everything).tobytes()
