"""The command `sweep`: what it refuses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("optuna", minversion="4.9")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset

MANY = ",".join(map(str, range(1, 401)))


@pytest.fixture
def refused(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny: Dataset) -> Callable[..., str]:
    """The command, which must end with bad input and print nothing; returns the last line of standard error."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)

    def run(*arguments: object) -> str:
        answer = command("sweep", *arguments)
        assert (answer.status, answer.out) == (2, "")
        return str(answer.err.splitlines()[-1]).removeprefix("mnist-bench: ")

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--lab cnn", "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ("--vary depth=1", "--vary depth=1: unknown factor 'depth': choose from epochs, learning_rate, hidden"),
        ("--vary optimizer=sdg", "--vary optimizer: 'sdg' is not allowed: choose from sgd, rmsprop, adam"),
        ("--vary hidden=0", "--vary hidden: '0' is not allowed: a width from 1 to 1,000,000"),
        ("--vary dropout=1", "--vary dropout: '1' is not allowed: a number in [0, 1)"),
        ("--vary hidden=1_6", "--vary hidden: '1_6' is not allowed: a width from 1 to 1,000,000"),
        ("--vary hidden=\u0663", "--vary hidden: '\u0663' is not allowed: a width from 1 to 1,000,000"),
        ("--vary epochs=1 --vary epochs=1", "--vary 'epochs=1': given twice, and each value is allowed once"),
        ("--seeds 1000000000", "Invalid value for '--seeds': "),
        (
            f"--sampler grid --vary hidden={MANY} --vary epochs={MANY}",
            "grid has 160,000 points: at most 100,000 are allowed",
        ),
        ("--sampler random --trials 1000000000", "random has 1,000,000,000 points: at most 100,000 are allowed"),
        ("--sampler bayes", "unknown sampler 'bayes': choose from one-at-a-time, grid, random, tpe"),
        ("--trials 3", "--trials 3: one-at-a-time tries all levels"),
        ("--seeds 0", "Invalid value for '--seeds'"),
        ("--storage sqlite:////no/such/folder/x.db", "storage 'sqlite:////no/such/folder/x.db' cannot be used"),
        ("--storage nonsense", "storage 'nonsense' cannot be used: Could not parse"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    refused: Callable[..., str], tmp_path: Path, arguments: str, message: str
) -> None:
    """The line names the argument and what is allowed; no study is made."""
    assert refused(*arguments.split(), "--out", tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_there_is_not_touched(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --resume, or of another space, it is refused."""
    monkeypatch.setattr("mnist_bench.sweep.workers.work_off", _interrupt)
    with pytest.raises(AssertionError, match="130"):
        refused("--lab", "mlp", "--vary", "epochs=1", "--out", tmp_path)
    before = (tmp_path / "sweep.db").read_bytes()
    assert refused("--lab", "mlp", "--vary", "epochs=1", "--out", tmp_path).endswith(
        "sweep.db exists already: continue with --resume, or choose another folder with --out"
    )
    answer = refused("--lab", "mlp", "--vary", "epochs=2", "--out", tmp_path, "--resume")
    assert "study 'sweep' is of another sweep: space is" in answer
    assert (tmp_path / "sweep.db").read_bytes() == before


def test_a_study_goes_on_where_it_is_named(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder and a database there is nothing to continue, and no new sweep begins."""
    monkeypatch.chdir(tmp_path)
    assert refused("--lab", "mlp", "--vary", "epochs=1", "--resume") == (
        "--resume needs --out: the folder of the run that goes on"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_optuna_is_said_first(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra to install."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refused().endswith("a sweep needs Optuna: pip install 'mnist-bench[sweep]'")


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
