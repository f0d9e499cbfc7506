"""Trainings in processes of their own: each ends in a record or a reason, whatever happens to a worker."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.workers import pool, serve, worker
from mnist_bench.training.workers.events import EpochEnded, Failed, Finished, Silent, Started
from mnist_bench.training.workers.pool import share_cores, train_all

if TYPE_CHECKING:
    from mnist_bench.training.workers.events import Event

TASKS = Path("/proc/self/task")


def make_configs(*seeds: int) -> list[TrainingConfig]:
    """Return configurations whose seeds tell the stub workers what to do."""
    return [TrainingConfig(lab="perceptron", seed=seed, epochs=2, data="digits") for seed in seeds]


def find_children() -> set[int]:
    """Return the processes that this process has started and that still run, where Linux tells."""
    children: set[int] = set()
    for path in TASKS.glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread may end meanwhile
            children.update(map(int, path.read_text().split()))
    return children


def end_of(events: list[Event], task: int) -> Event:
    """Return the last event of a task, after checking that no other follows."""
    own = [event for event in events if event.task == task]
    assert not any(isinstance(event, (Finished, Failed)) for event in own[:-1])
    return own[-1]


@pytest.mark.parametrize("jobs", [1, 2, 8])
@pytest.mark.usefixtures("stub_workers")
def test_every_training_tells_its_story(jobs: int) -> None:
    """Each training starts, ends its epochs and finishes, with its own configuration in its record."""
    configs = make_configs(11, 12, 13)
    events = list(train_all(configs, jobs=jobs))
    for task, config in enumerate(configs):
        started, epoch, finished = (event for event in events if event.task == task)
        assert started == Started(task, "digits")
        assert isinstance(epoch, EpochEnded)
        assert epoch.epoch == 0
        assert epoch.figures["val_accuracy"] == 0.8125
        assert math.isnan(epoch.figures["loss"])
        assert isinstance(finished, Finished)
        assert finished.record.config == config


@pytest.mark.parametrize(("company", "sizes"), [(4, [4] * 5), (8, [8] * 5), (None, [4] * 5)], ids=str)
@pytest.mark.usefixtures("stub_workers")
def test_a_worker_trains_companies(company: int | None, sizes: list[int]) -> None:
    """Each seed of a company has events and a record of its own; a worker that is asked says how many fit."""
    configs = make_configs(11, 12, 13, 14, 15)
    events = list(train_all(configs, company=company, most=4))
    records = [end_of(events, task).record for task in range(5)]  # type: ignore[union-attr]
    assert [record.config for record in records] == configs
    assert [record.company for record in records] == sizes
    assert all(Started(task, "digits") in events for task in range(5))


@pytest.mark.parametrize(("loss", "reason"), [(2, "was killed by SIGKILL"), (3, "RuntimeError: out of luck")])
@pytest.mark.usefixtures("stub_workers")
def test_what_ends_a_company_ends_those_who_have_no_record(loss: int, reason: str) -> None:
    """The records that were made are kept; each of the others is named, and the next company is trained."""
    events = list(train_all(make_configs(11, loss, 12, 13), company=3))
    kinds = [type(end_of(events, task)) for task in range(4)]
    assert kinds == [Finished, Failed, Failed, Finished]
    assert [reason in end_of(events, task).reason for task in (1, 2)] == [True, True]  # type: ignore[union-attr]


@pytest.mark.usefixtures("stub_workers")
def test_a_company_is_of_one_configuration() -> None:
    """Trainings that differ in more than their seeds are not put into one program."""
    configs = [*make_configs(11, 12), *(TrainingConfig(lab="mlp", seed=seed, epochs=2) for seed in (13, 14))]
    events = list(train_all(configs, company=4))
    assert [end_of(events, task).record.config for task in range(4)] == configs  # type: ignore[union-attr]


@pytest.mark.usefixtures("stub_workers")
def test_nothing_to_train_starts_nothing() -> None:
    """An empty list gives no events."""
    assert list(train_all([], jobs=4)) == []


def test_a_worker_serves_one_training_after_another(stub_workers: Path) -> None:
    """A worker imports TensorFlow once: two workers for six trainings are two processes."""
    list(train_all(make_configs(*range(11, 17)), jobs=2))
    pids = [path.read_text() for path in stub_workers.glob("*.pid")]
    assert len(pids) == 6
    assert len(set(pids)) <= 2


def test_results_arrive_as_they_finish(stub_workers: Path) -> None:
    """A long training holds no other training back."""
    events = []
    for event in train_all(make_configs(1, 11, 12), jobs=2):
        events.append(event)
        if isinstance(event, Finished) and event.record.config.seed == 12:
            (stub_workers / "go").touch()
    finished = [event.record.config.seed for event in events if isinstance(event, Finished)]
    assert finished == [11, 12, 1]


def test_a_killed_worker_loses_its_own_training_only(stub_workers: Path) -> None:
    """The killed training is named; those before, next to and after it finish."""
    configs = make_configs(11, 1, 12, 13)
    events = []
    for event in train_all(configs, jobs=1):
        events.append(event)
        if isinstance(event, EpochEnded) and event.task == 1:
            time.sleep(0.1)  # until it has said that it waits
            os.kill(int((stub_workers / "perceptron-1.pid").read_text()), signal.SIGKILL)
    failed = end_of(events, 1)
    assert isinstance(failed, Failed)
    assert failed.config == configs[1]
    assert failed.reason == "perceptron, seed 1: its worker process was killed by SIGKILL: waiting"
    assert not failed.bad_input
    assert [type(end_of(events, task)) for task in (0, 2, 3)] == [Finished] * 3


def test_a_worker_that_is_stopped_is_named_and_given_up(stub_workers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its training fails after a stated time, with what it said last; the others finish."""
    for module in (pool, worker):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    configs, events = make_configs(1, 11), []
    for event in train_all(configs, jobs=1):
        events.append(event)
        if isinstance(event, EpochEnded) and event.task == 0:
            time.sleep(0.1)  # until it has said that it waits
            os.kill(int((stub_workers / "perceptron-1.pid").read_text()), signal.SIGSTOP)
            monkeypatch.setattr(worker, "SILENT_SECONDS", 0.2)
            monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.6)
        elif isinstance(event, Silent):
            monkeypatch.setattr(worker, "SILENT_SECONDS", 60.0)
        elif isinstance(event, Failed):
            monkeypatch.setattr(worker, "PATIENCE_SECONDS", 60.0)
    assert [type(event) for event in events[:4]] == [Started, EpochEnded, Silent, Failed]
    silent, failed = events[2:4]
    assert silent.config == configs[0]
    assert failed.reason == (
        "perceptron, seed 1: its worker process gave no sign for 1 s and was ended; it said last: waiting"
    )
    assert not failed.bad_input
    assert isinstance(end_of(events, 1), Finished)


def test_a_parent_that_was_stopped_gives_no_worker_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time in which nobody looked does not count."""
    watched = worker.Worker(None, None, child=object(), at=(0, make_configs(1)[0]))  # type: ignore[arg-type]
    now = iter([1000.0, 1001.0, 99000.0])
    monkeypatch.setattr(worker.time, "monotonic", lambda: next(now))
    assert [list(watched.watch()) for _ in range(3)] == [[], [], []]
    assert watched.silence == 2 + 1 + 2


@pytest.mark.usefixtures("stub_workers")
def test_many_losses_are_each_named() -> None:
    """Every lost worker is started again for the next training."""
    events = list(train_all(make_configs(2, 11, 2, 2, 12), jobs=2))
    kinds = [type(end_of(events, task)) for task in range(5)]
    assert kinds == [Failed, Finished, Failed, Failed, Finished]


@pytest.mark.usefixtures("stub_workers")
def test_a_training_that_raises_has_a_reason() -> None:
    """An exception is one line, with its traceback for debugging, and the worker goes on."""
    events = list(train_all(make_configs(3, 11)))
    failed = end_of(events, 0)
    assert isinstance(failed, Failed)
    assert failed.reason == "perceptron, seed 3: RuntimeError: out of luck"
    assert "in behave" in failed.details
    assert not failed.bad_input
    assert isinstance(end_of(events, 1), Finished)


@pytest.mark.usefixtures("stub_workers")
def test_what_a_library_prints_is_no_event() -> None:
    """Text and bytes on standard output, from Python or beneath it, go to the worker's log."""
    events = list(train_all(make_configs(4, 11)))
    assert [type(event) for event in events] == [Started, EpochEnded, Finished] * 2


@pytest.mark.usefixtures("stub_workers")
def test_an_answer_that_cannot_be_read_is_a_failure() -> None:
    """An answer that is no record fails its training, hangs nothing, and leaves the next training unharmed."""
    events = list(train_all(make_configs(6, 11)))
    failed = end_of(events, 0)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("perceptron, seed 6: RecordError: worker: $: Object missing required field")
    assert isinstance(end_of(events, 1), Finished)


@pytest.mark.usefixtures("stub_workers")
def test_an_answer_to_another_question_is_a_failure() -> None:
    """The record of another seed is none of the training that was asked for."""
    (*_, last) = train_all([TrainingConfig(lab="perceptron", seed=9, epochs=2)])
    assert isinstance(last, Failed)
    assert last.reason.endswith("perceptron-epoch, seed 9: the answer is of seed 10, not 9")


@pytest.mark.usefixtures("stub_workers")
def test_a_bad_configuration_is_bad_input() -> None:
    """A configuration that `check_config` refuses is told apart from a failure in training."""
    (failed,) = train_all([TrainingConfig(lab="cnn")])
    assert isinstance(failed, Failed)
    assert failed.reason == "unknown lab 'cnn': choose from perceptron, mlp, dropout"
    assert failed.bad_input


def test_a_worker_that_does_not_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Python, and one that ends at once, fail every training and hang none."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    (failed,) = train_all(make_configs(11))
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("perceptron, seed 11: FileNotFoundError: ")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    events = list(train_all(make_configs(11, 12)))
    assert [event.reason for event in events if isinstance(event, Failed)] == [
        f"perceptron, seed {seed}: its worker process ended with exit code 1" for seed in (11, 12)
    ]


@pytest.mark.skipif(not list(TASKS.glob("*/children")), reason="only Linux tells the children")
def test_no_worker_outlives_the_call(stub_workers: Path) -> None:
    """A caller that stops early leaves no process behind, in training or before it."""
    before = find_children()
    events = train_all(make_configs(5, 5, 11), jobs=2)
    while not isinstance(next(events), EpochEnded):
        pass
    pid = int((stub_workers / "perceptron-5.pid").read_text())
    assert pid in find_children() - before
    events.close()
    assert find_children() == before


@pytest.mark.parametrize(
    ("cores", "jobs", "shares"),
    [
        ({0, 1}, 1, [[0, 1]]),
        ({0, 1}, 2, [[0], [1]]),
        ({0, 1}, 3, [None, None, None]),
        ({2, 5, 7, 9, 11}, 2, [[2, 5], [7, 9, 11]]),
        (set(range(8)), 3, [[0, 1], [2, 3, 4], [5, 6, 7]]),
    ],
)
def test_cores_are_shared(
    monkeypatch: pytest.MonkeyPatch, cores: set[int], jobs: int, shares: list[list[int] | None]
) -> None:
    """Each worker has cores of its own, all are used, and more workers than cores are not pinned."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    assert share_cores(jobs) == shares


@pytest.mark.parametrize("seeds", [(11,), (11, 12), (11, 12, 13)])
@pytest.mark.usefixtures("stub_workers")
def test_the_last_training_has_the_cores_of_the_first(monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, ...]) -> None:
    """A worker's share stays the same when few trainings are left: other threads are other bits."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    start, given = worker.Worker.__init__, []

    def note(self: worker.Worker, cores: list[int] | None, python: str) -> None:
        given.append(cores)
        start(self, None, python)

    monkeypatch.setattr(worker.Worker, "__init__", note)
    assert all(not isinstance(event, Failed) for event in train_all(make_configs(*seeds), jobs=2))
    assert given == [[0], [1]][: len(seeds)]


def test_where_nothing_can_be_pinned_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS and Windows have no affinity."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert share_cores(2) == [None, None]


@pytest.mark.parametrize("cores", [["--cores", "1"], []], ids=["pinned", "unpinned"])
def test_a_worker_pins_itself(
    cores: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A worker is pinned before it reads a request, and so before TensorFlow counts its cores."""
    pinned: list[list[int]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: pinned.append(list(cores)), raising=False)
    monkeypatch.setattr(sys, "argv", ["serve", *cores])
    monkeypatch.setattr(sys, "stdin", [json.dumps(vars(TrainingConfig(lab="cnn")))])
    stdout = os.dup(1)
    try:
        serve.main()
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    assert pinned == ([[1]] if cores else [])
    event = json.loads(capfd.readouterr().out)
    assert (event["event"], event["bad_input"]) == ("failed", True)
