"""The hardware of a run of the benchmarks: its key, and what else the system tells of the CPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_bench.records.environment import HARDWARE_FIELDS, Gpu, make_key
from mnist_bench.training.fingerprint import collect_details, collect_machine, find_gpu_names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Machine", "collect_hardware", "explain_hardware", "make_machine"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The hardware of a run and the hardware key; the fields are those of `HARDWARE_FIELDS`, and the details.

    Attributes:
        details: What else the system tells of the CPU: family, model and stepping, the sizes of the caches, threads
            of a core. Clouds give one name to machines of different speed. Empty in runs that were stored before this
            was collected: these are compared by the key alone. The key does not contain the details, so that it is
            the same for old and new runs.
    """

    hardware_key: str
    system: str
    machine: str
    cpu: str
    instruction_set: str
    cores: int
    usable_cores: int
    device: str
    gpu_names: list[str]
    details: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a key that does not follow from the fields; it becomes the name of a file."""
        derived = _make_key(vars(self))
        if self.hardware_key != derived:
            told = f"hardware_key is {self.hardware_key!r}, but {derived!r} follows from"
            raise ValueError(f"{told} {', '.join(HARDWARE_FIELDS)}")

    def is_like(self, other: Machine) -> bool:
        """Return whether times of both may be compared: the same key, and the same details where both have them."""
        known = not (self.details and other.details) or self.details == other.details
        return self.hardware_key == other.hardware_key and known


def collect_hardware() -> Machine:
    """Collect the hardware of this process without TensorFlow; NVIDIA's driver names the GPUs."""
    names = find_gpu_names()
    fields = {**collect_machine(), "device": "gpu" if names else "cpu", "gpu_names": names}
    return make_machine({**fields, "details": collect_details()})


def make_machine(fields: Mapping[str, Any]) -> Machine:
    """Return the hardware with these fields, and with the key that follows from them."""
    return Machine(**{**fields, "hardware_key": _make_key(fields)})


def _make_key(fields: Mapping[str, Any]) -> str:
    """Return the hardware key of these fields: the same that the environment's record has."""
    gpus = [Gpu(name=name, compute_capability="", driver=None) for name in fields["gpu_names"]]
    return make_key({**fields, "gpus": gpus}, HARDWARE_FIELDS)


def explain_hardware(there: Machine, here: Machine) -> str:
    """Name the fields of the hardware key, and the details, in which two machines differ."""
    pairs = {name: (getattr(there, name), getattr(here, name)) for name in HARDWARE_FIELDS}
    if there.details and here.details:
        pairs |= {name: (there.details.get(name), here.details.get(name)) for name in {**there.details, **here.details}}
    return ", ".join(f"{name} {a!r} there, {b!r} here" for name, (a, b) in pairs.items() if a != b)
