"""Another interpreter is asked, and answers, although nothing of ours is installed in its environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.interpreters import make_interpreter, make_program
from mnist_bench.checks import elsewhere
from mnist_bench.checks.elsewhere import ask_checks, ask_environment, ask_probes
from mnist_bench.checks.layers.serve import _ANSWERS
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.ab.process import Side, measure_round
from mnist_bench.timing.ab.worker import AbTask, save_arrays
from mnist_bench.training.backend import import_seconds
from mnist_bench.training.runner import train
from mnist_bench.training.workers.events import Finished
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.training.workers.pool import train_all
from mnist_bench.training.workers.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """This interpreter, in which this package may import NumPy, TensorFlow and Keras alone."""
    return make_interpreter(tmp_path / "python", "guarded.py")


def test_an_interpreter_that_hangs_is_named_and_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, after a minute; after 20 it is ended."""
    told: list[str] = []
    monkeypatch.setattr(Waiting, "tell", told.append)
    for name, seconds in {"SILENT": 0.1, "PATIENCE": 1.0, "LOOK": 0.05}.items():
        monkeypatch.setattr(elsewhere, f"{name}_SECONDS", seconds)
    python = make_program(tmp_path / "python", "sleep 60")
    with pytest.raises(CommandError, match=r"python gave no sign for 1 s and was ended$"):
        ask_environment(python)
    assert told == [f"{python}: no answer for 0 s; it is given up after 1 s"]


def test_the_guard_refuses(guarded: Path, tmp_path: Path) -> None:
    """The guard would see an import of the judging side: a planted one ends the process with its name."""
    package = tmp_path / "mnist_bench"
    package.mkdir()
    (package / "__init__.py").write_text("import msgspec\n")
    (tmp_path / "script.py").write_text("import mnist_bench\n")
    answer = subprocess.run([guarded, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "mnist_bench imports msgspec, which an environment under test may lack" in answer.stderr


@pytest.mark.slow
def test_every_entry_point_needs_tensorflow_alone(
    guarded: Path, stub_python: Callable[..., Path], digits: Dataset, tmp_path: Path
) -> None:
    """Probes, fast checks, trainings and timed epochs work without any package of ours.

    So do the fingerprint and the import time, which ask for no module that a training does not: see `tests/bare`.
    """
    config = TrainingConfig(lab="perceptron", engine="epoch", epochs=1, data="digits", device="cpu")
    (probe,) = ask_probes(guarded, [config])
    assert (probe.config, probe.dataset.digest) == (config, digits.digest)
    last = list(train_all([config], python=str(guarded)))[-1]
    assert isinstance(last, Finished)
    assert last.record.final_digest == train(config, dataset=digits).final_digest
    environment = last.record.environment
    results = ask_checks(guarded, ["perceptron"], engine="epoch", source="digits", environment=environment)
    assert [result.name for result in results if not result.holds] == []
    save_arrays(digits, tmp_path, samples=256, validation=32)
    task = AbTask(lab="perceptron", engine="fused", batch_size=32, device="cpu", folder=str(tmp_path), warm_ups=1)
    times = measure_round((Side("a", guarded, task), Side("b", stub_python("b"), task)), 0, 2, None, limit=120)
    assert [len(process.wall) for process, _ in times] == [2, 2]


def test_the_import_is_timed() -> None:
    """The answer is what the process itself took for it."""
    assert list(_ANSWERS["import"]()) == [import_seconds()]
    assert import_seconds() > 0


def test_another_interpreter_is_asked_on_its_cores() -> None:
    """What answers is pinned as the trainings are that follow, so that both have one environment."""
    core = min(os.sched_getaffinity(0))
    assert ask_environment(cores=[core]).usable_cores == 1


def test_an_interpreter_without_an_answer_is_named() -> None:
    """How the process ended is said, and nothing hangs."""
    with pytest.raises(CommandError, match=r"^/bin/false ended with exit code 1$"):
        ask_environment(Path("/bin/false"))


def test_a_question_that_cannot_be_answered_is_an_error(guarded: Path) -> None:
    """The reason is the one that the other interpreter gave, with the end of its traceback."""
    config = TrainingConfig(lab="cnn", data="digits")
    with pytest.raises(CommandError, match="unknown lab 'cnn'") as caught:
        list(ask_probes(guarded, [config]))
    assert "ValueError" in caught.value.lines[-1]


@pytest.mark.parametrize(
    ("fatal", "lost"),
    [
        pytest.param("contract/new-order", ["contract/new-order[epoch]"], id="one"),
        pytest.param(
            "contract/new-order,reproducibility/bits",
            ["contract/new-order[epoch]", "reproducibility/bits[mlp-epoch]"],
            id="two",
        ),
        pytest.param(
            "contract/dropout-evaluation,reproducibility/op-determinism",
            [
                "contract/dropout-evaluation[epoch]",
                *("reproducibility/op-determinism", "reproducibility/bits[mlp-epoch]"),
            ],
            id="two in a row",
        ),
    ],
)
def test_a_process_that_dies_costs_its_check_alone(
    fatal: str, lost: list[str], tmp_path: Path, record: TrainingRecord
) -> None:
    """Another process goes on behind the check in which the first has died, until one gives no result at all."""
    python = make_interpreter(tmp_path / "python", "dying.py", fatal)
    results = list(ask_checks(python, ["mlp"], engine="epoch", source="digits", environment=record.environment))
    assert [result.name for result in results] == name_fast_checks(["mlp"], "epoch")
    bad = [result for result in results if not result.holds and result.name != "contract/new-order[epoch]"]
    assert [result.name for result in results if result.figure == "did not run"] == lost
    for result in bad:
        assert result.verdict is Verdict.INCONCLUSIVE
        assert "was killed by SIGABRT: Unknown flag --nonsense" in result.evidence


@pytest.mark.parametrize(("fatal", "message"), [("all", "was killed by SIGABRT"), ("other", "gave no result")])
def test_no_check_at_all_is_an_error(fatal: str, message: str, tmp_path: Path, record: TrainingRecord) -> None:
    """Where the first process gives no result of the first check, the whole layer has failed."""
    python = make_interpreter(tmp_path / "python", "dying.py", fatal)
    with pytest.raises(CommandError, match=message):
        list(ask_checks(python, ["mlp"], engine="epoch", source="digits", environment=record.environment))
