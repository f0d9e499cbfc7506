"""Two real processes kept in step: the trainings are those of the pool, and a side that dies ends the round."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.interpreters import make_interpreter, make_program
from mnist_bench.records.config import TrainingConfig
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError, make_lab_task, train_round

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset

PYTHON = Path(sys.executable)
CONFIG = TrainingConfig(lab="perceptron", epochs=4, data="digits", device="cpu")
TASK = make_lab_task(CONFIG)


@pytest.mark.slow
def test_both_sides_train_the_same_seed_in_step(digits: Dataset, tmp_path: Path) -> None:
    """One interpreter against itself ends in the same bits, and every epoch but the first has its seconds."""
    python = make_interpreter(tmp_path / "python", "guarded.py")
    done = train_round((python, python), TASK, find_cores(), limit=300)
    first, second = done.trainings
    assert first.final_digest == second.final_digest
    assert first.dataset.digest == digits.digest
    if find_cores() is None:
        assert done.times is None
        return
    assert done.times is not None
    assert first.environment.usable_cores == second.environment.usable_cores == 1
    assert len(done.times.wall_a) == len(done.times.cpu_b) == CONFIG.epochs - 1
    # Validation and waiting are within an epoch's wall time, and not within the training's own seconds.
    assert min(done.times.wall_a) > min(first.history.seconds[1:])


def test_a_side_that_fails_is_named(stub_workers: Path, tmp_path: Path) -> None:
    """The side, its reason and its last lines are kept; the other side, which waits for its epoch, is ended."""
    broken = make_program(tmp_path / "python", "echo out of luck >&2; exit 3")
    with pytest.raises(LostSideError, match="its process ended with exit code 3: out of luck") as error:
        train_round((stub_workers / "python", broken), TASK, find_cores(), limit=300)
    assert (error.value.side, error.value.lines) == (1, ["out of luck"])


def test_the_time_can_be_over() -> None:
    """A round that does not end in time is given up."""
    with pytest.raises(OverdueError, match="the time was over"):
        train_round((PYTHON, PYTHON), TASK, find_cores(), limit=0.1)
