"""Environments that have TensorFlow and nothing else, the oldest and the newest, are measured as they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.diagnosis import diagnose
from mnist_bench.checks.elsewhere import ask_checks, ask_environment
from mnist_bench.own.elsewhere import ask_own_checks, ask_own_probe
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.ab.verdict import load_ab
from mnist_bench.training.workers.interpreters import run_command
from mnist_bench.versions.environments import describe_environment, make_environment
from mnist_bench.versions.folder import load_version
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    "MNIST_BENCH_BARE" not in os.environ, reason="makes environments from the package index: tox run -e bare"
)


@pytest.fixture(scope="module")
def pythons() -> tuple[Path, Path]:
    """The interpreters of TensorFlow 2.8 and 2.21, in environments that uv makes."""
    old, new = (make_environment(find_version(name))[0] for name in ("py310-tf28", "py313-tf221"))
    return old, new


def test_nothing_of_ours_is_there(pythons: tuple[Path, Path]) -> None:
    """Neither this package nor what it is judged with: each environment is what a user of TensorFlow has."""
    for python in pythons:
        packages = describe_environment(python).packages
        assert {"tensorflow-cpu", "tensorflow_cpu"} & set(packages)
        assert not {"mnist-bench", "mnist_bench", "msgspec", "scipy", "pytest", "typer", "scikit-learn"} & set(packages)
        assert (
            run_command([str(python), "-c", "import tensorflow, sys; print('mnist_bench' in sys.modules)"]) == "False\n"
        )


def test_the_two_are_compared(pythons: tuple[Path, Path], command: Callable[..., Any], tmp_path: Path) -> None:
    """Keras 2 and 3 draw other weights: the first stage that differs is named, and bits alone decide nothing."""
    options = ("--lab", "perceptron", "--data", "digits", "--engine", "graph", "--out", tmp_path)
    answer = command("compare", *pythons, "--only", "bits", *options)
    assert answer.status == 3, answer.err
    assert "first stage that differs: " in answer.out


def test_the_two_are_timed(pythons: tuple[Path, Path], command: Callable[..., Any], tmp_path: Path) -> None:
    """Both sides train in rounds of fresh processes, and a verdict comes out."""
    options = ("--lab", "perceptron", "--engine", "graph", "--budget", 60, "--data", "digits", "--out", tmp_path)
    answer = command("compare", *pythons, "--only", "time", *options)
    assert answer.status in (0, 1, 3), answer.err
    assert load_ab(tmp_path / "time.json").conclusion


@pytest.mark.parametrize(
    ("fault", "check", "cause"),
    [
        ("step-longer:1.001", "arithmetic/oracle", "step size"),
        ("rows-added:0.001", "contract/every-sample-once", "samples"),
        ("order-reversed:1", "contract/new-order", "order"),
        ("loss-of-batches:1", "arithmetic/figures", "loss figure"),
        ("dropout-rate:0.02", "contract/dropout-share", "dropout"),
    ],
)
def test_faults_are_planted_in_the_oldest(
    pythons: tuple[Path, Path], fault: str, check: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seams by which faults are planted are there in Keras 2, too, in a child process, and the cause is named."""
    monkeypatch.setenv(FAULT_VARIABLE, fault)
    environment = ask_environment(pythons[0])
    labs = ["dropout" if fault.startswith("dropout") else "mlp"]
    results = list(ask_checks(pythons[0], labs, engine="graph", source="digits", environment=environment))
    assert check in {result.check for result in results if result.verdict is Verdict.REGRESSED}
    found = diagnose(results)
    assert found is not None
    assert found.key == cause


def test_one_is_measured_layer_by_layer(
    pythons: tuple[Path, Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    """A version that no matrix has is measured in the environment that is given, and its record is complete."""
    options = ("--labs", "perceptron", "--seeds", 1, "--epochs", 1, "--data", "digits", "--out", tmp_path)
    answer = command("matrix", "run", "mine", "--interpreter", pythons[0], *options)
    assert answer.status == 0, answer.err
    record = load_version(tmp_path / "mine.json")
    assert (record.version.tensorflow, record.status) == ("2.8.4", "measured")
    assert all(check.holds for checks in record.checks.values() for check in checks)


def test_a_model_of_ones_own_is_measured(pythons: tuple[Path, Path], configure_model: Callable[..., Any]) -> None:
    """Its checks run in the oldest and the newest TensorFlow, and its probes have the same stages."""
    config = configure_model()
    for python in pythons:
        red = {it.check: it.verdict for it in ask_own_checks(python, config) if not it.holds}
        # Keras 2.8 sums the loss in float32, in which differences say nothing.
        assert red in ({}, {"arithmetic/differences": Verdict.UNREADABLE}), red
    old, new = (ask_own_probe(python, config) for python in pythons)
    # Keras 2 and 3 give the metrics in other orders, and stages are compared by name.
    assert sorted(stage.name for stage in old.stages) == sorted(stage.name for stage in new.stages)
    assert old.data_digest == new.data_digest
