"""Every fault that can be planted, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.faults import chance, cost, data, figures, model, streams, update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mnist_bench.checks.faults.fault import Fault

__all__ = ["CLOCKED", "FAULTS", "PLACES", "parse_fault"]

FAULTS: Mapping[str, Fault] = {
    name: fault
    for family in (data, model, update, streams, figures, chance, cost)
    for name, fault in family.FAULTS.items()
}

PLACES: Mapping[str, int] = {
    key: place for place, key in enumerate(key for fault in FAULTS.values() for key in fault.keys)
}
"""The place of each fault and strength, as they are planted, in the order of all tables."""

CLOCKED = "cost"
"""The family of faults that take time or memory, and change no figure: clocks see these, and no check here."""


def parse_fault(text: str) -> tuple[Fault, float]:
    """Read a fault such as `step-longer:1.05`.

    Raises:
        ValueError: The fault is unknown, or the strength is none of the fault's.
    """
    name, _, strength = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}: choose from {', '.join(FAULTS)}")
    fault = FAULTS[name]
    if text not in fault.keys:
        allowed = [key.partition(":")[2] for key in fault.keys]
        raise ValueError(f"fault {name!r} has no strength {strength!r}: choose from {', '.join(allowed)}")
    return fault, float(strength)
