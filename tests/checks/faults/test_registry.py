"""Faults have what a reader and the self-test need, and none is planted by chance."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.diagnosis import _STAGES
from mnist_bench.checks.faults.planting import UNREFUSED
from mnist_bench.checks.faults.registry import FAULTS, parse_fault
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.training.engines import ENGINES, loses_losses
from mnist_bench.training.workers import boot
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_there_are_many_faults_of_every_family() -> None:
    """The families that a framework could bring about are there, most faults at several strengths."""
    assert len(FAULTS) >= 60
    assert {fault.family for fault in FAULTS.values()} == {
        *("data", "model", "update", "random", "figures", "chance", "cost")
    }
    assert sum(len(fault.strengths) for fault in FAULTS.values()) >= 150


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_is(name: str) -> None:
    """Each has a name of its own, a clause, causes, strengths and engines that exist."""
    fault = FAULTS[name]
    assert fault.name == name == name.lower()
    assert fault.imitates
    assert fault.causes
    assert len(set(fault.strengths)) == len(fault.strengths) > 0
    assert set(fault.engines) <= set(ENGINES)


def test_a_reason_is_for_the_weak_strengths_alone() -> None:
    """A strong fault that nothing sees is a miss, whatever excuses the weak one."""
    work = FAULTS["work"]
    assert [bool(work.explain_unseen(strength)) for strength in work.strengths] == [False, False, False, True]
    assert FAULTS["order-reversed"].explain_unseen(1)
    assert not FAULTS["step-longer"].explain_unseen(2)
    assert all(it.unseen_from in (None, *it.strengths) for it in FAULTS.values())


def test_causes_are_those_that_are_named() -> None:
    """A cause that no diagnosis names could never be right."""
    named = {key for key, _ in _STAGES.values()}
    named |= {"step size", "tensor scale", "clipping", "no update", "not finite", "optimizer", "precision", "gradient"}
    named |= {"backward pass", "weight decay", "later steps", "other change", "stale gradient", "batch size", "unknown"}
    named |= {"accuracy figure", "validation figure", "test figure", "loss figure", "figures"}
    # Clocks and sizes name these, and no diagnosis of figures.
    named |= {"work", "waiting", "import", "first epoch", "memory", "memory growth"}
    assert {cause for fault in FAULTS.values() for cause in fault.causes} <= named


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step-long:1.05", "unknown fault 'step-long': choose from labels-shifted, "),
        ("step-longer:3", "fault 'step-longer' has no strength '3': choose from 2, 1.05, 1.001"),
        ("step-longer", "fault 'step-longer' has no strength ''"),
    ],
)
def test_a_fault_that_is_none_is_refused(text: str, message: str) -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match=message):
        parse_fault(text)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_read_as_it_is_written(name: str) -> None:
    """What the self-test passes to a process is the fault and the strength that come out there."""
    for strength in FAULTS[name].strengths:
        assert parse_fault(f"{name}:{strength:g}")[0] is FAULTS[name]


def test_no_fault_is_switched_on() -> None:
    """Neither here nor in what this process starts, and the start of a child knows the variable by the same name."""
    assert FAULT_VARIABLE not in os.environ
    assert boot._FAULT == FAULT_VARIABLE


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """A child process with a planted fault."""
    monkeypatch.setenv(FAULT_VARIABLE, "step-longer:1.05")
    with Child("checks.layers.serve") as child:
        yield child


def test_a_record_says_that_a_fault_is_planted(planted: Child) -> None:
    """The fingerprint has the fault, so that the numerics key is another than that of sound records."""
    planted.send({"ask": "environment", "device": "cpu"})
    event = planted.read()
    assert event is not None
    assert event["value"]["flags"][FAULT_VARIABLE] == "step-longer:1.05"


def test_a_process_may_refuse_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that refuses versions of Keras trains with them where a regression is replayed, and nowhere else."""
    assert loses_losses("3.6.0")
    code = "from mnist_bench.checks.faults import planting as p; from mnist_bench.training import engines as e"
    monkeypatch.setenv(FAULT_VARIABLE, UNREFUSED)
    ask = f"{code}; p.plant_from_environment(); print(e.loses_losses('3.6.0'))"
    answer = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert answer.stdout == "False\n"


def test_an_unknown_fault_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable must not pass for a process without any fault."""
    monkeypatch.setenv(FAULT_VARIABLE, "step-long:2")
    with Child("checks.layers.serve") as child:
        child.end_input()
        assert child.read() is None
        assert "unknown fault 'step-long'" in child.explain_end()


def test_only_a_child_plants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable in a user's shell plants nothing in the user's own process."""
    monkeypatch.setenv(FAULT_VARIABLE, "step-long:2")
    subprocess.run([sys.executable, "-m", "mnist_bench", "--version"], check=True, capture_output=True)
