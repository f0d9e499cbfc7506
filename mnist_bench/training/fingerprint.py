"""The fingerprint of this process: the machine, the software, and the settings that change the arithmetic."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from mnist_bench import __version__
from mnist_bench.records.environment import HARDWARE_FIELDS, NUMERICS_FIELDS, EnvironmentRecord, Gpu, make_key
from mnist_bench.records.files import PACKAGE
from mnist_bench.training.backend import is_deterministic, load_keras, load_tensorflow, read_keras_version

__all__ = [
    "collect_environment",
    "collect_machine",
    "find_gpu_names",
    "find_instruction_set",
    "find_package_version",
]

# Variables that change TensorFlow's arithmetic, in addition to TF_ENABLE_ONEDNN_OPTS.
_FLAGS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "XLA_FLAGS", "TF_XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")

# The fields with a CPU's flags, on Linux (x86, ARM) and on macOS.
_FLAG_FIELDS = ("flags", "Features", "machdep.cpu.features", "machdep.cpu.leaf7_features")

# From the widest down; each name requires all of its CPU flags.
_INSTRUCTION_SETS = {
    "amx": ("amx_tile",),
    "avx512_bf16": ("avx512f", "avx512_bf16"),
    "avx512_vnni": ("avx512f", "avx512_vnni"),
    "avx512": ("avx512f",),
    "avx2": ("avx2", "fma"),
    "avx": ("avx",),
    "sse4": ("sse4_1",),
    "sve": ("sve",),
    "neon": ("asimd",),
}


def collect_environment(*, device: str, xla: bool) -> EnvironmentRecord:
    """Collect the fingerprint of this process.

    Args:
        device: `cpu` or `gpu`, as `backend.choose_device` returned.
        xla: Whether XLA compiles the training step, which the engine determines.
    """
    tf, keras = load_tensorflow(), load_keras()
    fields: dict[str, Any] = {
        **collect_machine(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": read_keras_version(),
        "numpy": importlib.metadata.version("numpy"),
        "backend": keras.backend.backend() if hasattr(keras.backend, "backend") else "tensorflow",
        "precision": _read_precision(keras),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "flags": {name: os.environ[name] for name in _FLAGS if name in os.environ},
        "xla": xla,
        "op_determinism": is_deterministic(),
        "device": device,
        "gpus": _collect_gpus(tf) if device == "gpu" else [],
        "project": __version__,
        "commit": read_commit(PACKAGE),
    }
    return EnvironmentRecord(
        **fields,
        numerics_key=make_key(fields, NUMERICS_FIELDS),
        hardware_key=make_key(fields, HARDWARE_FIELDS),
    )


def collect_machine() -> dict[str, Any]:
    """Collect the hardware fields that need no TensorFlow: all but the device and its GPUs."""
    cpu, flags = _read_cpu()
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": cpu,
        "instruction_set": find_instruction_set(flags),
        "cores": os.cpu_count() or 1,
        "usable_cores": count_usable_cores(),
    }


def find_package_version(package: str) -> str | None:
    """Return the version of an installed package, without an import; for TensorFlow, of any of its builds."""
    names = (package, "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu") if package == "tensorflow" else (package,)
    # Names are compared in their normal form: the wheel of TensorFlow 2.21 is named tensorflow_cpu.
    installed: dict[str, str] = {_normalize(found.name): found.version for found in importlib.metadata.distributions()}
    return next((installed[name] for name in names if name in installed), None)


def _normalize(name: str) -> str:
    """Return a package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_gpu_names() -> list[str]:
    """Return the names of the GPUs that NVIDIA's driver shows to this process, without TensorFlow."""
    try:
        lines = _ask(["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]).splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    names = {index.strip(): name.strip() for index, _, name in (line.partition(",") for line in lines)}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(names.values())
    # As CUDA does: everything behind an index that does not exist is invisible, too.
    return [names[index] for index in itertools.takewhile(names.__contains__, visible.split(","))]


def find_instruction_set(flags: set[str]) -> str:
    """Return the name of the widest vector instructions among a CPU's flags, or `unknown`."""
    for name, needed in _INSTRUCTION_SETS.items():
        if flags.issuperset(needed):
            return name
    return "unknown"


def count_usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_commit(folder: Path) -> str | None:
    """Return the git commit of the checkout around `folder`, with `+dirty` if it has changes; None for a wheel."""
    if "site-packages" in folder.parts:
        return None
    try:
        commit = _ask(["git", "-C", str(folder), "rev-parse", "HEAD"])
        return commit + ("+dirty" if _ask(["git", "-C", str(folder), "status", "--porcelain"]) else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _ask(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    return answer.stdout.strip()


def _read_precision(keras: Any) -> str:
    policy = getattr(keras, "mixed_precision", None)
    return str(policy.global_policy().name) if policy else str(keras.backend.floatx())


@functools.cache
def _read_cpu() -> tuple[str, set[str]]:
    """Return the CPU's name and flags, on Linux and macOS; on other systems the name that Python knows."""
    try:
        path = Path("/proc/cpuinfo")
        text = path.read_text().partition("\n\n")[0] if path.exists() else _ask(["sysctl", "machdep.cpu"])
    except (OSError, subprocess.SubprocessError):
        text = ""
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    name = fields.get("model name") or fields.get("machdep.cpu.brand_string") or platform.processor() or "unknown"
    return name, set(" ".join(fields.get(field, "") for field in _FLAG_FIELDS).lower().split())


def _collect_gpus(tf: Any) -> list[Gpu]:
    driver = _read_driver()
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    return [
        Gpu(
            name=detail.get("device_name", "unknown"),
            compute_capability=".".join(map(str, detail.get("compute_capability", ()))),
            driver=driver,
        )
        for detail in details
    ]


def _read_driver() -> str | None:
    try:
        return _ask(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]).partition("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return None
