"""The shared queue of trials: every place is worked off once, by any process, whatever is lost on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("optuna", minversion="4.9")

from mnist_bench.sweep.storage import hide_secrets
from mnist_bench.sweep.study import StudyMissingError, join_study, open_study, read_slots, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDENTITY = {"what": "a test", "levels": [1, 2.5, "64x64"]}
POINTS: list[Any] = [{}, *({"x": number} for number in range(1, 8))]
PATIENCE_SECONDS = 60

# Each trial writes down that it was begun, and who had it; the value tells the slot.
WORKER = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from mnist_bench.sweep.study import join_study, work

    url, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

    def objective(trial):
        slot = trial.user_attrs["slot"]
        (folder / f"{slot}-{trial.number}-{os.getpid()}").touch()
        time.sleep(seconds)
        trial.set_user_attr("by", os.getpid())
        return float(slot)

    work(join_study(url, "s", heartbeat=1), objective, pause=0.1)
    """
)


@contextlib.contextmanager
def edit_database(url: str) -> Iterator[Callable[..., Any]]:
    """Give a function that runs SQL in a database, behind Optuna's back."""
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        yield database.execute


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that is not there yet."""
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of our own, on a free port, which ends with the tests."""
    pytest.importorskip("psycopg")
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), os.environ.get("PATH", "")]
    pg_ctl = shutil.which("pg_ctl", path=os.pathsep.join(folders))
    if pg_ctl is None:
        pytest.skip("no pg_ctl: PostgreSQL's server is not installed")
    # Not pytest's own folder, into which another user cannot look: PostgreSQL refuses to run as root.
    root = os.geteuid() == 0
    folder = Path("/tmp", f"mnist-bench-pg-{os.getpid()}") if root else tmp_path_factory.mktemp("pg")  # noqa: S108
    folder.mkdir(exist_ok=True)
    if root:
        shutil.chown(folder, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        user: dict[str, Any] = {"user": "nobody"} if root else {}
        log = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **user)
        assert log.returncode == 0, log.stderr

    data = str(folder / "data")
    run(pg_ctl, "initdb", "-D", data, "-o", "--auth=trust --username=tester --no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(pg_ctl, "start", "-w", "-D", data, "-l", str(folder / "log"), "-o", options)
    yield f"postgresql://tester:secret@127.0.0.1:{port}/postgres"
    run(pg_ctl, "stop", "-w", "-D", data, "-m", "immediate")
    shutil.rmtree(folder)


def start_worker(url: str, folder: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Start a process that works off the study `s`."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, "-c", WORKER, url, str(folder), str(seconds)])


def wait_for_file(folder: Path) -> None:
    """Wait until a trial has begun."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not any(folder.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)


def count_begun(folder: Path) -> Counter[str]:
    """Return how often each place was begun."""
    return Counter(path.name.split("-")[0] for path in folder.iterdir())


def test_every_trial_is_worked_off_once(url: str) -> None:
    """A trial's value, facts and reports are in its slot; an error fails one trial, and is named."""
    study = open_study(url, "s", IDENTITY, POINTS, heartbeat=1)

    def objective(trial: Any) -> float:
        slot: int = trial.user_attrs["slot"]
        trial.report(0.5, 3)
        if slot == 2:
            raise ValueError("out of\nluck")
        return slot

    assert [slot.state for slot in read_slots(study)] == ["waiting"] * 8
    work(study, objective)
    slots = read_slots(study)
    assert [slot.state for slot in slots] == ["complete"] * 2 + ["failed"] + ["complete"] * 5
    assert [slot.attempts for slot in slots] == [1] * 8
    assert [slot.facts["point"] for slot in slots] == POINTS
    assert slots[2].facts["error"] == "ValueError: out of luck"
    assert slots[3].reports == {3: 0.5}


def test_joining_again_adds_nothing(url: str) -> None:
    """A process with the same identity finds the existing queue."""
    for _ in range(2):
        study = open_study(url, "s", IDENTITY, POINTS, heartbeat=1)
    assert len(study.trials) == len(POINTS)
    assert len(join_study(url, "s").trials) == len(POINTS)


def test_another_identity_is_refused_and_nothing_changes(url: str, tmp_path: Path) -> None:
    """The error names the first difference between the studies; the database keeps its bytes."""
    open_study(url, "s", IDENTITY, POINTS, heartbeat=1)
    before = (tmp_path / "study.db").read_bytes()
    message = (
        r"study 's' is of another sweep: levels is \[1, 2.5, '64x64'\], not \[1\]; choose another name with --study"
    )
    with pytest.raises(ValueError, match=message):
        open_study(url, "s", {**IDENTITY, "levels": [1]}, POINTS[:2], heartbeat=1)
    assert (tmp_path / "study.db").read_bytes() == before


def test_a_study_of_another_program_is_refused(url: str) -> None:
    """A study with trials and without our marks stays as it is."""
    import optuna

    study = optuna.create_study(storage=url, study_name="s")
    study.optimize(lambda _: 1.0, n_trials=1)
    with pytest.raises(ValueError, match="study 's' was not made by this program"):
        open_study(url, "s", IDENTITY, POINTS)
    assert (len(study.trials), study.user_attrs) == (1, {})


def test_a_study_that_is_not_there_is_named(url: str) -> None:
    """A worker does not create a study."""
    with pytest.raises(StudyMissingError, match="has no study 's'"):
        join_study(url, "s")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "storage 'nonsense' cannot be used: Could not parse SQLAlchemy URL"),
        ("sqlite:////no/such/folder/study.db", "cannot be used: unable to open database file"),
        ("sqlite:///file:FOLDER/old.db?mode=ro&uri=true", "cannot be used: attempt to write a readonly database"),
        ("postgresql://me:secret@127.0.0.1:1/x", r"storage 'postgresql://me:\*\*\*@127.0.0.1:1/x' cannot be used"),
    ],
    ids=["nonsense", "no-folder", "read-only", "unreachable"],
)
def test_a_storage_that_cannot_be_used_is_one_line(tmp_path: Path, address: str, message: str) -> None:
    """The error names the storage, without its password, and the reason."""
    if address.startswith("postgresql"):
        pytest.importorskip("psycopg")
    open_study(f"sqlite:///{tmp_path}/old.db", "s", IDENTITY, POINTS)
    with pytest.raises(ValueError, match=message) as caught:
        open_study(address.replace("FOLDER", str(tmp_path)), "s", IDENTITY, POINTS)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_optuna_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mnist-bench\[sweep\]'"):
        open_study("sqlite://", "s", IDENTITY, POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_processes_share_a_study(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Both processes work, and no trial is worked off twice, with either database."""
    address = request.getfixturevalue("postgresql" if kind == "postgresql" else "url")
    study = open_study(address, "s", IDENTITY, POINTS, heartbeat=1)
    workers = [start_worker(address, tmp_path / "begun", 0.5) for _ in range(2)]
    assert [worker.wait(PATIENCE_SECONDS) for worker in workers] == [0, 0]
    slots = read_slots(study)
    assert {slot.state for slot in slots} == {"complete"}
    assert count_begun(tmp_path / "begun") == dict.fromkeys("01234567", 1)
    assert {slot.facts["by"] for slot in slots} == {worker.pid for worker in workers}


@pytest.mark.slow
def test_a_killed_workers_trial_is_tried_again(url: str, tmp_path: Path) -> None:
    """Without its heartbeat the trial goes to another worker: nothing is lost or counted twice."""
    study = open_study(url, "s", IDENTITY, POINTS[:3], heartbeat=1)
    victim = start_worker(url, tmp_path / "victim", 60)
    wait_for_file(tmp_path / "victim")
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert [slot.state for slot in read_slots(study)] == ["running", "waiting", "waiting"]
    rescuer = start_worker(url, tmp_path / "rescuer", 0)
    assert rescuer.wait(PATIENCE_SECONDS) == 0
    slots = read_slots(study)
    assert [slot.state for slot in slots] == ["complete"] * 3
    assert [slot.attempts for slot in slots] == [2, 1, 1]
    assert count_begun(tmp_path / "victim") == {"0": 1}
    assert count_begun(tmp_path / "rescuer") == {"0": 1, "1": 1, "2": 1}
    assert [trial.value for trial in study.trials if trial.value is not None] == [1, 2, 0]


def test_a_trial_without_a_heartbeat_is_tried_again(url: str) -> None:
    """A worker killed between taking a trial and its first heartbeat loses nothing, either."""
    study = open_study(url, "s", IDENTITY, POINTS[:1], heartbeat=1)
    with pytest.warns(UserWarning, match="Heartbeat"):
        study.ask()
    work(study, lambda _: 1.0, pause=0.1)
    assert [(slot.state, slot.attempts) for slot in read_slots(study)] == [("complete", 2)]


def test_a_trial_that_was_given_to_another_does_not_count(url: str) -> None:
    """A slow process finds its trial taken, and goes on with the rest."""
    import optuna

    study = open_study(url, "s", IDENTITY, POINTS[:2], heartbeat=1)
    seen = []

    def objective(trial: Any) -> float:
        seen.append(trial.user_attrs["slot"])
        if len(seen) == 1:  # what another process does, when it misses the heartbeat
            frozen = study._storage.get_trial(trial._trial_id)
            study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
            study._storage.get_heartbeat_stale_trial_callback()(study, frozen)
        return 1.0

    work(study, objective)
    assert seen == [0, 1, 0]
    assert [slot.state for slot in read_slots(study)] == ["complete", "complete"]
    assert [slot.attempts for slot in read_slots(study)] == [2, 1]


def test_a_surplus_trial_has_no_place(url: str) -> None:
    """Two processes may both see the last trial waiting: the second takes a trial that is not queued, and skips it."""
    study = open_study(url, "s", IDENTITY, POINTS[:1], heartbeat=1)
    calls = []

    def objective(trial: Any) -> float:
        calls.append(trial.number)
        return 1.0

    get_trials, stale = study.get_trials, []

    def remember(**options: Any) -> Any:
        # The first two looks see the trial wait; by the second it has been taken.
        stale.append(get_trials(**options))
        return stale[0] if len(stale) == 2 else stale[-1]

    study.get_trials = remember
    work(study, objective)
    study.get_trials = get_trials
    assert calls == [0]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]
    assert [slot.state for slot in read_slots(study)] == ["complete"]


@pytest.mark.parametrize(
    ("slots", "trial", "message"),
    [
        pytest.param(7, None, "it has 7 places, from 0, and its trials have the places 0, 1, 2", id="fewer"),
        pytest.param(9, None, "it has 9 places", id="more"),
        pytest.param(10**15, None, "it has 1000000000000000 places", id="too many for any memory"),
        pytest.param("8", None, "it has '8' places", id="text"),
        pytest.param(-1, None, "it has -1 places", id="negative"),
        pytest.param(True, None, "it has True places", id="no number"),
        pytest.param(8, 99, "its trials have the places 99, 1, 2", id="a trial elsewhere"),
        pytest.param(8, -1, "its trials have the places -1, 1, 2", id="a trial before the first"),
        pytest.param(8, "0", "its trials have the places '0', 1, 2", id="a trial's place as text"),
        pytest.param(8, 1, "its trials have the places 1, 2", id="a place that no trial has"),
    ],
)
def test_numbers_that_disagree_are_refused(slots: object, trial: object, message: str, url: str) -> None:
    """A study whose places and trials were edited is bad input, wherever it is read."""
    study = open_study(url, "s", IDENTITY, POINTS)
    study.set_user_attr("slots", slots)
    if trial is not None:
        with edit_database(url) as change:
            change(
                "UPDATE trial_user_attributes SET value_json=? WHERE key='slot' AND value_json='0'", [json.dumps(trial)]
            )
    for read in (
        lambda: read_slots(study),
        lambda: join_study(url, "s"),
        lambda: open_study(url, "s", IDENTITY, POINTS),
    ):
        with pytest.raises(ValueError, match="study 's' was edited: ") as caught:
            read()
        assert message in str(caught.value)


def test_an_identity_that_was_edited_is_refused(url: str) -> None:
    """What the study is about must say so."""
    open_study(url, "s", IDENTITY, POINTS).set_user_attr("identity", [1])
    with pytest.raises(ValueError, match=r"study 's' was edited: its identity is '\[1\]'"):
        join_study(url, "s")


SECRETS = {
    "postgresql://me:s3cret@host/db": "'postgresql://me:***@host/db'",
    "postgresq://me:s3cret@host/db": "'postgresq://me:***@host/db'",
    "postgresql:/me:s3cret@host/db": "'postgresql:/me:***@host/db'",
    "me:s3cret@host": "'me:***@host'",
    "postgresql://me:s3cr@et/x?@host/db": "'postgresql://me:***@host/db'",
    "postgresql://host/db?user=me&password=s3cret": "'postgresql://host/db?user=me&password=***'",
    "mysql://host/db?sslpassword=s3cret;x=1": "'mysql://host/db?sslpassword=***;x=1'",
    "x?api_key=s3cret": "'x?api_key=***'",
    "sqlite:///a.db": "'sqlite:///a.db'",
}


@pytest.mark.parametrize(("address", "shown"), SECRETS.items(), ids=SECRETS)
def test_no_address_shows_its_secrets(address: str, shown: str) -> None:
    """Whether or not anything can parse the address; in a text about the address the secrets are masked, too."""
    assert hide_secrets(address) == shown
    assert "s3cr" not in hide_secrets(address, f'connection to "{address}" failed')
    assert hide_secrets("p://me:a%40b@host", "no a@b and no a%40b") == "no *** and no ***"


@pytest.mark.parametrize(
    "address", ["postgresq://me:s3cret@h/x", "nonsense:me:s3cret@h", "mysql+nothing://h/x?password=s3cret"]
)
def test_an_error_keeps_the_secrets(address: str) -> None:
    """A misspelt scheme, an address that cannot be parsed, and a password in the query."""
    with pytest.raises(ValueError, match="storage") as caught:
        open_study(address, "s", IDENTITY, POINTS)
    assert "s3cret" not in str(caught.value)
