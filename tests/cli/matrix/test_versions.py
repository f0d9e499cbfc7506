"""The commands of the matrix: what they print, leave behind and refuse, and how they end."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.versions.folder import load_version
from mnist_bench.versions.releases import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def run_matrix(command: Callable[..., Any], tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command `matrix`, on the tiny set."""
    stand_in = dataclasses.replace(tiny, name="digits")
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: stand_in)
    return lambda *arguments: command("matrix", *arguments)


def test_add_list_and_run(run_matrix: Callable[..., Any], stub_version: Path, tmp_path: Path) -> None:
    """A version is added, listed as planned, measured, and then lacks nothing."""
    out = tmp_path / "versions"
    assert stub_version.is_dir()
    python = ".".join(map(str, sys.version_info[:2]))  # that of the stub
    wanted = ("--python", python, "--tensorflow", "2.21.0", "--keras", "3.15.1", "--pin", "numpy<3")
    added = run_matrix("add", "mine", *wanted, "--out", out)
    assert added == (0, f"added: {out / 'mine.json'}\n", "")
    few = ("--layers", "install,accuracy", "--labs", "mlp", "--seeds", 1, "--out", out)
    lines = run_matrix("list", *few).out.splitlines()
    assert len(lines) == 1 + len(MATRIX) + 1
    assert lines[-1].split() == ["mine", python, "2.21.0", "3.15.1", "planned", "install,", "accuracy"]
    answer = run_matrix("run", "mine", *few, "--epochs", 2, "--data", "digits")
    assert (answer.status, answer.out) == (0, "mine: measured; mlp not judged: 2 of 20 epochs\n")
    assert "  accuracy: mlp-epoch, seed 1671: 0.9375\n" in answer.err
    assert "tensorflow-cpu==2.21.0 keras==3.15.1 numpy<3" in (stub_version / "uv.log").read_text()
    facts = json.loads(run_matrix("list", *few, "--json").out)
    assert (facts["mine"]["status"], facts["mine"]["missing"]) == (
        "measured",
        {"accuracy": ["mlp-epoch seed 1671"]},  # a try-out is no training of the lab's length
    )
    assert facts["py312-tf219"]["missing"] == {"install": ["environment"], "accuracy": ["mlp-epoch seed 1671"]}


def test_run_measures_an_environment_under_a_new_name(
    run_matrix: Callable[..., Any], stub_version: Path, tmp_path: Path
) -> None:
    """The environment says which versions the name stands for, and nothing is installed in it."""
    few = ("--layers", "import", "--out", tmp_path / "versions", "--data", "digits")
    answer = run_matrix("run", "mine", "--interpreter", stub_version / "python", *few)
    assert (answer.status, answer.out) == (0, "mine: measured; nothing missing\n")
    spec = load_version(tmp_path / "versions" / "mine.json").version
    assert (spec.python, spec.tensorflow, spec.keras) == ("3.11", "2.21.0", "3.15.1")
    assert not (stub_version / "uv.log").exists()


def test_run_goes_on_past_what_fails(run_matrix: Callable[..., Any], stub_version: Path, tmp_path: Path) -> None:
    """Two versions that cannot be installed are recorded as failed, one after the other, and the status is 3."""
    (stub_version / "breaks").write_text("venv")
    out = tmp_path / "versions"
    answer = run_matrix("run", "py310-tf28", "py311-tf215", "--out", out, "--data", "digits")
    assert answer.status == 3
    assert [line.split(":")[0] for line in answer.out.splitlines()] == ["py310-tf28", "py311-tf215"]
    assert load_version(out / "py311-tf215.json").status == "failed"


def test_a_version_by_two_names_is_measured_once(
    run_matrix: Callable[..., Any], stub_version: Path, tmp_path: Path
) -> None:
    """With --again the second time would put aside what the first has measured."""
    assert stub_version.is_dir()
    out = tmp_path / "versions"
    few = ("--layers", "install", "--labs", "mlp", "--out", out, "--data", "digits")
    answer = run_matrix("run", "2.19", "tf219", "py312-tf219", "--again", *few)
    assert (answer.status, answer.out) == (0, "py312-tf219: measured; nothing missing\n")
    assert [path.name for path in out.glob("py312-tf219*")] == ["py312-tf219.json"]


def test_run_goes_on_past_what_is_refused(run_matrix: Callable[..., Any], stub_version: Path, tmp_path: Path) -> None:
    """A record that is damaged stops its own version only, and the status is the worse one."""
    (stub_version / "breaks").write_text("venv")
    out = tmp_path / "versions"
    run_matrix("run", "py310-tf28", "--out", out, "--data", "digits")
    (out / ".work" / "py311-tf215").parent.mkdir(exist_ok=True)
    (out / ".work" / "py311-tf215").write_text("a file in the way")
    answer = run_matrix("run", "py311-tf215", "py310-tf28", "--out", out, "--data", "digits")
    assert answer.status == 3
    assert "mnist-bench: " in answer.err
    assert answer.out.startswith("py310-tf28: failed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "tf27"), "unknown version 'tf27'"),
        (("run", "--layers", "fun"), "--layers 'fun' is not allowed: give names of install, import, checks, probes, "),
        (("run", "py310-tf28", "--labs", "cnn"), "--labs 'cnn' is not allowed: give names of perceptron, mlp, "),
        (("run", "--interpreter", "x"), "--interpreter measures one version: name that version"),
        (("run", "py310-tf28", "--interpreter", "/nothing"), "/nothing: no such interpreter"),
        (("add", "<b>", "--tensorflow", "2.21.0"), "name '<b>' is not allowed"),
        (
            ("add", "mine", "--tensorflow", "2.21.0", "--python", "3.99"),
            "--python '3.99' is not supported: choose from 3.10, 3.11, 3.12, 3.13",
        ),
        (("add", "mine", "--tensorflow", "2.21.0", "--python", "3.1_2"), "--python '3.1_2' is not supported"),
        (("add", "mine", "--tensorflow", "new"), "tensorflow 'new' is not a version"),
        (("add", "py312-tf219", "--tensorflow", "2.19.1"), "'py312-tf219' is the name of a built-in version"),
        (
            ("add", "a", "--tensorflow", "2.19.1", "--pin", "tensorflow==1.0"),
            "'tensorflow==1.0' contradicts tensorflow 2.19",
        ),
        (
            ("list", "--labs", ","),
            "--labs ',' is not allowed: give names of perceptron, mlp, dropout, each once, with ",
        ),
        (("list", "--labs", " mlp"), "--labs ' mlp' is not allowed: give names of perceptron, mlp, dropout, each once"),
        (("run", "--labs", "mlp,mlp"), "--labs 'mlp,mlp' is not allowed: give names of perceptron, mlp, dropout"),
        (("run", "--layers", " , "), "--layers ' , ' is not allowed: give names"),
        (("run", "--layers", "import,import"), "--layers 'import,import' is not allowed"),
        (("run", "--layers", "import,,checks"), "--layers 'import,,checks' is not allowed"),
        (("add", "a", "--tensorflow", "2.19.1", *["--pin", "numpy<2"] * 2), "--pin 'numpy<2': given twice"),
        (("pairs", "--budget", "nan"), "'nan' is no time: seconds, such as 90, or 90s, 10m, 1h"),
        (("pairs", "--budget", "inf"), "'inf' is no time"),
        (("pairs", "--budget", "0"), "'0' is no time"),
        (("add", "mine"), "Missing option '--tensorflow'"),
    ],
)
def test_bad_usage_is_one_line(
    run_matrix: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """The line says what is wrong and what is allowed; nothing is written."""
    check_refused(run_matrix(*arguments, "--out", tmp_path / "out"), message)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_of_versions(
    run_matrix: Callable[..., Any], check_refused: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left alone, and nothing is kept among the temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "out").write_text("mine")
    answer = run_matrix("add", "mine", "--tensorflow", "2.19.1", "--out", tmp_path / "out")
    check_refused(answer, "out: is a file, not a folder")
    assert (tmp_path / "out").read_text() == "mine"
    assert list((tmp_path / "temporary").iterdir()) == []
