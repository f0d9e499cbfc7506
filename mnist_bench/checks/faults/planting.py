"""A fault planted in this process: by the start of a child process whose variable says so, and by the self-test."""

from __future__ import annotations

import os

from mnist_bench.checks.faults.registry import parse_fault
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.training import engines

__all__ = ["UNREFUSED", "plant", "plant_from_environment"]

UNREFUSED = "nothing-refused"
"""No fault, but what has one show: an engine that refuses the versions of Keras that have a fault trains with them."""


def plant_from_environment() -> None:
    """Plant the fault that the environment names, or have nothing refused.

    Raises:
        ValueError: There is no such fault.
    """
    text = os.environ[FAULT_VARIABLE]
    if text == UNREFUSED:
        engines.loses_losses = lambda keras: not keras
    else:
        plant(text)


def plant(text: str) -> None:
    """Plant a fault, such as `step-longer:1.05`; child processes of this process plant it, too.

    Raises:
        ValueError: There is no such fault.
    """
    fault, strength = parse_fault(text)
    os.environ[FAULT_VARIABLE] = text
    fault.plant(strength)
