"""`compare` of two environments: what it measures, prints, writes and refuses, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.versions import sources
from mnist_bench.versions.upgrade import sides

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def command(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command in a folder of its own; what is installed in an interpreter's environment is its path."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command("compare", *arguments)


def test_the_bits_alone(command: Callable[..., Any], stub_version: Path) -> None:
    """Both sides are probed, and nothing is trained; the records are kept."""
    python = stub_version / "python"
    options = ("--only", "bits", "--same", "--lab", "mlp", "--data", "digits", "--out", "out")
    answer = command(python, python, *options)
    assert answer.status == 0
    assert answer.out.splitlines()[2].startswith("IDENTICAL    bits/mlp-epoch")
    assert "base: probes: mlp-epoch: 10 stages" in answer.err
    assert sorted(path.name for path in Path("out").glob("*.json")) == ["base.json", "new.json"]


def test_every_form_of_report(command: Callable[..., Any], stub_version: Path) -> None:
    """JSON on the output; JUnit, Markdown and a page in files, which a later call replaces."""
    python = stub_version / "python"
    reports = ("--junit", "a.xml", "--markdown", "a.md", "--html", "a.html")
    options = ("--only", "bits", "--same", "--lab", "mlp", "--data", "digits", "--json", *reports)
    answer = command(python, python, *options)
    facts = json.loads(answer.out)
    assert (answer.status, facts["exit_status"], facts["verdict"]) == (0, 0, "IDENTICAL")
    assert facts["answer"] in Path("a.md").read_text()
    assert facts["answer"] in Path("a.html").read_text()
    assert "bits" in Path("a.xml").read_text()
    assert command(python, python, *options).status == 0
    Path("a.html").write_text("mine")
    refused = command(python, python, *options)
    assert (refused.status, refused.out) == (2, "")
    assert "a.html" in refused.err
    assert Path("a.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["current", "current"], "both sides have the same"),
        (["current", "py312-tf219"], "current is an environment, and the other side a record: measure the environment"),
        (["current", "nowhere"], "nowhere: neither a record, a folder of records, an interpreter nor a version in"),
        (["current", "keras==3.9.0"], "'keras==3.9.0': a requirement list needs TensorFlow, such as"),
        (["current", "current", "--only", "accuracy"], "--only 'accuracy': choose from all, bits, time"),
        (["current", "current", "--margin", "0"], "'0' is not allowed: percentage points above 0 and below 100, such"),
        (["current", "current", "--margin", "abc"], "'abc' is not allowed: percentage points above 0 and below 100"),
        (["current", "current", "--only", "bits", "--margin", "3"], "--margin is for --only all: leave it out"),
        (["current", "current", "--only", "bits", "--budget", "9s"], "--budget is for --only all: leave it out"),
        (["current", "current", "--fault-b", "x"], "--fault-b is for --only time: leave it out"),
        (["current", "current", "--python", "3.12"], "--python is for requirements: each side is an environment"),
        (["current", "current", "--lab", "cnn"], "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        (["current", "current", "--engine", "jit"], "unknown engine 'jit': choose from"),
        (["current", "current", "--budget", "soon"], "'soon' is no time: seconds, such as 90, or 90s, 10m, 1h"),
        (["current", "current", "--in-turn"], "--in-turn is for --only time: leave it out"),
        (["2.18", "2.19", "--budget", "5m"], "--budget is for two environments: leave it out"),
        (["2.18", "2.19", "--versions", "/dev/null"], "/dev/null: is a file, not a folder"),
        (["2.18", "2.19", "--html", "page.html"], "--html is for two environments: leave it out"),
        (["2.18", "2.19", "--lab", "mlp"], "--lab is for two environments: leave it out"),
        (["2.18", "2.19", "--engine", "graph"], "--engine is for two environments: leave it out"),
        (["2.18", "2.19", "--data", "digits"], "--data is for two environments: leave it out"),
        (["current", "current", "--html", "report", "--junit", "report"], "two reports cannot be written to one file"),
        (
            ["current", "current", "--only", "time", "--lab", "mlp", "--lab", "dropout"],
            "--only time measures one lab: leave out all --lab but one of mlp, dropout",
        ),
    ],
)
def test_bad_usage_measures_nothing(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """One line says what is wrong and what is allowed; exit status 2."""
    monkeypatch.setattr("mnist_bench.versions.upgrade.decide.decide", None)
    check_refused(command(*arguments), message)


def test_a_file_is_no_folder_for_records(
    check_refused: Callable[..., Any], command: Callable[..., Any], stub_version: Path
) -> None:
    """It is found before anything is measured, and one line says so."""
    python = stub_version / "python"
    Path("mine").write_text("mine")
    check_refused(command(python, python, "--same", "--out", "mine"), "mine: is a file, not a folder")
    assert Path("mine").read_text() == "mine"


def test_requirements_are_installed_by_uv(
    command: Callable[..., Any], stub_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uv resolves each list first, and makes an environment of what it found; without uv, one line says so."""
    seen: list[tuple[str | Path, ...]] = []

    def enter(named: tuple[str | Path, ...], **_: Any) -> None:
        seen.append(tuple(named))
        raise ValueError("enough")

    monkeypatch.setattr(sides, "enter_sides", enter)
    assert command("tensorflow-cpu==2.19.1 keras==3.9.0", "nightly").err == "mnist-bench: enough\n"
    assert command(stub_version / "python", "current").err == "mnist-bench: enough\n"
    assert seen == [("tensorflow-cpu==2.19.1 keras==3.9.0", "nightly"), (stub_version / "python", "current")]


def test_an_environments_folder_stands_for_its_interpreter(stub_version: Path) -> None:
    """A record is no interpreter."""
    environment = Path(sys.prefix)
    assert sources.find_interpreter(str(environment), stub_version) == environment / "bin" / "python"
    assert sources.find_interpreter(str(stub_version / "record.json"), stub_version) is None
