"""The processes of a round: fresh ones, in their order, on their cores, and named when they are lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnist_bench.timing.ab.process import LostError, OverdueError, Side, find_cores, measure_round
from mnist_bench.timing.ab.worker import AbTask

if TYPE_CHECKING:
    from collections.abc import Callable

needs_cores = pytest.mark.skipif(find_cores() is None, reason="two cores to pin processes to are not there")


@pytest.fixture
def make_sides(stub_python: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Side, Side]]:
    """Make two stubs; keywords are B's behaviour."""
    task = AbTask(lab="mlp", engine="epoch", batch_size=128, device="cpu", folder=str(tmp_path), warm_ups=2)

    def make(**behaviour: object) -> tuple[Side, Side]:
        return Side("a", stub_python("a"), task), Side("b", stub_python("b", **behaviour), task)

    return make


def read_steps(tmp_path: Path, side: str, process: int) -> list[list[int] | None]:
    """Return the cores that a stub was asked to train on, an epoch each."""
    return [step["cores"] for step in json.loads((tmp_path / side / f"{process}.steps").read_text())]


def test_rounds_go_a_b_b_a(make_sides: Callable[..., tuple[Side, Side]]) -> None:
    """Each side has a new process a round, and the order turns."""
    sides = make_sides(speed=1.0)
    rounds = [measure_round(sides, number, 4, None, limit=60) for number in range(2)]
    times = [times for pair in rounds for times, _ in pair]
    assert [it.side for it in times] == ["a", "b", "b", "a"]
    assert [it.order for it in times] == [0, 1, 2, 3]
    assert all(len(it.wall) == len(it.cpu) == 4 for it in times)
    assert min(times[1].wall) > 1.5 * max(times[0].wall)
    assert len(list(sides[0].python.parent.glob("*.pid"))) == 2


def test_cores_are_exchanged_after_every_epoch(make_sides: Callable[..., tuple[Side, Side]], tmp_path: Path) -> None:
    """The side that starts first starts on the first core; both are told in step."""
    sides = make_sides()
    for number in range(2):
        measure_round(sides, number, 4, (3, 7), limit=60)
    assert read_steps(tmp_path, "a", 0) == read_steps(tmp_path, "b", 1) == [[3], [7], [3], [7]]
    assert read_steps(tmp_path, "b", 0) == read_steps(tmp_path, "a", 1) == [[7], [3], [7], [3]]
    assert (tmp_path / "a" / "0.arguments").read_text() == "boot.py timing.ab.worker --cores 3"


def test_in_turn_nothing_is_pinned(make_sides: Callable[..., tuple[Side, Side]], tmp_path: Path) -> None:
    """One process at a time has all the cores."""
    measure_round(make_sides(), 0, 2, None, limit=60)
    assert read_steps(tmp_path, "a", 0) == [None, None]
    assert (tmp_path / "a" / "0.arguments").read_text() == "boot.py timing.ab.worker"


@pytest.mark.parametrize("cores", [None, (0, 0)], ids=["in turn", "together"])
def test_no_process_outlives_its_round(
    make_sides: Callable[..., tuple[Side, Side]], tmp_path: Path, cores: tuple[int, int] | None
) -> None:
    """Neither a process that finished is left, nor the partner of a lost process."""
    with pytest.raises(LostError):
        measure_round(make_sides(dies_in=0), 0, 4, cores, limit=60)
    for path in tmp_path.glob("*/*.pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ({"dies_in": 0}, "its process was killed by SIGKILL"),
        ({"ready": {"event": "failed", "reason": "no GPU"}}, "no GPU"),
        ({"says": "hello"}, r"it answered 'hello\\n', which is no event"),
        ({"says": "[1]"}, r"it answered '\[1\]\\n', which is no event"),
        ({"task": {"lab": "dropout"}}, "the answer is to another question: another lab"),
        ({"task": {"engine": "eager", "warm_ups": 9}}, "the answer is to another question: another engine, warm_ups"),
        ({"environment": {"device": "gpu"}}, "it trained on 'gpu', not on 'cpu'"),
        ({"start": {"import": None}}, "it answered {.*}, not the seconds of its start"),
        ({"epoch": {"number": 7}}, "it answered {.*}, not the seconds of epoch 0"),
        ({"epoch": {"wall": None}}, "it answered {.*}, not the seconds of epoch 0"),
        ({"speed": "fast"}, "its process ended with exit code 1: TypeError: .*"),
    ],
    ids=["killed", "failed", "text", "list", "lab", "engine", "device", "start", "epoch", "seconds", "crash"],
)
def test_a_lost_process_is_named(
    make_sides: Callable[..., tuple[Side, Side]], behaviour: dict[str, object], reason: str
) -> None:
    """By its side, its interpreter, and what happened to it."""
    sides = make_sides(**behaviour)
    with pytest.raises(LostError, match=f"^B, {sides[1].python}: {reason}$"):
        measure_round(sides, 0, 4, None, limit=60)


def test_a_process_that_hangs_is_given_up(make_sides: Callable[..., tuple[Side, Side]]) -> None:
    """At its time limit, and the error says so."""
    with pytest.raises(OverdueError, match=r"^B, .*: no answer in time$"):
        measure_round(make_sides(sleeps=600), 0, 2, None, limit=3)


@needs_cores
def test_cores_are_no_threads_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sibling of the first core is passed over; one core alone is not enough."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 5})
    monkeypatch.setattr(Path, "exists", lambda _: True)
    for listed, wanted in (("0", (0, 1)), ("0,4", (0, 1)), ("0-1", (0, 4)), ("0,1,4,5", None)):
        monkeypatch.setattr(Path, "read_text", lambda _, text=listed: f"{text}\n")
        assert find_cores() == wanted
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2})
    assert find_cores() is None


def test_where_nothing_can_be_pinned_there_are_no_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS and Windows have no affinity."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert find_cores() is None
