"""What several commands do: the lines that they print on standard error, and the folders that they choose."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.cli.matrix.export import make_mark
from mnist_bench.cli.shell import (
    check_reports,
    default_folder,
    existing_folder,
    find_versions,
    held,
    make_setup,
    say,
    write_report,
)
from mnist_bench.records.files import check_folder, remove_empty_folders
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.show.text import JUNIT_MARK, MARKDOWN_MARK, format_junit, format_markdown
from mnist_bench.versions.comparison import Compared, format_compared_markdown
from mnist_bench.versions.report.export import Metric, format_bencher, format_github_action_benchmark

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.data.dataset import Dataset


def test_a_message_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The line begins with the command's name, however many lines the message had."""
    say("out of\n  luck")
    assert capsys.readouterr() == ("", "mnist-bench: out of luck\n")


def test_a_long_message_is_cut_in_its_middle(capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote a file or an argument of any length; where and what to do stand at its ends."""
    say(f"name {'x' * 5000!r} is not allowed: choose another")
    line = capsys.readouterr().err
    assert line.startswith("mnist-bench: name 'xxx")
    assert line.endswith("x' is not allowed: choose another\n")
    assert len(line) < 1300


def test_a_folder_that_is_given_must_exist(tmp_path: Path) -> None:
    """Without a folder there is nothing to check."""
    assert existing_folder(None) is None
    assert existing_folder(tmp_path) == tmp_path
    with pytest.raises(ValueError, match="none: no such folder"):
        existing_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file, not a folder: '.*file'"):
        existing_folder(tmp_path / "file")


@pytest.mark.parametrize(
    ("target", "message"), [("a", "Too many levels of symbolic links"), ("nowhere", "is a link to nowhere, where the")]
)
def test_a_link_that_leads_to_no_folder_is_refused(tmp_path: Path, target: str, message: str) -> None:
    """It is not taken for an empty folder, nor for one that is not there; without anything, a folder may be made."""
    (tmp_path / "a").symlink_to(target)
    for find in (existing_folder, find_versions):
        with pytest.raises(OSError, match=message):
            find(tmp_path / "a")
    assert find_versions(tmp_path / "none") == tmp_path / "none"


def test_a_folder_that_is_held_is_refused_to_another_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is named in another way, and not after the first command; a cache that is read-only is no error."""
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    (tmp_path / "link").symlink_to(out)
    with held(out), held(tmp_path / "other"), held(None), held(None):
        for name in (out, tmp_path / "link"):
            with pytest.raises(ValueError, match="another command is at work there: wait"), held(name):
                raise AssertionError
    with held(out):
        pass
    (tmp_path / "file").touch()
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "file"))
    with held(out):
        pass


@pytest.mark.parametrize(
    "arguments",
    ["run perceptron --resume", "check perceptron", "lab --section 1", "sweep --lab perceptron --vary epochs=1,2"],
)
def test_two_commands_do_not_write_one_folder(
    command: Callable[..., Any],
    tmp_path: Path,
    tiny: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
) -> None:
    """The second is refused before it trains anything, and what the first has written stays."""
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    out = tmp_path / "out"
    with held(out):
        answer = command(*arguments.split(), "--data", "digits", "--out", out)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.endswith("/out: another command is at work there: wait, or name another folder with --out\n")
    assert not [*out.glob("*")]


def test_no_two_runs_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results go into a new folder named by the time, also where several runs begin in the same second."""
    monkeypatch.chdir(tmp_path)
    folders = [default_folder() for _ in range(3)]
    assert re.fullmatch(r"results/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(-[23])?", folders[-1].as_posix())
    assert len(set(folders)) == len(list((tmp_path / "results").iterdir())) == 3


@pytest.mark.parametrize("way", ["link", "file"])
def test_results_may_be_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Then there is no place for a new folder, whatever its name: that is said, and nothing is tried again."""
    monkeypatch.chdir(tmp_path)
    place = Path("results")
    place.symlink_to("/nonexistent/x") if way == "link" else place.touch()
    with pytest.raises(NotADirectoryError, match="where there is no folder" if way == "link" else "is a file"):
        default_folder()


def test_a_command_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it made and left empty is removed when it ends; what was there and what has results stays."""
    monkeypatch.chdir(tmp_path)
    default_folder()
    Path("mine").mkdir()
    check_folder(Path("mine"))
    check_folder(Path("mine/new/inner"))
    remove_empty_folders()
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
    (default_folder() / "file").touch()
    remove_empty_folders()
    assert len(list(Path("results").rglob("file"))) == 1


RESULTS = [CheckResult(name="bits/digest[mlp-epoch]", verdict=Verdict.PASS, figure="1", bound="0")]
COMPARED = Compared(results=RESULTS, notes=[])
METRIC = Metric(
    benchmark="a", measure="import-time", value=1.0, low=None, high=None, about="1; TensorFlow 2.9, Keras 2.9"
)
WIDE = dataclasses.replace(METRIC, low=0.5, high=2.0)
REPORTS = {
    "junit": (format_junit(RESULTS), JUNIT_MARK),
    "markdown": (format_markdown(RESULTS), MARKDOWN_MARK),
    "compared": (format_compared_markdown(COMPARED, "Nothing is worse: a | b"), MARKDOWN_MARK),
    "bencher": (format_bencher([METRIC]), make_mark("bencher")),
    "bencher-wide": (format_bencher([WIDE]), make_mark("bencher")),
    "action": (format_github_action_benchmark([METRIC]), make_mark("github-action-benchmark")),
    "action-wide": (format_github_action_benchmark([WIDE]), make_mark("github-action-benchmark")),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_replaces_the_last(tmp_path: Path, name: str) -> None:
    """A job writes its report to the same place each time."""
    report = tmp_path / "new" / "report"
    text, mark = REPORTS[name]
    for content in (text, text + " "):
        check_reports((report, mark), (None, mark))
        write_report(report, content, mark)
    assert report.read_text() == text + " "


FOREIGN = {
    "record": '{"kind": "version"}',
    "page": f"# Ours\n\nA report begins so:\n\n{REPORTS['markdown'][0]}",
    "readme": "# Ours\n\n| environment | answer |\n| 2.13; TensorFlow 2.13 | worse |\n",
    "pytest": '<?xml version="1.0"?><testsuites><testsuite name="pytest"><testsuite name="mnist-bench"/></testsuite>',
    "another tracker": '{"import-time": {"value": 1}, "a": {"import-time": {"value": 1}}}',
    "a list": '[{"name": "a/import-time", "extra": "; TensorFlow 2.9", "value": 1}]',
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("content", [*FOREIGN.values(), *(text for text, _ in REPORTS.values())])
def test_a_report_replaces_nothing_else(tmp_path: Path, name: str, content: str) -> None:
    """A file that is no report, or another report, is refused, before the work and after."""
    report = tmp_path / "report"
    report.write_text(content)
    text, mark = REPORTS[name]
    if mark in [own for other, own in REPORTS.values() if other == content]:
        return  # one of the same kind
    with pytest.raises(FileExistsError, match="report exists already, and was not written by this command"):
        check_reports((None, mark), (report, mark))
    with pytest.raises(FileExistsError, match="left alone"):
        write_report(report, text, mark)
    assert report.read_text() == content


@pytest.mark.parametrize("other", ["report", "folder/../report"])
def test_two_reports_in_one_file_are_refused(tmp_path: Path, other: str) -> None:
    """A device takes both."""
    with pytest.raises(ValueError, match="two reports cannot be written to one file"):
        check_reports((tmp_path / "report", "<title>"), (tmp_path / other, MARKDOWN_MARK))
    check_reports((Path("/dev/null"), JUNIT_MARK), (Path("/dev/null"), MARKDOWN_MARK))


@pytest.mark.parametrize("data", ["~/mnist.npz", "mnist.npz"])
def test_another_process_gets_the_full_path(
    data: str, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` is the home, and a relative path is one from the folder of the command."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mnist_bench.cli.shell.load_data", lambda _: tiny)
    assert make_setup(tmp_path, jobs=1, data=data).source == str(tmp_path / "mnist.npz")
