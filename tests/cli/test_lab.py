"""The command `lab`: what it prints where, what it leaves behind, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.records import retrain
from mnist_bench.checks.sheet import walk
from mnist_bench.checks.sheet.facts import MNIST_ONLY, Fact
from mnist_bench.records.serial import decode_json
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.fusion import EpochFigures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.engines import OnEpoch


pytestmark = pytest.mark.usefixtures("short_labs")


@pytest.fixture
def accuracy() -> dict[str, float]:
    """The test accuracy that each stubbed training gives."""
    return {"perceptron": 0.9251, "mlp": 0.9752, "dropout": 0.9753}


@pytest.fixture
def dataset(tiny: Dataset) -> Dataset:
    """The tiny set, repeated until it is as large as the lab's, under the stand-in's name."""
    sizes = {"x_train": 60_000, "y_train": 60_000, "x_test": 10_000, "y_test": 10_000}
    arrays = {
        name: np.resize(getattr(tiny, name), (size, *getattr(tiny, name).shape[1:])) for name, size in sizes.items()
    }
    arrays["x_train"][0, 0, 0] = 255  # as in the lab's data there is full ink somewhere
    return Dataset(name="digits", origin="a test", digest=tiny.digest, **arrays)


@pytest.fixture
def command(
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    dataset: Dataset,
    record: TrainingRecord,
    accuracy: dict[str, float],
) -> Callable[..., Any]:
    """The command `lab` in an empty folder, with trainings that take no time."""

    def train(config: TrainingConfig, *, on_epoch: OnEpoch | None, **_: object) -> TrainingRecord:
        for epoch in range(2):
            figures = {name: getattr(record.history, name)[epoch] for name in record.history.__dataclass_fields__}
            if on_epoch:
                on_epoch(epoch, EpochFigures(**figures, cpu_seconds=0.5))
        fields = {**vars(config), "epochs": 2}
        return dataclasses.replace(retrain(record, **fields), test_accuracy=accuracy[config.lab])

    monkeypatch.setattr(walk, "train", train)
    monkeypatch.setattr(walk, "_read_environment", lambda _: record.environment)
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: dataset)
    monkeypatch.setattr("mnist_bench.checks.baselines.find_folder", lambda: tmp_path / "none")
    monkeypatch.chdir(tmp_path)

    return lambda *arguments: command("lab", *arguments)


def test_the_lab_is_walked(command: Callable[..., Any], tmp_path: Path) -> None:
    """Its sections in order, what is not MNIST's marked, records, pictures and a page left behind."""
    answer = command("--fast", "--data", "digits", "--out", "out")
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0] == "Data: digits (the embedded stand-in, not MNIST), from a test."
    headings = [above for above, line in pairwise(lines) if line and set(line) == {"-"}]
    assert [heading.split("  ")[0] for heading in headings] == list("123456")
    assert "Training data input shape: (60000, 28, 28)  (as the sheet)" in lines
    assert f"Sample input image:  ({MNIST_ONLY})" in lines
    assert lines.count("Total params: 118,282 (462.04 KB)  (as the sheet)") == 2
    assert "epoch 1/2 accuracy 0.7500, loss 1.5000, val_accuracy 0.8125, val_loss 1.2500" in lines
    assert "Test accuracy: 0.9752" in lines
    assert "the sheet accuracy" not in answer.out
    assert lines[-1] == "Records, plots and page: out/index.html"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"index.html", "sample.svg", "mlp-loss.svg", "dropout-epoch-seed1671.json"} <= names
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "Compared with the lab sheet" in page
    assert "Not MNIST." in page


def test_a_section_that_is_asked_for_is_all_that_is_shown(command: Callable[..., Any], tmp_path: Path) -> None:
    """A section that trains nothing leaves no folder, and a page is only where there is something to show."""
    answer = command("--section", 4)
    assert answer.status == 0
    assert [line for line in answer.out.splitlines() if re.match(r"\d  ", line)] == ["4  Dropout: the network"]
    assert list(tmp_path.iterdir()) == []


def test_json_is_all_that_stdout_has(command: Callable[..., Any]) -> None:
    """With --json standard output is one list of facts, each with the sheet's, and nothing else."""
    answer = command("--section", 6, "--json", "--out", "out", "--data", "digits")
    facts = decode_json(answer.out, list[Fact], origin="stdout")
    assert [fact.name for fact in facts] == ["Test score/loss", "Test accuracy", "History keys"]
    assert json.loads(answer.out)[2]["sheet"] == "accuracy, loss, val_accuracy, val_loss"
    assert "Seed: 1671" in answer.err


def test_an_accuracy_below_the_threshold_is_exit_1(command: Callable[..., Any], accuracy: dict[str, float]) -> None:
    """The lab's own bound holds here, too."""
    accuracy["mlp"] = 0.9699
    assert command("--section", 2, "--out", "one").status == 0
    assert command("--section", 3, "--out", "two").status == 1


def test_a_fact_that_differs_is_exit_1(
    command: Callable[..., Any], tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data of another shape is not the lab's, and the line says so."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    answer = command("--section", 1)
    assert answer.status == 1
    assert "Test data output shape: (100,)  (the sheet: (10000,))  DIFFERS" in answer.out.splitlines()


def test_a_walk_goes_on_after_a_break(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, record: TrainingRecord
) -> None:
    """Records are never overwritten; with --resume they are taken, and the walk is told as before."""
    first = command("--section", 3, "--out", "out")
    refused = command("--section", 3, "--out", "out")
    assert refused.status == 2
    assert refused.err.splitlines()[-1] == (
        "mnist-bench: out/mlp-eager-seed1671.json exists already: "
        "continue with --resume, or name another folder with --out"
    )
    monkeypatch.setattr(walk, "_read_environment", lambda _: record.environment)
    resumed = command("--section", 3, "--out", "out", "--resume")
    assert resumed.status == 0
    assert resumed.out == first.out


def test_the_notebook_is_written(command: Callable[..., Any], tmp_path: Path) -> None:
    """The notebook has its seed; an existing file stays."""
    pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")
    assert command("--notebook", "lab.ipynb", "--seed", 5) == (0, "Notebook: lab.ipynb\n", "")
    assert "SEED = 5" in (tmp_path / "lab.ipynb").read_text(encoding="utf-8")
    again = command("--notebook", "lab.ipynb")
    assert again == (2, "", "mnist-bench: lab.ipynb exists already: choose another name\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--section 7", "Invalid value for '--section': 7 is not allowed: it must be from 1 to 6"),
        ("--section two", "Invalid value for '--section': 'two' is no whole number: it must be from 1 to 6"),
        ("--section \u0663", "Invalid value for '--section': '\u0663' is no whole number: it must be from 1 to 6"),
        ("--section 1.0", "Invalid value for '--section': '1.0' is no whole number: it must be from 1 to 6"),
        ("--section 4 --section 4", "--section '4': given twice, and each value is allowed once"),
        ("--section 2 --seed -1", "seed -1 is not allowed: it must be in 0 to 4294967295"),
        ("--notebook lab.ipynb --fast", "--notebook trains nothing: of the other options only --seed is allowed"),
        ("--notebook lab.ipynb --section 1", "--notebook trains nothing: of the other options only --seed is allowed"),
        ("--notebook lab.ipynb --data auto", "--notebook trains nothing: of the other options only --seed is allowed"),
        ("--section 2 --out /dev/null", "/dev/null: is a file, not a folder"),
        ("--notebook lab.py", "notebook 'lab.py': its name must end in .ipynb"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    command: Callable[..., Any], tmp_path: Path, arguments: str, message: str
) -> None:
    """Whatever is wrong, the last line on standard error says it, and nothing is trained or written."""
    answer = command(*arguments.split())
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(f"mnist-bench: {message}")
    assert list(tmp_path.iterdir()) == []
