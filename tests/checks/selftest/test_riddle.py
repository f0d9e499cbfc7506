"""The riddles of a class: each has an answer, and the notebook that asks them runs."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.faults.registry import FAULTS, parse_fault
from mnist_bench.checks.selftest import riddle
from mnist_bench.checks.selftest.riddle import draw_riddle, format_answer, train_with
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.show.notebook import CLASS, PARAMETERS, make_notebook
from tests.checks.selftest.test_selftest import make

if TYPE_CHECKING:
    from pathlib import Path

nbformat = pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")


def test_each_number_is_a_riddle_with_an_answer() -> None:
    """The same number is the same fault, many numbers are many faults, and the fast checks should see each."""
    drawn = [draw_riddle(number) for number in range(200)]
    assert drawn == [draw_riddle(number) for number in range(200)]
    assert len({text.partition(":")[0] for text in drawn}) > 40
    assert all(not parse_fault(text)[0].unseen and "graph" in parse_fault(text)[0].engines for text in drawn)


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        ("arithmetic/oracle", "Your guess, arithmetic/oracle, is right."),
        ("contract/new-order", "Your guess, contract/new-order, is wrong."),
    ],
)
def test_the_answer_judges_the_guess(guess: str, said: str) -> None:
    """The answer names the fault, the check and the cause."""
    lines = format_answer(make("step-longer", 1.05), guess).splitlines()
    assert lines == [
        said,
        f"Planted was step-longer: {FAULTS['step-longer'].imitates}, at strength 1.05.",
        "Seen first by arithmetic/oracle, after 1.5 s.",
        "The likeliest cause that was named: each update is 1.05 times.",
    ]


def test_a_guess_that_is_no_check_is_refused() -> None:
    """The message lists the checks."""
    with pytest.raises(ValueError, match="'oracle' is no check: choose from structure/layers, "):
        format_answer(make("momentum", 0.1), "oracle")


def test_a_training_has_the_bug_and_this_process_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is set while the other process starts, and never stays."""
    seen: list[str | None] = []

    def train_all(configs: Any, **_: object) -> Any:
        seen.append(os.environ.get(FAULT_VARIABLE))
        assert configs[0].lab == "mlp"
        yield "lost"

    monkeypatch.setattr(riddle, "train_all", train_all)
    for fault in ("step-longer:2", ""):
        with pytest.raises(RuntimeError, match="the training did not finish: lost"):
            train_with(fault)
    assert seen == ["step-longer:2", None]
    assert FAULT_VARIABLE not in os.environ


@pytest.mark.slow
def test_the_notebook_asks_and_answers(tmp_path: Path) -> None:
    """The cells run in order: a training with and without the bug, a guess, and the answer."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
    pytest.importorskip("ipykernel", reason="the extra `notebook` is not installed")
    notebook = make_notebook(seed=1671, source=CLASS)
    nbformat.validate(notebook)
    (place,) = [at for at, cell in enumerate(notebook.cells) if PARAMETERS in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("riddle = 'step-longer:2'\nEPOCHS = 1"))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "\n".join(output.get("text", "") for output in outputs)
    assert "same initial weights: True" in text
    assert "same final weights:   False" in text
    assert "Your guess, arithmetic/oracle, is right." in text
    assert "Planted was step-longer: the learning rate is too large, at strength 2." in text
