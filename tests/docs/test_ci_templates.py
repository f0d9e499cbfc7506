"""The CI files for others: the step calls the command as the command is, and ends as the command ends."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement

from fixtures.commandline import parse
from mnist_bench.versions.upgrade.sides import read_requirements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCS = Path(__file__).parents[2] / "docs"
GITHUB = yaml.safe_load((DOCS / "ci" / "github-actions.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((DOCS / "ci" / "gitlab-ci.yml").read_text(encoding="utf-8"))
GITHUB_STEPS = GITHUB["jobs"]["compare"]["steps"]

GIT = shutil.which("git") or "git"

# Written down what is called; `compare` writes its reports and ends as the file `status` says.
STUB = r"""#!/bin/sh
printf '%s\t' "$(basename "$0")" "$@" >> "$LOG"
echo >> "$LOG"
if [ "$1" = compare ]; then
  mkdir -p comparison
  for word in "$@"; do
    case "$last" in --markdown | --html | --junit) echo "report of $2" >> "$word" ;; esac
    last=$word
  done
  exit "$(cat "$(dirname "$0")/status")"
fi
"""
# As pip-compile and uv write it: comments, hashes and markers, and packages that only begin like those that count.
LOCK = """# locked
absl-py==2.1.0 \\
    --hash=sha256:00
keras=={keras} \\
    --hash=sha256:01
numpy==2.1.3
tensorflow-cpu=={tensorflow} ; python_version >= "3.10" \\
    --hash=sha256:02
tensorflow-io==0.37.1
"""
BASE = "keras==3.9.0 numpy==2.1.3 tensorflow-cpu==2.19.1"
NEW = "keras==3.11.2 numpy==2.1.3 tensorflow-cpu==2.20.0"


class Ran(NamedTuple):
    """What the steps of a job left: their exit statuses, their calls and their output."""

    statuses: list[int]
    calls: list[list[str]]
    out: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository whose main branch pins one TensorFlow, with another one proposed; `bin` has the stubs."""
    (tmp_path / "bin").mkdir()
    for name in ("python", "mnist-bench"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "bin" / "status").write_text("0")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "remote", "add", "origin", str(tmp_path))
    commit(tmp_path, LOCK.format(keras="3.9.0", tensorflow="2.19.1"))
    git(tmp_path, "checkout", "--quiet", "-b", "upgrade")
    commit(tmp_path, LOCK.format(keras="3.11.2", tensorflow="2.20.0"))
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run([GIT, *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, lock: str) -> None:
    """Commit these requirements."""
    (folder / "requirements.txt").write_text(lock)
    git(folder, "add", "requirements.txt")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "pins")


def run_steps(folder: Path, steps: Iterable[str], variables: Mapping[str, str]) -> Ran:
    """Run scripts as a runner does, each in a shell of its own that stops at the first failure."""
    log = folder / "log"
    log.write_text("")
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {"PATH": path, "LOG": str(log), **variables}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
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


def run_github(folder: Path, *, proposed: bool = True) -> Ran:
    """Run the steps of the GitHub workflow."""
    values = {"github.event_name": "pull_request" if proposed else "workflow_dispatch"}
    variables = dict(GITHUB["env"])
    for step in GITHUB_STEPS:
        variables |= step.get("env", {})
    filled = {name: fill(value, values) for name, value in variables.items()}
    steps = [step["run"] for step in GITHUB_STEPS if "run" in step]
    return run_steps(folder, steps, {**filled, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")})


def run_gitlab(folder: Path, *, proposed: bool = True) -> Ran:
    """Run the script of the GitLab pipeline."""
    event = {"CI_PIPELINE_SOURCE": "merge_request_event" if proposed else "schedule"}
    target = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"} if proposed else {}
    variables = {**GITLAB["variables"], **event, **target, "CI_PROJECT_DIR": str(folder)}
    return run_steps(folder, ["\n".join(GITLAB["compare"]["script"])], variables)


both = pytest.mark.parametrize("run", [run_github, run_gitlab], ids=["github", "gitlab"])


def find_compared(ran: Ran) -> list[list[str]]:
    """Check that the real command can read all its calls; return their words."""
    calls = [words for program, *words in ran.calls if program == "mnist-bench"]
    for words in calls:
        parse(words)
    return calls


@both
def test_the_locked_pins_are_compared_with_the_proposed(folder: Path, run: Any) -> None:
    """The job installs this package and uv, and nothing to be measured; the pins are lists that `compare` reads."""
    ran = run(folder)
    assert set(ran.statuses) == {0}, ran.out
    assert ran.calls[0][:5] == ["python", "-m", "pip", "install", "uv"]
    (requirement,) = map(Requirement, ran.calls[0][5:])
    assert (requirement.name, str(requirement.url)[:12]) == ("mnist-bench", "git+https://")
    ((*words,),) = find_compared(ran)
    assert words[:7] == ["compare", BASE, NEW, "--data", "mnist", "--budget", "30m"]
    assert read_requirements(words[1])
    assert read_requirements(words[2])


@both
def test_what_is_used_is_compared_with_the_nightly_builds(folder: Path, run: Any) -> None:
    """By hand, or on a schedule: the pins of the branch that runs."""
    ran = run(folder, proposed=False)
    assert set(ran.statuses) == {0}, ran.out
    assert find_compared(ran)[0][:3] == ["compare", NEW, "nightly"]


@both
@pytest.mark.parametrize("status", [0, 1, 2, 3, 70])
def test_the_status_is_that_of_compare(folder: Path, run: Any, status: int) -> None:
    """Whatever it says; the reports are there where something is to be read."""
    (folder / "bin" / "status").write_text(str(status))
    ran = run(folder)
    assert ran.statuses[-1] == status
    written = {path.name for path in (folder / "comparison").iterdir()}
    assert {"page.html", "junit.xml"} <= written


def test_the_reports_are_where_the_servers_look(folder: Path) -> None:
    """The summary has the Markdown, the artifacts have page and JUnit, also of a job that failed."""
    run_github(folder)
    assert (folder / "summary.md").read_text() == f"report of {BASE}\n"
    upload = next(step for step in GITHUB_STEPS if "upload-artifact" in step.get("uses", ""))
    assert (upload["if"], upload["with"]["path"]) == ("${{ !cancelled() }}", "comparison")
    run_gitlab(folder)
    artifacts = GITLAB["compare"]["artifacts"]
    assert (artifacts["when"], artifacts["paths"]) == ("always", ["comparison/"])
    assert (folder / artifacts["reports"]["junit"]).is_file()
    assert (folder / "comparison" / "summary.md").is_file()


@both
def test_the_same_pins_are_nothing_to_compare(folder: Path, run: Any) -> None:
    """A change of another package is no upgrade of TensorFlow: green, and nothing is measured."""
    git(folder, "checkout", "--quiet", "main")
    git(folder, "checkout", "--quiet", "-b", "other")
    commit(folder, LOCK.format(keras="3.9.0", tensorflow="2.19.1").replace("2.1.0", "2.2.0"))
    ran = run(folder)
    assert set(ran.statuses) == {0}, ran.out
    assert f"nothing to compare: the pins are still {BASE}" in ran.out
    assert not find_compared(ran)


@both
@pytest.mark.parametrize("proposed", [True, False], ids=["proposed", "nightly"])
def test_no_pins_are_bad_input(folder: Path, run: Any, *, proposed: bool) -> None:
    """Without pins there is no comparison, and the status is not 1, which says that something is worse."""
    commit(folder, "tensorflow>=2.15\n")
    ran = run(folder, proposed=proposed)
    assert ran.statuses[-1] == 2
    assert "requirements.txt pins none of tensorflow|" in ran.out
    assert not find_compared(ran)


@both
@pytest.mark.parametrize("gone_from", ["main", "upgrade"])
def test_a_lock_file_that_is_not_there_is_bad_input(folder: Path, run: Any, gone_from: str) -> None:
    """Without such a file nothing is known of what is used now, or of what is proposed."""
    if gone_from == "main":
        git(folder, "checkout", "--quiet", "main")
        git(folder, "rm", "--quiet", "requirements.txt")
        git(folder, "commit", "--quiet", "--message", "no pins")
        git(folder, "checkout", "--quiet", "-b", "new")
        commit(folder, LOCK.format(keras="3.11.2", tensorflow="2.20.0"))
    else:
        (folder / "requirements.txt").unlink()
    assert run(folder).statuses[-1] == 2
