"""The hardware of a run: its key, and the words for what differs."""

from __future__ import annotations

import copy
from typing import Any

from mnist_bench.records.environment import HARDWARE_FIELDS
from mnist_bench.timing.machine import collect_hardware, explain_hardware, make_machine
from mnist_bench.timing.records import convert_run
from mnist_bench.training.fingerprint import collect_environment


def test_the_hardware_key_needs_no_tensorflow() -> None:
    """The key is the one of a training on this machine's CPU."""
    machine = collect_hardware()
    environment = collect_environment(device="cpu", xla=False)
    assert machine.gpu_names or machine.hardware_key == environment.hardware_key
    assert {name for name in HARDWARE_FIELDS if not hasattr(machine, name)} == set()


def test_other_hardware_is_described(timing_run: dict[str, Any]) -> None:
    """The fields that differ are named, and no others."""
    here = convert_run(timing_run, "memory").machine
    there = make_machine({**vars(here), "cpu": "Another", "usable_cores": 1})
    assert explain_hardware(there, here) == "cpu 'Another' there, 'A CPU' here, usable_cores 1 there, 2 here"
    assert explain_hardware(here, copy.copy(here)) == ""
