"""The lab's notebook: clean, whole, the same every time, and it runs from the first cell to the last."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.show import notebook
from mnist_bench.show.notebook import PARAMETERS, make_notebook, write_notebook
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset

nbformat = pytest.importorskip("nbformat", reason="the extra `notebook` is not installed")


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """The notebook, as it is read back from its file."""
    path = tmp_path / "lab.ipynb"
    write_notebook(path, seed=7)
    return nbformat.read(path, as_version=4)


def find_parameters(written: Any) -> Any:
    """Return the cell of parameters."""
    (cell,) = [cell for cell in written.cells if PARAMETERS in cell.metadata.get("tags", [])]
    return cell


def test_the_notebook_is_clean(written: Any) -> None:
    """The notebook is valid, without outputs and counts, text and code in turn, and nothing of this project."""
    nbformat.validate(written)
    kinds = [cell.cell_type for cell in written.cells]
    assert kinds[0] == "markdown"
    assert {"markdown", "code"} == set(kinds)
    for cell in written.cells:
        assert "mnist_bench" not in cell.source
        assert "```" not in cell.source
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            ast.parse(cell.source)


def test_the_notebook_is_the_lab(written: Any) -> None:
    """The parameters are the lab's, the seed is the given one, and the headings count to 6."""
    values = {
        node.targets[0].id: node.value.value
        for node in ast.parse(find_parameters(written).source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert values == {
        "SEED": 7,
        "BATCH_SIZE": 128,
        "LEARNING_RATE": 0.1,
        "VALIDATION_SPLIT": 0.2,
        "HIDDEN": LABS["mlp"].hidden[0],
        "DROPOUT": LABS["dropout"].dropout,
        "EPOCHS_PERCEPTRON": LABS["perceptron"].epochs,
        "EPOCHS_MLP": LABS["mlp"].epochs,
        "IMAGES": None,
        "RUN_EAGERLY": False,
    }
    text = "\n".join(cell.source for cell in written.cells if cell.cell_type == "markdown")
    assert [int(number) for number in re.findall(r"^## .*?(\d) [A-Z]", text, re.MULTILINE)] == [1, 2, 3, 5, 6]


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Nothing in the file is drawn at random."""
    for name in ("one.ipynb", "two.ipynb"):
        write_notebook(tmp_path / name, seed=1671)
    assert (tmp_path / "one.ipynb").read_bytes() == (tmp_path / "two.ipynb").read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An existing file stays as it is."""
    path = tmp_path / "mine.ipynb"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"mine.ipynb exists already: choose another name"):
        write_notebook(path, seed=1)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "seed", "message"),
    [("lab.py", 1, "'.*lab.py': its name must end in .ipynb"), ("lab.ipynb", -1, "seed -1 is not allowed")],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, name: str, seed: int, message: str) -> None:
    """Another file ending is refused, and so is a seed that NumPy does not take."""
    with pytest.raises(ValueError, match=message):
        write_notebook(tmp_path / name, seed=seed)
    assert list(tmp_path.iterdir()) == []


def test_without_nbformat_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install nbformat."""
    monkeypatch.setitem(sys.modules, "nbformat", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mnist-bench\[notebook\]'"):
        make_notebook(seed=1)


def test_a_template_without_its_seed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template without the seed's line is an error: its notebook would train another seed."""
    text = notebook._TEXT.read_text(encoding="utf-8").replace("SEED = 1671", "SEED = int('1671')")
    monkeypatch.setattr(notebook, "_TEXT", tmp_path / "notebook.md")
    (tmp_path / "notebook.md").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError):
        make_notebook(seed=7)


@pytest.mark.slow
def test_the_notebook_runs(written: Any, tiny: Dataset, tmp_path: Path) -> None:
    """The cells run in order without the network, and print the lab's parameters and test figures."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
    pytest.importorskip("ipykernel", reason="the extra `notebook` is not installed")
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "tiny.npz", **{name: getattr(tiny, name) for name in names})
    changed = "EPOCHS_PERCEPTRON = EPOCHS_MLP = 1\nIMAGES = 600\nDATA = 'tiny.npz'"
    place = written.cells.index(find_parameters(written)) + 1
    written.cells.insert(place, nbformat.v4.new_code_cell(changed))
    nbclient.NotebookClient(written, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in written.cells if cell.cell_type == "code" for output in cell.outputs]
    # A summary comes as text or as HTML, with the Keras that there is.
    text = "\n".join(output.get("text") or output.data.get("text/html") or "" for output in outputs)
    text = re.sub("<[^>]+>", "", text)
    assert "Training data input shape: (600, 28, 28)" in text
    assert "Input data ready" in text
    # Keras 2 writes 7850, Keras 3 7,850.
    totals = [total.replace(",", "") for total in re.findall(r"Total params:\D*([\d,]+)", text)]
    assert totals == ["7850", "118282", "118282"]
    assert len(re.findall(r"Test accuracy: 0\.\d{4}", text)) == 3
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4
