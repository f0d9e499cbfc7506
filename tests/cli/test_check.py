"""The command `check`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.sides import make_probe
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.own.records import OwnProbe
from mnist_bench.records.serial import load
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset


def test_check_fast_needs_no_baseline(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --fast the checks stop before bits and accuracy; the reports have their results."""
    result = CheckResult(name="structure/layers[mlp]", verdict=Verdict.PASS, figure="7", bound="7")
    monkeypatch.setattr("mnist_bench.checks.suite.check_fast_layers", lambda _plan: iter([result]))
    monkeypatch.setattr("mnist_bench.checks.suite.run_suite", lambda *_: pytest.fail("the whole suite ran"))
    reports = ("--junit", tmp_path / "report.xml", "--markdown", tmp_path / "report.md")
    answer = command("check", "mlp", "--fast", "--data", "digits", *reports)
    assert (answer.status, answer.out.splitlines()[-1]) == (0, "PASS: 1 PASS")
    assert '<testsuite name="mnist-bench" tests="1"' in (tmp_path / "report.xml").read_text()
    assert (tmp_path / "report.md").read_text().startswith("**PASS: 1 PASS**")


@pytest.mark.parametrize("form", ["text", "json"])
def test_check_ends_with_the_likeliest_cause(
    form: str, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has regressed has a cause, in the last line or in the JSON; what holds has none."""
    verdicts = {"contract/labels-aligned[epoch]": Verdict.REGRESSED, "structure/layers[mlp]": Verdict.PASS}
    results = [CheckResult(name=name, verdict=it, figure="7", bound="0") for name, it in verdicts.items()]
    monkeypatch.setattr("mnist_bench.checks.suite.check_fast_layers", lambda _plan: iter(results))
    options = ["--json"] if form == "json" else []
    answer = command("check", "mlp", "--fast", "--data", "digits", *options)
    sentence = "images are trained with the labels of others: 7 (contract/labels-aligned[epoch])"
    assert answer.status == 1
    if form == "json":
        assert json.loads(answer.out)["cause"] == {"key": "labels", "sentence": sentence}
    else:
        assert answer.out.splitlines()[-1] == f"likeliest cause: {sentence}"


def test_digests_overwrite_nothing(
    command: Callable[..., Any], check_refused: Callable[..., None], probe_file: Path
) -> None:
    """A file in the way is named before anything is trained."""
    answer = command("check", "mlp", "--save-digests", probe_file.parent)
    check_refused(answer, "mlp-epoch.json exists already: choose another place with --save-digests")


def test_a_lab_that_is_given_twice_is_probed_once(
    command: Callable[..., Any], probe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Dataset
) -> None:
    """The second time the file of the first would be in the way."""
    record, asked = load(probe_file, ProbeRecord), []

    def ask(_python: object, configs: Sequence[TrainingConfig]) -> Iterator[ProbeRecord]:
        asked.extend(config.lab for config in configs)
        return (record for _ in configs)

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    monkeypatch.setattr("mnist_bench.checks.elsewhere.ask_probes", ask)
    answer = command("check", "mlp", "perceptron", "mlp", "--save-digests", tmp_path / "new")
    assert (answer.status, asked) == (0, ["mlp", "perceptron"])


def test_digests_are_of_what_was_asked_for(
    command: Callable[..., Any], probe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Dataset
) -> None:
    """Engine, epochs, seed, data and device; five epochs of the first seed if nobody says otherwise."""
    record, asked = load(probe_file, ProbeRecord), []

    def ask(_python: object, configs: Sequence[TrainingConfig]) -> Iterator[ProbeRecord]:
        asked.extend((c.engine, c.epochs, c.seed, c.data, c.device) for c in configs)
        return (record for _ in configs)

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    monkeypatch.setattr("mnist_bench.checks.elsewhere.ask_probes", ask)
    options = ("--engine", "fused", "--epochs", 2, "--seed", 0, "--data", "digits", "--device", "cpu")
    answer = command("check", "mlp", "--save-digests", tmp_path / "new", *options)
    assert answer.out.startswith(f"{tmp_path / 'new' / 'mlp-fused.json'}: {len(record.stages)} stages, ")
    assert command("check", "mlp", "--save-digests", tmp_path / "new").status == 0
    assert asked == [("fused", 2, 0, "digits", "cpu"), ("epoch", 5, 1671, "tiny", "auto")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", 2), "--epochs is for --save-digests: leave it out"),
        (("--seed", 7), "--seed is for --save-digests or --model: leave it out"),
        (("--fast", "--seeds", 20), "--seeds has no part in --fast, which trains no seeds: leave one of the two out"),
        (("--fast", "--jobs", 2), "--jobs has no part in --fast"),
        (("--fast", "--against", "."), "--against has no part in --fast"),
        (("--out", "x", "--fast"), "--out has no part in --fast"),
        (
            ("--save-digests", "x", "--fast", "--jobs", 1, "--json"),
            "--save-digests checks nothing, and goes without --fast, --jobs, --json",
        ),
        (("--save-digests", "x", "--epochs", 0), "0 is not allowed: it must be 1 or more"),
    ],
    ids=["digests", "seed", "fast-seeds", "fast-jobs", "fast-against", "fast-out", "checks", "epochs"],
)
def test_options_of_the_other_work_are_refused(
    command: Callable[..., Any], check_refused: Callable[..., None], arguments: tuple[object, ...], message: str
) -> None:
    """Also if the value that is given is the default."""
    check_refused(command("check", "mlp", *arguments), message)


def test_a_probe_that_fails_is_no_bad_input(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Dataset
) -> None:
    """What Keras raises is status 3, in one line, and never 1, 2 or 70."""

    def fail(*_: object) -> None:
        raise CommandError("fit raised TypeError: no float16", [])

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    monkeypatch.setattr("mnist_bench.checks.elsewhere.ask_probes", fail)
    answer = command("check", "mlp", "--data", "digits", "--save-digests", tmp_path / "new")
    assert answer == (3, "", "mnist-bench: fit raised TypeError: no float16\n")


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--out"])
def test_a_place_that_cannot_be_written_is_found_before_the_checks(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    """A report or a folder in an impossible place, and a file that is no report, cost no check."""
    monkeypatch.setattr("mnist_bench.checks.suite.check_fast_layers", lambda *_: pytest.fail("a check ran"))
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr("mnist_bench.checks.suite.run_suite", lambda *_: pytest.fail("a check ran"))
    check_refused(command("check", "mlp", "--data", "digits", option, tmp_path / "file" / "below"), "file")
    check_refused(command("check", "mlp", "--data", "digits", option, tmp_path / "file"), "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_device_stays_a_device(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that nobody wants may go to /dev/null, which root could replace by a file."""
    result = CheckResult(name="structure/layers[mlp]", verdict=Verdict.PASS, figure="7", bound="7")
    monkeypatch.setattr("mnist_bench.checks.suite.check_fast_layers", lambda _plan: iter([result]))
    answer = command("check", "--fast", "--data", "digits", "--junit", "/dev/null", "--markdown", "/dev/null")
    assert answer.status == 0
    assert Path("/dev/null").is_char_device()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file, which nothing here runs."""
    path = tmp_path / "bench_net.py"
    path.write_text("def build(): ...\ndef data(): ...\n")
    return path


def test_a_model_of_ones_own_is_checked(
    command: Callable[..., Any], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each check, the reports, and no cause of the labs."""
    result = CheckResult(name="arithmetic/double[bench_net]", verdict=Verdict.REGRESSED, figure="2 Dense", bound="0")
    asked = []

    def check(config: Any, baselines: Path | None) -> Iterator[CheckResult]:
        asked.append((config.model.name, config.seed, config.device, baselines))
        yield result

    monkeypatch.setattr("mnist_bench.own.suite.check_own", check)
    report = model.with_name("a.md")
    options = ("--device", "cpu", "--seed", 7, "--against", model.parent, "--markdown", report)
    answer = command("check", "--model", model, *options)
    assert answer.status == 1
    assert answer.out.splitlines()[-1] == "REGRESSED: 1 REGRESSED"
    assert asked == [("bench_net", 7, "cpu", model.parent)]
    assert "arithmetic/double" in report.read_text()


def test_the_digests_of_a_model_are_written(
    command: Callable[..., Any], model: Path, monkeypatch: pytest.MonkeyPatch, record: TrainingRecord
) -> None:
    """FOLDER/NAME.json, and nothing is overwritten."""
    probe = make_probe(record.environment, "a")
    monkeypatch.setattr("mnist_bench.own.elsewhere.ask_own_probe", lambda *_: probe)
    folder = model.parent / "digests"
    answer = command("check", "--model", model, "--save-digests", folder)
    assert (answer.status, load(folder / "bench_net.json", OwnProbe)) == (0, probe)
    assert "bench_net.json: 12 stages" in answer.out
    refused = command("check", "--model", model, "--save-digests", folder)
    assert (refused.status, "exists already" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlp",), "--model checks the model of your file, not the labs: leave out LABS"),
        (("--engine", "graph", "--fast"), "not the labs: leave out --engine, --fast"),
        (("--save-digests", "x", "--json"), "--save-digests checks nothing, and goes without --json"),
        (("--against", "nowhere"), "nowhere: no such folder"),
    ],
    ids=["labs", "options", "digests", "against"],
)
def test_options_of_the_labs_are_refused_for_a_model(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    model: Path,
    arguments: tuple[object, ...],
    message: str,
) -> None:
    """In one line, before anything is run."""
    check_refused(command("check", *arguments, "--model", model), message)
