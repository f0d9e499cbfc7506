"""What a shell completes, and how its completion is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.training.engines import ENGINES
from mnist_bench.training.labs import LABS
from mnist_bench.versions.releases import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("mnist-bench")
START = (
    "from mnist_bench.cli.app import main\n"
    "import json, sys\n"
    "try: main()\n"
    "finally: print(json.dumps(list(sys.modules)), file=sys.stderr)"
)


def run(*words: object, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a home folder of its own."""
    environment = {**os.environ, "HOME": str(home), "SHELL": "/bin/bash", **variables}
    return subprocess.run([*map(str, words)], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def complete(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """A function that returns how bash would complete the last word of a command line."""
    monkeypatch.setenv("_MNIST_BENCH_COMPLETE", "complete_bash")

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        answer = command()
        assert (answer.status, answer.err) == (0, "")
        words: list[str] = answer.out.split()
        return words

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mnist-bench ma", ["matrix"]),
        ("mnist-bench re", []),
        ("mnist-bench baseline ", ["list", "show", "diff", "accept"]),
        ("mnist-bench run --res", ["--resume"]),
        ("mnist-bench check ", list(LABS)),
        ("mnist-bench run mlp --engine ", list(ENGINES)),
        ("mnist-bench lab --data m", ["mnist"]),
        ("mnist-bench env --device ", ["auto", "cpu", "gpu"]),
        ("mnist-bench matrix run --labs mlp,d", ["mlp,dropout"]),
        ("mnist-bench matrix run --layers pr", ["probes"]),
        ("mnist-bench matrix run py311-tf21", [name for name in sorted(MATRIX) if name.startswith("py311-tf21")]),
    ],
)
def test_names_are_completed(complete: Callable[[str], list[str]], line: str, words: list[str]) -> None:
    """Commands, options, labs, engines, data, devices, layers and versions; no former command."""
    assert words or "re" in line
    assert complete(line) == words


def test_a_version_of_ones_own_is_completed(complete: Callable[[str], list[str]], tmp_path: Path) -> None:
    """Its record lies in the folder that the command line names."""
    (tmp_path / "mine.json").write_text("{}")
    assert complete(f"mnist-bench matrix bisect --versions {tmp_path} mi") == ["mine"]
    assert complete(f"mnist-bench matrix run --out {tmp_path} mi") == ["mine"]
    assert complete("mnist-bench matrix run mi") == []


@pytest.mark.parametrize("line", ["mnist-bench ", "mnist-bench run --engine ", "mnist-bench matrix run "])
def test_completion_is_light(line: str, tmp_path: Path) -> None:
    """A person waits for it: nothing that is slow is imported, such as NumPy or the pydantic that typer has."""
    variables = {"_MNIST_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    answer = run(sys.executable, "-c", START, home=tmp_path, **variables)
    assert answer.stdout, answer.stderr
    heavy = {
        "tensorflow",
        "keras",
        "matplotlib",
        "numpy",
        "scipy",
        "sklearn",
        "rich",
        "jinja2",
        "optuna",
        "msgspec",
        "pydantic",
    }
    assert heavy & set(json.loads(answer.stderr.splitlines()[-1])) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_form(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """The names are the same."""
    monkeypatch.setenv("_MNIST_BENCH_COMPLETE", f"complete_{shell}")
    variables = {
        "COMP_WORDS": "mnist-bench run --engine gr",
        "COMP_CWORD": "3",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    for name, value in {**variables, "_TYPER_COMPLETE_ARGS": variables["COMP_WORDS"]}.items():
        monkeypatch.setenv(name, value)
    answer = command()
    assert (answer.status, answer.err) == (0, "")
    assert "graph" in answer.out


def test_bash_completes_what_was_installed(tmp_path: Path) -> None:
    """The script is installed, bash reads it, and completes a name by it."""
    installed = run("bash", "-c", f"{PROGRAM} --install-completion; true", home=tmp_path)
    assert "bash completion installed in" in installed.stdout, installed.stderr
    assert "\x1b" not in installed.stdout
    script = f"source {tmp_path}/.bashrc; COMP_WORDS=(mnist-bench check --engine fu); COMP_CWORD=3;"
    asked = run("bash", "-c", f'{script} _mnist_bench_completion {PROGRAM}; echo "${{COMPREPLY[@]}}"', home=tmp_path)
    assert (asked.stdout, asked.stderr) == ("fused\n", "")
    shown = run("bash", "-c", f"{PROGRAM} --show-completion; true", home=tmp_path)
    assert shown.stdout.strip() in (tmp_path / ".bash_completions" / "mnist-bench.sh").read_text()


@pytest.mark.parametrize("name", [".bashrc", ".zshrc"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(os.mkfifo, "rc: is no regular file, and --install-completion would add a line to it", id="pipe"),
        pytest.param(lambda path: path.write_bytes(b"\xff"), "cannot read byte 0, so nothing is added", id="not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_named(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    make: Callable[[Path], object],
    words: str,
) -> None:
    """Nothing is waited for, and nothing is installed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path / name)
    check_refused(command("--install-completion"), words)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_completion_needs_a_home(
    check_refused: Callable[..., Any], command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty HOME would be the root of all folders."""
    monkeypatch.setenv("HOME", "")
    check_refused(command("--install-completion"), "--install-completion: HOME names no folder")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"_MNIST_BENCH_COMPLETE": "banana_bash"}, "_MNIST_BENCH_COMPLETE='banana_bash' is not allowed: choose from "),
        ({"_MNIST_BENCH_COMPLETE": "complete_tcsh"}, "'complete_tcsh' is not allowed: choose from complete_bash, "),
        ({"_MNIST_BENCH_COMPLETE": "bash"}, "'bash' is not allowed: choose from complete_bash, complete_zsh, "),
        ({"COMP_WORDS": None}, "COMP_WORDS is not set: it has the words of the command line"),
        ({"COMP_CWORD": None}, "COMP_CWORD, the place of the word to complete: '' is no whole number"),
        *(
            ({"COMP_CWORD": text}, f"COMP_CWORD, the place of the word to complete: {text!r} is no whole number")
            for text in ("x", "\u0663", "1_0", " 1", "1.0")
        ),
        (
            {"COMP_CWORD": "-1"},
            "COMP_CWORD, the place of the word to complete: -1 is not allowed: it must be 0 or more",
        ),
    ],
)
def test_what_no_shell_asks_is_bad_input(
    check_refused: Callable[..., Any],
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None],
    message: str,
) -> None:
    """One line and status 2: 1 would mean regressed, and 70 that this program has failed."""
    asked = {"_MNIST_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "mnist-bench ch", "COMP_CWORD": "1"}
    for name, value in {**asked, **variables}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    check_refused(command(), message)


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_an_unknown_shell_is_bad_input(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """The status that typer gives is 1, which here means regressed."""
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("tcsh", "/bin/tcsh"))
    answer = command(option)
    assert answer.status == 2
    assert answer.err.endswith(
        "mnist-bench: there is no completion for this shell: use bash, zsh, fish or PowerShell\n"
    )


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colors_unless_nobody_wants_them(tmp_path: Path, no_color: str) -> None:
    """The line that says what was installed is green."""
    terminal, end = os.openpty()
    environment = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash", "NO_COLOR": no_color}
    subprocess.run(
        ["/bin/bash", "-c", f"{PROGRAM} --install-completion; true"], env=environment, stdout=end, check=True
    )
    os.close(end)
    said = os.read(terminal, 1000)
    os.close(terminal)
    assert b"completion installed" in said
    assert (b"\x1b" in said) == (no_color == "")
