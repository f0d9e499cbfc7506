"""What a person sees: bars in a terminal, plain lines elsewhere, and a table that is never cut."""

from __future__ import annotations

import dataclasses
import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fixtures.records import make_history, retrain
from mnist_bench.records.config import TrainingConfig
from mnist_bench.show import console
from mnist_bench.show.console import make_run_table, show_download, show_events
from mnist_bench.training.workers.events import EpochEnded, Failed, Finished, Started

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.workers.events import Event

pytestmark = pytest.mark.usefixtures("short_labs")


CONFIG = TrainingConfig(lab="perceptron", epochs=20)
FIGURES = {"loss": 0.5, "accuracy": 0.75, "val_loss": float("nan"), "val_accuracy": 0.875}


def make_story(record: TrainingRecord) -> list[Event]:
    """Return the events of one training that finishes and of another that does not."""
    epochs = [EpochEnded(0, epoch, FIGURES) for epoch in range(20)]
    failed = Failed(1, CONFIG, "a reason", bad_input=False, details="")
    return [Started(0, "digits"), *epochs, Finished(0, record), Started(1, "digits"), failed]


def print_table(records: list[TrainingRecord], *, width: int) -> list[str]:
    """Return the lines of the table in a terminal of this width."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(make_run_table(records))
    return stream.getvalue().splitlines()


def test_plain_lines_where_there_is_no_terminal(record: TrainingRecord, capsys: pytest.CaptureFixture[str]) -> None:
    """A line at the start, at the end and at each tenth of the epochs, on standard error, without colours."""
    with show_events([CONFIG, CONFIG]) as show:
        for event in make_story(record):
            show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1 + 10 + 1 + 2
    name = "perceptron (epoch, seed 1671): "
    assert all(line.startswith(name) for line in lines)
    assert "\x1b" not in captured.err
    assert lines[0] == f"{name}20 epochs on digits ..."
    assert lines[1] == f"{name}epoch 2/20: loss 0.5000, accuracy 0.7500, val_loss nan, val_accuracy 0.8750"
    assert lines[11] == f"{name}test accuracy 0.9375"
    assert lines[13] == f"{name}failed"


def test_bars_in_a_terminal(
    record: TrainingRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal gets a bar for each training, with its accuracy; a training that never started has no bar."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    story = [*make_story(record), Failed(2, CONFIG, "another", bad_input=True, details="")]
    with show_events([CONFIG] * 3) as show:
        for event in story:
            show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "perceptron (epoch, seed 1671)" in captured.err
    assert "20/20" in captured.err
    assert "test accuracy 0.9375" in captured.err
    assert "failed" in captured.err
    assert "\x1b[" in captured.err


def test_many_trainings_share_a_bar(
    record: TrainingRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bar counts all, also those of a cluster that never say when they start, and those that ended have none."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_events([CONFIG] * 30) as show:
        for event in [*make_story(record), Finished(2, record)]:
            show(event)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).splitlines()[-1]
    assert "all trainings" in last
    assert "3/30" in last
    assert "seed 1671" not in last


def test_a_download_shows_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is for terminals; an unknown total is no error."""
    with show_download() as update:
        update(10, None)
        update(20, 100)
    captured = capsys.readouterr()
    assert (captured.out, captured.err.strip()) == ("", "")


def test_the_table_says_what_came_of_it(record: TrainingRecord) -> None:
    """A row for each training: model, parameters, accuracy and threshold, loss, seconds, verdict."""
    low = dataclasses.replace(record, test_accuracy=0.9199, test_loss=None)
    text = print_table([record, low], width=120)
    assert text[0].split() == [
        "Test",
        "set",
        "of",
        "the",
        "stand-in",
        "'digits',",
        "which",
        "is",
        "NOT",
        "MNIST,",
        "engine",
        "epoch",
    ]
    assert text[1].split() == ["model", "seed", "parameters", "accuracy", "threshold", "loss", "s/epoch", "verdict"]
    assert text[3].split() == ["perceptron", "1671", "7,850", "0.9375", "≥", "0.92", "0.3750", "0.250", "PASS"]
    assert text[4].split() == ["perceptron", "1671", "7,850", "0.9199", "≥", "0.92", "diverged", "0.250", "REGRESSED"]


def test_the_table_says_mnist_of_mnist_only(record: TrainingRecord) -> None:
    """The title names the data."""
    dataset = dataclasses.replace(record.dataset, source="mnist")
    assert print_table([dataclasses.replace(record, dataset=dataset)], width=120)[0].startswith(
        "Test set of MNIST, engine epoch"
    )


def test_the_table_fits_into_80_columns(record: TrainingRecord) -> None:
    """No figure of the widest row is cut in a terminal of the usual width."""
    bare = dataclasses.replace(record.layers[0], kind="Embedding", parameters=118_282 - record.parameters)
    wide = dataclasses.replace(record, layers=[*record.layers, bare], test_loss=None, test_accuracy=0.5)
    lines = print_table([wide], width=80)
    assert max(map(len, lines)) <= 80
    assert lines[3].split() == [
        "perceptron",
        "1671",
        "118,282",
        "0.5000",
        "≥",
        "0.92",
        "diverged",
        "0.250",
        "REGRESSED",
    ]


def test_one_epoch_shows_its_own_seconds(record: TrainingRecord) -> None:
    """Without later epochs, and so without their median, the first epoch's seconds are shown."""
    history = dataclasses.replace(make_history(1), seconds=[1.25])
    assert "1.250" in print_table([retrain(record, epochs=1, history=history)], width=120)[3]


def test_a_log_gets_lines_whatever_the_environment_says(
    record: TrainingRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FORCE_COLOR is for colours: a log is no terminal, and cursor codes would fill it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show_events([CONFIG] * 2) as show:
        for event in make_story(record):
            show(event)
    with show_download() as progress:
        progress(1, 2)
    assert "\x1b" not in capsys.readouterr().err


def test_a_narrow_terminal_cuts_no_verdict(
    record: TrainingRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal may wrap the lines; every figure and verdict is there in full."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console.print_table(make_run_table([record]))
    lines = capsys.readouterr().out.splitlines()
    assert any("1671" in line and "0.9375" in line and "PASS" in line for line in lines)
    assert "…" not in "".join(lines)
