"""Where a training runs and on which data, and the two keys that say which figures may be compared."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.records.fields import check_commit, check_digests, check_names, check_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

__all__ = [
    "COMPANY_FLAG",
    "HARDWARE_FIELDS",
    "NUMERICS_FIELDS",
    "VERSION_FIELDS",
    "DatasetRecord",
    "EnvironmentRecord",
    "Gpu",
    "can_have_key",
    "change_environment",
    "company_flag",
    "digest_arrays",
    "explain_keys",
    "explain_mixture",
    "make_environment_record",
    "make_key",
    "refuse_fault",
]

FAULT_VARIABLE = "MNIST_BENCH_FAULT"
"""Names the fault that is planted in a child process of the self-test; nothing else sets it."""


COMPANY_FLAG = "company"
"""The flag of a record whose seed was trained with others in one program: how many seeds the program had."""

# Two trainings can be compared bit by bit where these are equal. TensorFlow's version is not among them:
# the bits are the same from 2.12 to 2.15 and from 2.16 to 2.21, and Keras is what moves them.
NUMERICS_FIELDS = (
    "keras",
    "backend",
    "precision",
    "xla",
    "threads",
    "op_determinism",
    "onednn",
    "instruction_set",
    "flags",
    "device",
    "gpu_names",
)

_DECIDED = ("xla", "op_determinism")  # by the engine and the configuration

# What is one environment, and not two, has the same of these.
VERSION_FIELDS = ("python", "tensorflow", "keras", "numpy")

# Two times can be compared where these are equal.
HARDWARE_FIELDS = (
    "system",
    "machine",
    "cpu",
    "instruction_set",
    "cores",
    "usable_cores",
    "device",
    "gpu_names",
)


_KEYS = {"numerics_key": NUMERICS_FIELDS, "hardware_key": HARDWARE_FIELDS}

_MOST_CORES = 1e6
_MOST_COMPANY = 1024  # seeds in one program


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU that TensorFlow sees."""

    name: str
    compute_capability: str
    driver: str | None


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecord:
    """Everything about a machine and its software that can move a figure.

    Attributes:
        instruction_set: The widest vector instructions of the CPU, such as `avx2` or `avx512`.
        cores: Cores of the machine.
        usable_cores: Cores that this process may run on (its affinity).
        intra_op_threads: As TensorFlow reports it; 0 means that TensorFlow chooses.
        cpu: Its name, on ARM its part; and the cores of a container's quota, where they are fewer than the usable ones.
        onednn: The value of TF_ENABLE_ONEDNN_OPTS, or `default` where that means the same.
        flags: Other settings that change arithmetic, by variables such as XLA_FLAGS or by code, where they depart.
        xla: Whether the training step was compiled by XLA.
        numerics_key: Digest of what must be equal before the bits of two trainings are compared.
        hardware_key: Digest of what must be equal before the seconds of two trainings are compared.
    """

    python: str
    system: str
    machine: str
    tensorflow: str
    keras: str
    numpy: str
    backend: str
    precision: str
    cpu: str
    instruction_set: str
    cores: int
    usable_cores: int
    intra_op_threads: int
    inter_op_threads: int
    onednn: str
    flags: dict[str, str]
    xla: bool
    op_determinism: bool
    device: str
    gpus: list[Gpu]
    project: str
    commit: str | None
    numerics_key: str
    hardware_key: str

    def __post_init__(self) -> None:
        """Refuse keys that do not follow from the fields, and a commit, cores and threads that cannot be."""
        check_commit("commit", self.commit)
        check_range("cores", self.cores, self.usable_cores, low=1, high=_MOST_CORES)
        check_range("threads", self.intra_op_threads, self.inter_op_threads, high=_MOST_CORES)
        for name, fields in _KEYS.items():
            key, derived = getattr(self, name), make_key(vars(self), fields)
            if key != derived:
                raise ValueError(f"{name} is {key!r}, but {derived!r} follows from the fields that it stands for")


def make_environment_record(fields: Mapping[str, Any]) -> EnvironmentRecord:
    """Return the record of an environment with these fields, and with the keys that follow from them."""
    keys = {name: make_key(fields, names) for name, names in _KEYS.items()}
    return EnvironmentRecord(**{**fields, **keys})


def change_environment(environment: EnvironmentRecord, **fields: Any) -> EnvironmentRecord:
    """Return the record of an environment that differs in these fields, and in the keys that follow from them."""
    return make_environment_record({**vars(environment), **fields})


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """Which data was used: its source (`mnist` or `digits`) and the SHA-256 of its four arrays."""

    source: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse what is no name: the source becomes that of a folder."""
        check_names(source=self.source)
        check_digests("digest", self.digest)


def make_key(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the digest (16 hex digits) of what the named fields hold."""
    values = {name: _key_value(fields, name) for name in names}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def company_flag(company: int) -> dict[str, str]:
    """Return the flag of a seed that was trained in one program with others; nothing for a seed alone."""
    return {COMPANY_FLAG: str(company)} if company > 1 else {}


def can_have_key(environment: EnvironmentRecord, numerics_key: str, *, company: bool) -> bool:
    """Return whether a training in an environment can have a numerics key, whatever it is that trains.

    A worker that is pinned to its share of the cores computes with fewer threads than the machine has cores.

    Args:
        environment: Where the training was, but for the threads and what the engine decides.
        numerics_key: The key.
        company: Whether several seeds may have been trained in one program.
    """
    fields = vars(environment)
    threads = {fields["usable_cores"], *range(1, fields["cores"] + 1)}
    alone = {name: value for name, value in fields["flags"].items() if name != COMPANY_FLAG}
    flags = [{**alone, **company_flag(size)} for size in range(1, (_MOST_COMPANY if company else 1) + 1)]
    switches = list(itertools.product((False, True), repeat=len(_DECIDED)))
    for own_flags, cores, switched in itertools.product(flags, sorted(threads), switches):
        decided = dict(zip(_DECIDED, switched, strict=True))
        if make_key({**fields, **decided, "flags": own_flags, "usable_cores": cores}, NUMERICS_FIELDS) == numerics_key:
            return True
    return False


def refuse_fault(environment: EnvironmentRecord, what: str) -> None:
    """Refuse, as a baseline, what was made under a planted fault.

    Raises:
        ValueError: It was; the message names the fault.
    """
    if FAULT_VARIABLE in environment.flags:
        fault = environment.flags[FAULT_VARIABLE]
        raise ValueError(f"{what} was made under the planted fault {fault!r} ({FAULT_VARIABLE}): it is no baseline")


def explain_keys(a: EnvironmentRecord, b: EnvironmentRecord, names: tuple[str, ...]) -> dict[str, tuple[Any, Any]]:
    """Return the fields of a key that differ between two environments, with both values."""
    pairs = {name: (_key_value(vars(a), name), _key_value(vars(b), name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def explain_mixture(a: EnvironmentRecord, b: EnvironmentRecord) -> dict[str, tuple[Any, Any]]:
    """Return in which versions and numerics fields two environments differ; nothing where their bits are comparable.

    What the engine and the configuration decide, not the environment, is not compared.
    """
    names = tuple(name for name in (*VERSION_FIELDS, *NUMERICS_FIELDS) if name not in _DECIDED)
    return explain_keys(a, b, names)


def _key_value(fields: Mapping[str, Any], name: str) -> Any:
    if name == "threads":
        # A matrix product is split among the threads, and so summed in another order: with XLA, and on an
        # AVX2 machine without it, too (TF 2.15 and 2.21), 1 and 2 threads end in different bits.
        return fields["intra_op_threads"] or fields["usable_cores"]
    if name == "gpu_names":
        return [gpu.name for gpu in fields["gpus"]]
    return fields[name]


def digest_arrays(arrays: Iterable[npt.NDArray[np.generic]]) -> str:
    """Return the SHA-256, as hex, of the arrays' C-order bytes as one stream."""
    digest = hashlib.sha256()
    for array in arrays:
        # The bytes where they lie, without a copy, which of a data set takes as long as its digest.
        in_place = array.flags.c_contiguous and not array.dtype.hasobject
        digest.update(array.reshape(-1).view("u1").data if in_place else array.tobytes())
    return digest.hexdigest()
