"""The commands `run`, `env` and `data`: what they print where, what they leave behind, and how they end."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import DAMAGES, damage_record, edit_record, write_record
from fixtures.processes import check_ended
from mnist_bench.checks import elsewhere
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import NUMERICS_FIELDS, EnvironmentRecord, change_environment, explain_keys
from mnist_bench.records.serial import decode_json, dump_json, load_record, seal_record
from mnist_bench.training.campaign import plan_campaign, run_campaign
from mnist_bench.training.runner import train
from mnist_bench.training.workers.events import Finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset

PYTHON = sys.executable  # before `stub_workers` puts its own there
PATIENCE_SECONDS = 120


@pytest.fixture
def stub_run(
    command: Callable[..., Any], stub_workers: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """The command `run perceptron`, on the tiny set and with the stub workers."""
    assert stub_workers.is_dir()
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    return lambda *arguments: command("run", "perceptron", *arguments)


def find_names(folder: Path) -> list[str]:
    """Return the names of all files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_run_leaves_records_pictures_and_a_page(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """Two seeds in two processes give a table on stdout, plain lines on stderr, and all their files."""
    out = tmp_path / "out"
    answer = stub_run("--seed", 11, "--seeds", 2, "--jobs", 2, "--out", out)
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("Test set of the stand-in 'digits', which is NOT MNIST, engine epoch")
    rows = [line.split() for line in lines if line.startswith("perceptron")]
    figures = ["7,850", "0.9375", "≥", "0.92", "0.3750", "0.500", "PASS"]
    assert rows == [["perceptron", "11", *figures], ["perceptron", "12", *figures]]
    assert lines[-1] == f"Records, plots and page: {out / 'index.html'}"
    assert "\x1b" not in answer.out + answer.err
    for seed in (11, 12):
        assert f"perceptron (epoch, seed {seed}): test accuracy 0.9375\n" in answer.err
    records = [f"perceptron-epoch-seed{seed}.json" for seed in (11, 12)]
    pictures = ["perceptron-accuracy.svg", "perceptron-loss.svg", "sample.svg"]
    assert find_names(out) == sorted([*records, *pictures, "index.html"])
    assert [load_record(out / name).config.seed for name in records] == [11, 12]


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_the_table_has_colors_if_they_are_asked_for(
    stub_run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    colored: bool,  # noqa: FBT001
) -> None:
    """Here no terminal reads; a variable that is empty counts as one that is not set."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    answer = stub_run("--seed", 11, "--out", tmp_path / "out")
    assert ("\x1b[32mPASS" in answer.out, "\x1b" in answer.out + answer.err) == (colored, colored)


def test_a_threshold_that_does_not_hold_is_exit_1(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """One training below its threshold is enough, and the table says which."""
    answer = stub_run("mlp", "--seed", 8, "--out", tmp_path)
    assert answer.status == 1
    rows = [line.split() for line in answer.out.splitlines() if "7,850" in line or "118,282" in line]
    verdicts = {row[0]: row[-1] for row in rows}
    assert verdicts == {"perceptron": "PASS", "mlp": "REGRESSED"}


def test_a_training_cut_short_is_exit_3(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """Two epochs of 200 are neither green nor REGRESSED, and a line says why."""
    answer = stub_run("--seed", 11, "--epochs", 2, "--out", tmp_path)
    assert (answer.status, answer.err.splitlines()[-1]) == (3, "mnist-bench: perceptron: not judged: 2 of 200 epochs")
    assert "INCONCLUSIVE" in answer.out


def test_a_training_of_another_precision_is_exit_3(
    stub_run: Callable[..., Any], tmp_path: Path, stub_workers: Path
) -> None:
    """However good, a training in float16 is not the lab's; a line says so, and where the precision was set."""
    path = stub_workers / "record.json"
    record = load_record(path)
    half = change_environment(record.environment, precision="float16")
    write_record(path, dataclasses.replace(record, environment=half))
    answer = stub_run("--seed", 11, "--out", tmp_path / "out")
    told = "perceptron: not judged: precision float16, not the lab's float32: set by KERAS_BACKEND or in keras.json"
    assert (answer.status, answer.err.splitlines()[-1]) == (3, f"mnist-bench: {told} (KERAS_HOME)")
    assert "INCONCLUSIVE" in answer.out


def test_a_training_that_is_lost_is_exit_3(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """What is finished is shown and kept; what is not is named, one per line; the status is never green."""
    answer = stub_run("--seed", 2, "--seeds", 3, "--out", tmp_path)
    assert answer.status == 3
    assert answer.err.splitlines()[-2:] == [
        "mnist-bench: perceptron, seed 2: its worker process was killed by SIGKILL",
        "mnist-bench: perceptron, seed 3: RuntimeError: out of luck",
    ]
    assert "Traceback" not in answer.err
    assert [line.split()[1] for line in answer.out.splitlines() if "7,850" in line] == ["4"]
    assert [name for name in find_names(tmp_path) if name.endswith(".json")] == ["perceptron-epoch-seed4.json"]


def test_debug_shows_the_worker_s_traceback(
    command: Callable[..., Any], stub_run: Callable[..., Any], tmp_path: Path
) -> None:
    """With --debug the reason has its details."""
    assert stub_run  # it has set the workers up
    answer = command("--debug", "run", "perceptron", "--epochs", 2, "--seed", 3, "--out", tmp_path)
    assert (answer.status, answer.out) == (3, "")
    assert 'raise RuntimeError("out of\\nluck")' in answer.err


def test_json_is_all_that_stdout_has(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """With --json standard output is one list of records and nothing else, though workers print; each can be read."""
    answer = stub_run("--seed", 4, "--json", "--out", tmp_path)
    assert answer.status == 0
    assert answer.out.endswith("]\n")
    (content,) = json.loads(answer.out)
    (tmp_path / "alone.json").write_text(json.dumps(content))
    record = load_record(tmp_path / "alone.json")
    assert record == load_record(tmp_path / "perceptron-epoch-seed4.json")
    assert answer.out == dump_json([seal_record(record)])
    assert "nonsense" not in answer.err


def test_a_company_is_said_in_the_records(stub_run: Callable[..., Any], tmp_path: Path) -> None:
    """Engine fused trains as many seeds in one program as are asked for, and goes on with as many."""
    asked = ("--engine", "fused", "--seed", 11, "--out", tmp_path)
    assert stub_run(*asked, "--seeds", 3, "--company", 2).status == 0
    assert stub_run(*asked, "--seeds", 4, "--resume").status == 0
    records = [load_record(tmp_path / f"perceptron-fused-seed{seed}.json") for seed in (11, 12, 13, 14)]
    assert [record.company for record in records] == [2] * 4


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
def test_no_run_goes_on_from_a_changed_record(
    stub_run: Callable[..., Any], tmp_path: Path, stub_workers: Path, how: str
) -> None:
    """The record is named; it is not trained again, and neither is what is missing."""
    asked = ("--seed", 11, "--out", tmp_path / "out", "--resume")
    stub_run(*asked)
    path = tmp_path / "out" / "perceptron-epoch-seed11.json"
    damage_record(path, how)
    damaged = path.read_bytes()
    answer = stub_run(*asked, "--seeds", 2)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith(f"mnist-bench: {path}: {DAMAGES[how]}")
    assert path.read_bytes() == damaged
    assert not (stub_workers / "perceptron-12.pid").exists()


def test_fit_has_no_company(stub_run: Callable[..., Any], check_refused: Callable[..., None]) -> None:
    """Keras trains each seed alone; one line says what a company needs."""
    check_refused(stub_run("--company", 2), "engine epoch trains each seed alone: a company needs the engine fused")


def test_resume_trains_only_what_is_missing(stub_run: Callable[..., Any], tmp_path: Path, stub_workers: Path) -> None:
    """An existing record is an error without --resume, and is used with --resume."""
    assert stub_run("--seed", 11, "--out", tmp_path).status == 0
    refused = stub_run("--seed", 11, "--seeds", 2, "--out", tmp_path)
    assert (refused.status, refused.out) == (2, "")
    path = tmp_path / "perceptron-epoch-seed11.json"
    assert refused.err.splitlines()[-1] == (
        f"mnist-bench: {path} exists already: continue with --resume, or name another folder with --out"
    )
    assert not (stub_workers / "perceptron-12.pid").exists()
    (stub_workers / "perceptron-11.pid").unlink()
    resumed = stub_run("--seed", 11, "--seeds", 2, "--resume", "--out", tmp_path)
    assert resumed.status == 0
    assert [line.split()[1] for line in resumed.out.splitlines() if "7,850" in line] == ["11", "12"]
    assert find_names(stub_workers) == ["perceptron-12.pid", "python", "record.json"]
    stub = stub_workers / "record.json"
    edit_record(stub, '"tensorflow": "2.21.0"', '"tensorflow": "2.22.0"')
    upgraded = stub_run("--seed", 11, "--resume", "--out", tmp_path)
    differ = "trained with tensorflow '2.21.0', here '2.22.0': name another folder with --out"
    assert (upgraded.status, upgraded.err.splitlines()[-1]) == (2, f"mnist-bench: {path}: cannot resume: {differ}")
    other = stub_run("--seed", 11, "--resume", "--out", tmp_path, "--epochs", 5)
    assert (other.status, other.err.splitlines()[-1]) == (
        2,
        f"mnist-bench: {path}: cannot resume: the record's epochs is 200, not 5",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run cnn", "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ("run mlp --engine jit", "unknown engine 'jit': choose from eager, graph, xla, epoch, fused"),
        ("run mlp --device tpu", "unknown device 'tpu': choose from auto, cpu, gpu"),
        ("run mlp --seed -1", "seed -1 is not allowed: it must be in 0 to 4294967295"),
        ("run mlp --seed 4294967295 --seeds 2", "seed 4294967296 is not allowed: it must be in 0 to 4294967295"),
        ("run mlp --data digits --out FILE", "FILE: is a file, not a folder"),
        ("run mlp --data FOLDER/none", "'FOLDER/none': cannot be read (No such file or directory); expected"),
        ("run mlp --data FILE", "'FILE': damaged, or no npz archive"),
        ("data --data FOLDER", "'FOLDER': has no file for the array 'x_train'; expected"),
        ("run mlp --epochs 0", "Invalid value for '--epochs'"),
        ("run mlp --seeds 0", "Invalid value for '--seeds'"),
        ("run mlp --jobs 0", "Invalid value for '--jobs'"),
        ("run mlp --seed one", "Invalid value for '--seed'"),
        ("run mlp --nonsense", "No such option"),
        ("nonsense", "no such command: mnist-bench nonsense: choose from "),
        ("env --device tpu", "unknown device 'tpu': choose from auto, cpu, gpu"),
        ("run perceptron --resume", "--resume needs --out: the folder of the run that goes on"),
        ("lab --resume", "--resume needs --out: the folder of the run that goes on"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Dataset,
    arguments: str,
    message: str,
) -> None:
    """Whatever is wrong, standard error has a line that says it, and nothing is trained or printed."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("no npz")
    monkeypatch.chdir(tmp_path)
    if "digits" in arguments:
        monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)
    for word, name in (("FOLDER", "folder"), ("FILE", "file")):
        arguments, message = arguments.replace(word, name), message.replace(word, name)
    answer = command(*arguments.split())
    assert (answer.status, answer.out) == (2, "")
    *before, line = answer.err.splitlines()
    assert line.startswith(f"mnist-bench: {message}")
    # The stand-in is announced, whatever follows.
    assert all("training on" in earlier for earlier in before)
    assert find_names(tmp_path) == ["file", "folder"]


def test_env(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint has one line per field, and as JSON is the record."""
    # Another process is asked once for both forms: its import of TensorFlow takes longer than all else.
    monkeypatch.setattr(elsewhere, "ask_environment", functools.cache(elsewhere.ask_environment))
    record = decode_json(command("env", "--json").out, EnvironmentRecord, origin="stdout")
    answer = command("env")
    assert (answer.status, answer.err) == (0, "")
    fields = dict(line.split(maxsplit=1) for line in answer.out.splitlines())
    assert list(fields) == list(EnvironmentRecord.__dataclass_fields__)
    assert (fields["keras"], fields["numerics_key"]) == (record.keras, record.numerics_key)
    assert fields["hardware_key"] == record.hardware_key


def test_data_says_what_would_be_used(
    command: Callable[..., Any], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source, origin, digest and shapes; the stand-in says that it is not MNIST."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: digits)
    answer = command("data", "--data", "digits")
    assert answer.status == 0
    assert answer.out.splitlines() == [
        "source   digits (the embedded stand-in, not MNIST)",
        f"origin   {digits.origin}",
        f"digest   {digits.digest}",
        "x_train  (60000, 28, 28) uint8",
        "y_train  (60000,) uint8",
        "x_test   (10000, 28, 28) uint8",
        "y_test   (10000,) uint8",
    ]
    digits = dataclasses.replace(digits, origin="here\n::error::forged")
    assert "origin   here ::error::forged" in command("data", "--data", "digits").out.splitlines()
    taken = dataclasses.replace(digits, missing="MNIST is missing: no network")
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: taken)
    automatic = command("data")
    assert automatic.err == f"mnist-bench: using {digits.label}: MNIST is missing: no network\n"


def test_data_of_mnist_as_json(command: Callable[..., Any], mnist_path: Path) -> None:
    """MNIST itself is called by its name, and verified."""
    answer = command("data", "--json", "--data", mnist_path)
    assert (answer.status, answer.err) == (0, "")
    assert json.loads(answer.out) == {
        "source": "mnist",
        "origin": str(mnist_path),
        "digest": "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
        "shapes": {
            "x_train": [60000, 28, 28],
            "y_train": [60000],
            "x_test": [10000, 28, 28],
            "y_test": [10000],
        },
    }


def start_run(out: Path, first: int, *options: str) -> subprocess.Popen[str]:
    """Start a command of two seeds, whose workers are those of this process."""
    # A shell has what it starts in the background ignore Ctrl-C, and this suite may be such a process.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; import sys; sys.executable = sys.argv.pop(1); from mnist_bench.cli.app import main; main()"
    arguments = ["run", "perceptron", "--data", "digits", "--epochs", "2", "--seed", str(first), "--seeds", "2"]
    return subprocess.Popen(
        [PYTHON, "-c", code, sys.executable, *arguments, "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], *paths: Path) -> None:
    """Return once all files are there, or the process has ended, or the patience."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(path.exists() for path in paths) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def test_ctrl_c_keeps_what_is_finished(
    stub_workers: Path, tmp_path: Path, edit: Callable[..., Path], tiny: Dataset, digits: Dataset
) -> None:
    """Ctrl-C in a terminal reaches the command and its workers: records stay, processes do not."""
    out = tmp_path / "out"
    edit(stub_workers / "record.json", tiny.digest, digits.digest).replace(stub_workers / "record.json")
    process = start_run(out, 4)  # seed 4 finishes and seed 5 never does
    pid_file, kept = stub_workers / "perceptron-5.pid", out / "perceptron-epoch-seed4.json"
    wait_for(process, pid_file, kept)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "mnist-bench: interrupted"
    assert "Traceback" not in stderr
    assert find_names(out) == [kept.name]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_killed_goes_on(
    stub_workers: Path, tmp_path: Path, edit: Callable[..., Path], tiny: Dataset, digits: Dataset, signum: int
) -> None:
    """No record is half there, or lost; the same command with --resume keeps what is finished and trains the rest."""
    out = tmp_path / "out"
    edit(stub_workers / "record.json", tiny.digest, digits.digest).replace(stub_workers / "record.json")
    here = load_record(stub_workers / "record.json").environment
    process = start_run(out, 0)  # seed 0 finishes and seed 1 waits
    pid_file, kept = stub_workers / "perceptron-1.pid", out / "perceptron-epoch-seed0.json"
    wait_for(process, pid_file, kept)
    process.send_signal(signum)  # the command alone
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == (-signum if signum == signal.SIGKILL else 128 + signum)
    if signum == signal.SIGKILL:
        os.kill(
            int(pid_file.read_text()), signal.SIGKILL
        )  # the stub does not notice; `Child`'s own test sees a real one
    check_ended(int(pid_file.read_text()))
    assert find_names(out) == [kept.name]
    written = kept.stat().st_mtime_ns

    (stub_workers / "go").touch()
    campaign = plan_campaign(
        [TrainingConfig(lab="perceptron", seed=seed, epochs=2, data="digits") for seed in (0, 1)],
        out,
        digits,
        resume=lambda: here,
    )
    assert [config.seed for config in campaign.todo] == [1]
    assert [type(event) for event in run_campaign(campaign)][-1] is Finished
    assert find_names(out) == [kept.name, "perceptron-epoch-seed1.json"]
    assert kept.stat().st_mtime_ns == written


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two real trainings of an epoch on the stand-in, in a worker, and the folder of their records."""
    out = tmp_path_factory.mktemp("real")
    arguments = ["run", "perceptron", "--data", "digits", "--epochs", "1", "--seeds", "2"]
    answer = subprocess.run(
        [PYTHON, "-c", "from mnist_bench.cli.app import main; main()", *arguments, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE_SECONDS,
        check=False,
    )
    return out, answer


def test_a_real_run(real_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """TensorFlow in a worker gives two records, a table and a page, and prints nothing of its own."""
    out, answer = real_run
    records = [load_record(out / f"perceptron-epoch-seed{seed}.json") for seed in (1671, 1672)]
    assert answer.returncode == 3, "one epoch of 200 is not judged"
    assert "Not MNIST." in (out / "index.html").read_text(encoding="utf-8")
    figures = [(f"{record.test_accuracy:.4f}", f"{record.test_loss:.4f}") for record in records]
    rows = [line.split() for line in answer.stdout.splitlines() if line.startswith("perceptron")]
    assert [(row[1], row[3], row[6]) for row in rows] == [
        (seed, *figure) for seed, figure in zip(("1671", "1672"), figures, strict=True)
    ]
    stray = [line for line in answer.stderr.splitlines() if not line.startswith(("mnist-bench: ", "perceptron (epoch"))]
    assert stray == []
    assert {record.dataset.source for record in records} == {"digits"}
    assert all(record.test_accuracy > 0.8 for record in records)
    first, second = records
    assert first.initial_digest != second.initial_digest
    assert first.final_digest != second.final_digest


def test_a_worker_trains_as_this_process_does(
    real_run: tuple[Path, subprocess.CompletedProcess[str]], digits: Dataset
) -> None:
    """The worker starts from the same weights, and ends in the same bits unless the numerics key says why not."""
    out, _ = real_run
    there = load_record(out / "perceptron-epoch-seed1671.json")
    here = train(TrainingConfig(lab="perceptron", epochs=1, data="digits"), dataset=digits)
    assert here.config == there.config
    assert here.initial_digest == there.initial_digest
    assert here.test_accuracy == pytest.approx(there.test_accuracy, abs=1e-3)
    moved = explain_keys(here.environment, there.environment, NUMERICS_FIELDS)
    assert set(moved) <= {"threads"}
    assert here.final_digest == there.final_digest or moved
