"""The hardware of a run of the benchmarks: its key, and what else the system tells of the CPU."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnist_bench.records.environment import HARDWARE_FIELDS, Gpu, check_names, make_key
from mnist_bench.training.fingerprint import collect_details, collect_machine, find_gpu_names

__all__ = ["Machine", "collect_hardware", "explain_hardware"]


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
        """Refuse a key that is no name, which becomes that of a file."""
        check_names(hardware_key=self.hardware_key)

    def is_like(self, other: Machine) -> bool:
        """Return whether times of both may be compared: the same key, and the same details where both have them."""
        known = not (self.details and other.details) or self.details == other.details
        return self.hardware_key == other.hardware_key and known


def collect_hardware() -> Machine:
    """Collect the hardware of this process without TensorFlow; NVIDIA's driver names the GPUs."""
    names = find_gpu_names()
    fields = {
        **collect_machine(),
        "device": "gpu" if names else "cpu",
        "gpus": [Gpu(name=name, compute_capability="", driver=None) for name in names],
    }
    key = make_key(fields, HARDWARE_FIELDS)
    del fields["gpus"]
    return Machine(hardware_key=key, gpu_names=names, details=collect_details(), **fields)


def explain_hardware(there: Machine, here: Machine) -> str:
    """Name the fields of the hardware key, and the details, in which two machines differ."""
    pairs = {name: (getattr(there, name), getattr(here, name)) for name in HARDWARE_FIELDS}
    if there.details and here.details:
        pairs |= {name: (there.details.get(name), here.details.get(name)) for name in {**there.details, **here.details}}
    return ", ".join(f"{name} {a!r} there, {b!r} here" for name, (a, b) in pairs.items() if a != b)
