"""The CI files for others: every step calls the command as the command is, and ends as it should."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement

from fixtures.commandline import parse
from mnist_bench.versions.matrix import add_version
from mnist_bench.versions.releases import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCS = Path(__file__).parents[2] / "docs"
GITHUB = yaml.safe_load((DOCS / "ci" / "github-actions.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((DOCS / "ci" / "gitlab-ci.yml").read_text(encoding="utf-8"))

# Written down what is called, and left what a later step reads; `compare` ends as the file of that name says.
STUB = r"""#!/bin/sh
printf '%s\t' "$(basename "$0")" "$@" >> "$LOG"
echo >> "$LOG"
here=$(dirname "$0")
case "$(basename "$0") $1 $2" in
  "python -c "*) echo 2.21.0 ;;
  "mnist-bench matrix add") mkdir -p records && echo "{}" > "records/$3.json" ;;
  "mnist-bench check "*) exit "$(cat "$here/check")" ;;
  "mnist-bench compare "*) echo "| table of $3 |" > "${7:?}"; exit "$(cat "$here/$3")" ;;
esac
"""


class Ran(NamedTuple):
    """What the steps of a job left: their exit statuses, their calls and their output."""

    statuses: list[int]
    calls: list[list[str]]
    out: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which the steps run; `bin` has the stubs, with which every check passes."""
    (tmp_path / "bin").mkdir()
    for name in ("python", "mnist-bench"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("check", "next", "newest"):
        (tmp_path / "bin" / name).write_text("0")
    return tmp_path


def run_steps(folder: Path, steps: Iterable[str], variables: Mapping[str, str]) -> Ran:
    """Run scripts as a runner does, each in a shell of its own that stops at the first failure."""
    log = folder / "log"
    log.write_text("")
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {"PATH": path, "LOG": str(log), **variables}
    shell = ["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c"]
    done = [
        subprocess.run([*shell, step], env=environment, cwd=folder, capture_output=True, text=True, check=False)
        for step in steps
    ]
    calls = [line.removesuffix("\t").split("\t") for line in log.read_text().splitlines()]
    return Ran(
        [process.returncode for process in done], calls, "".join(process.stdout + process.stderr for process in done)
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the expressions of GitHub Actions filled in; an unknown expression is an error."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)


def run_github(folder: Path, job: str, *, measured: str = "success") -> Ran:
    """Run the steps of a job of the GitHub workflow, with the first line of the matrix."""
    first = GITHUB["jobs"]["measure"]["strategy"]["matrix"]["include"][0]
    values = {**{f"matrix.{name}": value for name, value in first.items()}, "needs.measure.result": measured}
    steps = [step for step in GITHUB["jobs"][job]["steps"] if "run" in step]
    variables = {**GITHUB["env"], **GITHUB["jobs"][job].get("env", {})}
    for step in steps:
        variables |= step.get("env", {})
    filled = {name: fill(value, values) for name, value in variables.items()}
    return run_steps(
        folder, [step["run"] for step in steps], {**filled, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    )


def run_gitlab(folder: Path, job: str) -> Ran:
    """Run the script of a job of the GitLab pipeline, with the first line of the matrix."""
    first = GITLAB["measure"]["parallel"]["matrix"][0] if job == "measure" else {}
    variables = {**GITLAB["variables"], **first, "CI_PROJECT_DIR": str(folder)}
    return run_steps(folder, ["\n".join(GITLAB[job]["script"])], variables)


def measure_all(folder: Path) -> None:
    """Leave a record of each version."""
    (folder / "records").mkdir()
    for name in ("base", "newest", "next"):
        (folder / "records" / f"{name}.json").write_text("{}")


def check_calls(ran: Ran) -> list[list[str]]:
    """Check that the real command can read all calls; return the calls."""
    calls = [words for program, *words in ran.calls if program == "mnist-bench"]
    for words in calls:
        parse(words)
    return calls


@pytest.mark.parametrize("run", [run_github, run_gitlab], ids=["github", "gitlab"])
def test_a_version_is_measured(folder: Path, run: Any) -> None:
    """The job installs, checks, adds its version by what is installed, and measures it in its own interpreter."""
    ran = run(folder, "measure")
    assert set(ran.statuses) == {0}, ran.out
    assert ran.calls[0][:4] == ["python", "-m", "pip", "install"]
    requirement, *others = map(Requirement, ran.calls[0][4:])
    assert (requirement.name, str(requirement.url)[:12]) == ("mnist-bench", "git+https://")
    assert list(map(str, others)) == ["tensorflow-cpu==2.19.1", "keras==3.9.0"]
    check, add, measure = check_calls(ran)
    assert check[:6] == ["check", "--fast", "--engine", "graph", "--data", "mnist"]
    versions = ["--tensorflow", "2.21.0", "--keras", "2.21.0", "--python", "3.12"]
    assert add == ["matrix", "add", "base", *versions, "--out", "records"]
    options = ["--interpreter", str(folder / "bin" / "python"), "--data", "mnist", "--out", "records"]
    assert measure == ["matrix", "run", "base", *options, "--seeds", "15", "--jobs", "2"]


def test_a_check_that_fails_does_not_stop_the_measuring(folder: Path) -> None:
    """The job fails, but leaves a record to compare."""
    (folder / "bin" / "check").write_text("1")
    github = run_github(folder, "measure")
    assert github.statuses == [0, 1, 0]
    gitlab = run_gitlab(folder, "measure")
    assert gitlab.statuses == [1]
    for ran in (github, gitlab):
        assert [words[0] for words in check_calls(ran)] == ["check", "matrix", "matrix"]
    measure = next(step for step in GITHUB["jobs"]["measure"]["steps"] if step.get("name") == "Measure")
    assert measure["if"] == "${{ !cancelled() }}"


@pytest.mark.parametrize("run", [run_github, run_gitlab], ids=["github", "gitlab"])
def test_each_version_is_compared_with_the_base(folder: Path, run: Any) -> None:
    """All is well: status 0, a table for each version in the summary, the page and the figures."""
    measure_all(folder)
    ran = run(folder, "report")
    assert set(ran.statuses) == {0}, ran.out
    calls = check_calls(ran)
    assert [words[1:3] for words in calls if words[0] == "compare"] == [["base", "newest"], ["base", "next"]]
    others = [words[:3] for words in calls if words[0] != "compare"]
    assert others == [["matrix", "report", "records"], ["matrix", "export", "records"]]
    summary = (folder / "summary.md").read_text()
    assert "### next compared with base: nothing is worse (exit status 0)\n\n| table of next |\n" in summary
    assert summary.count("| table of ") == 2


@pytest.mark.parametrize("run", [run_github, run_gitlab], ids=["github", "gitlab"])
@pytest.mark.parametrize(
    ("newest", "following", "status", "said"),
    [
        (0, 1, 1, "next compared with base: REGRESSED (exit status 1)"),
        (1, 0, 1, "newest compared with base: REGRESSED (exit status 1)"),
        (3, 0, 3, "newest compared with base: INCONCLUSIVE: not all was measured"),
        (3, 1, 1, "next compared with base: REGRESSED"),
        (1, 3, 1, "newest compared with base: REGRESSED"),
        (0, 4, 4, "next compared with base: NO BASELINE (exit status 4)"),
        (0, 2, 2, "next compared with base: cannot be compared: see the log (exit status 2)"),
        (70, 0, 70, "newest compared with base: cannot be compared: see the log (exit status 70)"),
    ],
)
def test_the_worst_comparison_is_the_status(
    folder: Path, run: Any, newest: int, following: int, status: int, said: str
) -> None:
    """The worst status of all comparisons is the job's; a regression outranks the others."""
    measure_all(folder)
    (folder / "bin" / "newest").write_text(str(newest))
    (folder / "bin" / "next").write_text(str(following))
    ran = run(folder, "report")
    assert ran.statuses[-1] == status
    assert said in ran.out
    assert f"### {said}" in (folder / "summary.md").read_text()


@pytest.mark.parametrize("run", [run_github, run_gitlab], ids=["github", "gitlab"])
def test_nothing_to_compare_is_inconclusive(folder: Path, run: Any) -> None:
    """A base alone is never green."""
    (folder / "records").mkdir()
    (folder / "records" / "base.json").write_text("{}")
    ran = run(folder, "report")
    assert ran.statuses[-1] == 3
    assert "INCONCLUSIVE" in ran.out


def test_a_version_without_a_record_is_not_forgotten(folder: Path) -> None:
    """On GitHub the report says so itself: a branch's protection may require the report alone."""
    measure_all(folder)
    assert run_github(folder, "report", measured="failure").statuses[-1] == 3
    (folder / "bin" / "next").write_text("1")
    assert run_github(folder, "report", measured="failure").statuses[-1] == 1


@pytest.mark.parametrize(
    ("file", "base"),
    [("github-actions.yml", GITHUB["env"]["BASE"]), ("gitlab-ci.yml", GITLAB["variables"]["BASE"])],
)
def test_the_names_can_be_added(tmp_path: Path, file: str, base: str) -> None:
    """The names of the matrix, the nightly one in comments included, can be given to `matrix add`."""
    text = (DOCS / "ci" / file).read_text(encoding="utf-8")
    names = re.findall(r"- { (?:name|NAME): ([^,]+), ", text)
    assert names == [base, "next", "newest", "nightly"]
    for name in names:
        spec = VersionSpec(name=name, python="3.12", tensorflow="2.22.0-dev20260101", keras="3.14.0", pins=[])
        assert add_version(spec, tmp_path).is_file()
