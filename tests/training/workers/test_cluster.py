"""Trainings as tasks of a real Dask scheduler: each ends once in a record or a reason, whatever happens to a worker."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import change_environment, explain_mixture
from mnist_bench.records.serial import load_record
from mnist_bench.training.runner import train
from mnist_bench.training.workers import cluster as module
from mnist_bench.training.workers.cluster import Cluster, open_cluster
from mnist_bench.training.workers.events import Failed, Finished, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.training import TrainingRecord

pytest.importorskip("distributed")

PYTHON = sys.executable  # before `stub_workers` puts its own there
PATIENCE_SECONDS = 240


def find_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


WITHOUT_PACKAGE = """
import importlib.metadata
def version(name, real=importlib.metadata.version):
    if name == "mnist-bench":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = version
"""


class Site:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Start the scheduler, and wait until it answers."""
        port = find_port()
        self.address, self.folder, self.processes = f"tcp://127.0.0.1:{port}", folder, list[subprocess.Popen[bytes]]()
        self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.1)

    def add_worker(self, threads: int = 1, **variables: str) -> subprocess.Popen[bytes]:
        """Start one more worker, without a nanny, which would start it again."""
        options = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        return self._start("worker", self.address, *options, **variables)

    def close(self) -> None:
        """End everything."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        command = [PYTHON, "-m", "dask", *arguments]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **variables}, cwd=self.folder)
        log.close()
        self.processes.append(process)
        return process


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A scheduler without workers."""
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder)
    yield made
    made.close()


def make_configs(*seeds: int) -> list[TrainingConfig]:
    """Return configurations whose seeds tell the stub workers what to do."""
    return [TrainingConfig(lab="perceptron", seed=seed, epochs=2, data="digits") for seed in seeds]


def find_parent(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def count_results(events: list[Any]) -> Counter[int]:
    """Return how often each training ended."""
    return Counter(event.task for event in events if isinstance(event, (Finished, Failed)))


@pytest.mark.slow
def test_a_lost_worker_s_training_is_tried_elsewhere(site: Site, stub_workers: Path) -> None:
    """One of two workers is killed in a training: each training ends once, and all have records."""
    workers = [site.add_worker(), site.add_worker()]
    find = functools.partial(Path, sys.executable)
    configs = make_configs(1, 11, 12, 13, 14, 15)

    def kill() -> None:
        wait_for(stub_workers / "perceptron-1.pid")
        owner = find_parent(int((stub_workers / "perceptron-1.pid").read_text()))
        next(worker for worker in workers if worker.pid == owner).send_signal(signal.SIGKILL)
        (stub_workers / "go").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    with open_cluster(site.address) as cluster:
        events = list(cluster.train(configs, find_python=find))
    thread.join()
    assert [worker.poll() for worker in workers].count(-signal.SIGKILL) == 1
    assert count_results(events) == Counter(range(6))
    records = {event.task: event.record for event in events if isinstance(event, Finished)}
    assert [records[task].config for task in range(6)] == configs


@pytest.mark.slow
@pytest.mark.usefixtures("stub_workers")
def test_a_failure_has_a_reason(site: Site) -> None:
    """A child process that is lost each time, an error and a bad request are told apart; the others finish."""
    site.add_worker(threads=2)
    find = functools.partial(Path, sys.executable)
    configs = [*make_configs(2, 3, 11, 9), TrainingConfig(lab="cnn", data="digits")]
    with open_cluster(site.address) as cluster:
        events = list(cluster.train(configs, find_python=find))
    assert count_results(events) == Counter(range(5))
    failed = {event.task: event for event in events if isinstance(event, Failed)}
    assert failed[0].reason.endswith("perceptron, seed 2: its worker process was killed by SIGKILL")
    assert failed[1].reason == "perceptron, seed 3: RuntimeError: out of luck"
    assert failed[3].reason.endswith("perceptron-epoch, seed 9: the answer is of seed 10, not 9")
    assert (failed[4].reason, failed[4].bad_input) == (
        "unknown lab 'cnn': choose from perceptron, mlp, dropout",
        True,
    )


@pytest.mark.slow
def test_a_campaign_on_two_workers(site: Site, command: Callable[..., Any], tmp_path: Path) -> None:
    """One worker is killed: the command ends with every seed once, in the bits of a seed that is trained here."""
    workers, out = [site.add_worker(), site.add_worker()], tmp_path / "out"
    arguments = ("run", "perceptron", "--engine", "fused", "--epochs", 2, "--seeds", 4, "--data", "digits")

    def look() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(out.glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        workers[1].send_signal(signal.SIGKILL)

    thread = threading.Thread(target=look)
    thread.start()
    answer = command(*arguments, "--cluster", site.address, "--out", out)
    thread.join()
    assert answer.status == 3, answer.err  # not the lab's epochs
    records = {path.name: load_record(path) for path in out.glob("*.json")}
    assert sorted(record.config.seed for record in records.values()) == list(range(1671, 1675))
    for record in records.values():
        other = train(record.config)
        assert record.environment.numerics_key == other.environment.numerics_key
        assert (record.initial_digest, record.final_digest) == (other.initial_digest, other.final_digest)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]) -> None:
    """A wrong address is one line after a bounded time."""
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1.0)
    address = f"tcp://127.0.0.1:{find_port()}"
    begin = time.monotonic()
    answer = command("run", "perceptron", "--data", "digits", "--cluster", address)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith(f"mnist-bench: no scheduler answers at '{address}' within 1 s: ")
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("address", ["nonsense:with:colons", "http://127.0.0.1:1", ""])
def test_what_is_no_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It is refused by its name."""
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1.0)
    with pytest.raises(ValueError, match="no scheduler answers at"), open_cluster(address):
        pass


@pytest.mark.parametrize("failing", [2, 3])
def test_a_thread_of_dask_that_does_not_begin(monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """On a busy machine Dask's own thread may take too long, which Dask asserts: it is tried again, three times."""
    tries: list[str] = []

    def connect(address: str, **_: object) -> None:
        tries.append(address)
        if len(tries) <= failing:
            raise AssertionError
        raise OSError("it began")

    monkeypatch.setattr("distributed.Client", connect)
    told = "it began" if failing < 3 else "AssertionError"
    with pytest.raises(ValueError, match=f"no scheduler answers at 'tcp://a:1'.*{told}"), open_cluster("tcp://a:1"):
        pass
    assert len(tries) == 3


def test_a_cluster_without_workers(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """The first worker is waited for, for a stated time."""
    monkeypatch.setattr(module, "_WORKER_SECONDS", 1.0)
    with pytest.raises(ValueError, match="the cluster has no worker after 1 s"), open_cluster(site.address):
        pass


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r"--cluster needs Dask: pip install 'mnist-bench\[cluster\]'"
    with pytest.raises(ValueError, match=message), open_cluster("tcp://127.0.0.1:1"):
        pass


@pytest.mark.slow
def test_a_worker_without_the_package(site: Site) -> None:
    """It is named, with what it lacks, before anything is trained."""
    (site.folder / "sitecustomize.py").write_text(WITHOUT_PACKAGE)
    site.add_worker(PYTHONPATH=str(site.folder))
    with pytest.raises(ValueError, match=r"worker tcp://.* has no mnist-bench: install"), open_cluster(site.address):
        pass


class Told(Cluster):
    """A cluster whose workers say what a test has them say."""

    def __init__(self, **answers: Any) -> None:
        """Take what each worker says."""
        super().__init__(None)
        self.answers = answers

    def _ask_all(self, *_: object) -> dict[str, Any]:
        return self.answers


def test_a_worker_of_another_version(record: TrainingRecord) -> None:
    """Other versions of this package, no TensorFlow, and a mixture of environments are each one line."""
    with pytest.raises(ValueError, match=r"worker w1 has mnist-bench 0\.0\.1, here it is"):
        Told(w1="0.0.1").check_project()
    with pytest.raises(ValueError, match="worker w1 cannot train: No module named 'tensorflow'"):
        Told(w1={"environment": None, "reason": "No module named\n'tensorflow'"}).ask_environment("cpu")
    with pytest.raises(ValueError, match="worker w1 cannot train: TimeoutError: no answer"):
        Told(w1=TimeoutError("no answer")).ask_environment("cpu")
    here = dataclasses.asdict(record.environment)
    there = dataclasses.asdict(change_environment(record.environment, keras="2.15.0", usable_cores=4))
    answers = {"w1": {"environment": here}, "w2": {"environment": there}}
    with pytest.raises(
        ValueError, match=r"w1 and w2 differ in keras \('3.15.1', '2.15.0'\); threads \(2, 4\): --mixed"
    ):
        Told(**answers).ask_environment("cpu")
    assert Told(**answers).ask_environment("cpu", mixed=True) == record.environment


def test_a_record_of_another_environment_is_not_kept(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that came later may differ from the first; its threads may not differ from those of the first record."""
    configs = make_configs(11, 12, 13)
    changes: list[dict[str, Any]] = [{"usable_cores": 8}, {"usable_cores": 4}, {"usable_cores": 8, "onednn": "0"}]
    results = [
        {
            "record": dataclasses.asdict(
                dataclasses.replace(record, config=config, environment=change_environment(record.environment, **change))
            )
        }
        for config, change in zip(configs, changes, strict=True)
    ]
    cluster = Told()
    monkeypatch.setattr(cluster, "run", lambda *_: enumerate(results))
    first, *others = cluster.train(configs, expected=record.environment)
    assert isinstance(first, Finished)
    reasons = [event.reason for event in others if isinstance(event, Failed)]
    assert reasons == [
        "perceptron, seed 12: a worker differs in threads (8, 4): its record is not kept",
        "perceptron, seed 13: a worker differs in onednn ('default', '0'): its record is not kept",
    ]
    assert all(isinstance(event, Finished) for event in cluster.train(configs))


def test_what_is_decided_elsewhere_is_no_mixture(record: TrainingRecord) -> None:
    """The engine decides about XLA, so that is no difference between workers."""
    assert explain_mixture(record.environment, change_environment(record.environment, xla=True)) == {}


@pytest.mark.slow
def test_all_workers_are_gone(site: Site, stub_workers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign without workers says so, waits for a stated time, and says how to go on."""
    assert stub_workers.is_dir()
    for name, seconds in (("SILENT_SECONDS", 1.0), ("PATIENCE_SECONDS", 3.0), ("LOOK_SECONDS", 0.1)):
        monkeypatch.setattr(module, name, seconds)
    worker = site.add_worker()
    find = functools.partial(Path, sys.executable)
    events: list[Any] = []
    with open_cluster(site.address) as cluster:
        worker.kill()
        worker.wait()
        with pytest.raises(ValueError, match="the cluster has had no worker for 3 s: start some, and use --resume"):
            collections.deque((events.append(event) for event in cluster.train(make_configs(11), find_python=find)), 0)
    assert [type(event) for event in events] == [Silent]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mixed",), "--mixed is about the workers of a cluster"),
        (("--cluster", "x", "--jobs", 2), "--cluster: each seed is a task; not with --jobs or --company"),
        (("--cluster", "x", "--engine", "fused", "--company", 2), "not with --jobs or --company"),
    ],
    ids=["mixed", "jobs", "company"],
)
def test_options_that_contradict_each_other(
    options: tuple[object, ...], message: str, command: Callable[..., Any], check_refused: Any
) -> None:
    """They are refused before anything is connected or loaded."""
    check_refused(command("run", "perceptron", *options), message)


def test_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cluster has no worker, the training that waits is named."""
    cluster = Told()
    monkeypatch.setattr(cluster, "run", lambda *_: iter([(0, None)]))
    (silent,) = cluster.train(make_configs(11))
    assert isinstance(silent, Silent)
