"""The fingerprint of this process: the machine, the software, and the settings that change the arithmetic."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from mnist_bench import __version__
from mnist_bench.records.environment import (
    FAULT_VARIABLE,
    EnvironmentRecord,
    Gpu,
    company_flag,
    make_environment_record,
)
from mnist_bench.records.fields import UNKNOWN_COMMIT
from mnist_bench.records.files import PACKAGE
from mnist_bench.training.backend import is_deterministic, load_keras, load_tensorflow, read_keras_version

__all__ = [
    "BUILDS",
    "COMPANIONS",
    "collect_details",
    "collect_environment",
    "collect_machine",
    "count_usable_cores",
    "find_gpu_names",
    "find_instruction_set",
    "find_package_version",
    "read_gpu_memory",
]


# Variables that change TensorFlow's arithmetic, in addition to TF_ENABLE_ONEDNN_OPTS and TF_NUM_INTRAOP_THREADS.
_FLAGS = (
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "TF_DISABLE_MKL"),
    *("XLA_FLAGS", "TF_XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32"),
    *("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_ENABLE_AUTO_MIXED_PRECISION"),
    FAULT_VARIABLE,
)

# The packages that install the module `tensorflow`: the platforms' and vendors' builds have names of their own.
BUILDS = (
    "tensorflow",
    *(f"tensorflow-{build}" for build in ("cpu", "intel", "macos", "aarch64", "cpu-aws", "gpu", "rocm", "directml")),
    *(f"tensorflow-{build}" for build in ("tpu", "cuda13", "ascend", "rocm-enhanced")),
    *("intel-tensorflow", "intel-tensorflow-avx512", "tf-gpu", "tf-nightly"),
    *(f"tf-nightly-{build}" for build in ("cpu", "intel", "macos", "cpu-aws", "gpu", "tpu", "cuda13")),
)

# What comes with TensorFlow, or builds on it, and has no module `tensorflow` of its own.
COMPANIONS = (
    *(f"tensorflow-{name}" for name in ("estimator", "io", "io-gcs-filesystem", "datasets", "metadata", "hub", "text")),
    *(f"tensorflow-{name}" for name in ("probability", "addons", "docs", "serving-api", "model-optimization")),
    *(f"tensorflow-{name}" for name in ("decision-forests", "recommenders", "transform", "data-validation")),
    *(f"tensorflow-{name}" for name in ("model-analysis", "federated", "graphics", "ranking", "gan", "cloud")),
    *(f"tensorflow-{name}" for name in ("metal", "directml-plugin", "plugin-profile", "tensorboard")),
    *("tf-keras", "tf-keras-nightly", "tf-estimator-nightly", "tf-slim", "tf-agents", "tf-models-official"),
)

# With any of these, TensorFlow for Linux on x86 uses oneDNN by default, since 2.9.
_ONEDNN_FLAGS = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
_ONEDNN_SINCE = (2, 9)

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


def collect_environment(*, device: str, xla: bool, company: int = 1) -> EnvironmentRecord:
    """Collect the fingerprint of this process.

    Args:
        device: `cpu` or `gpu`, as `backend.choose_device` returned.
        xla: Whether XLA compiles the training step, which the engine determines.
        company: Seeds in one program; more than one is a flag, as their products may be summed in another order.
    """
    tf = load_tensorflow()
    fields: dict[str, Any] = {
        **collect_machine(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": read_keras_version(),
        "numpy": importlib.metadata.version("numpy"),
        **read_arithmetic(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads() or _read_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "onednn": read_onednn(tf.__version__, _read_cpu()[1]),
        "flags": {name: os.environ[name] for name in _FLAGS if name in os.environ}
        | _read_settings(tf, device)
        | company_flag(company),
        "xla": xla,
        "op_determinism": is_deterministic(),
        "device": device,
        "gpus": _collect_gpus(tf) if device == "gpu" else [],
        "project": __version__,
        "commit": read_commit(PACKAGE),
    }
    return make_environment_record(fields)


def collect_machine() -> dict[str, Any]:
    """Collect the hardware fields that need no TensorFlow: all but the device and its GPUs."""
    cpu, flags = _read_cpu()
    quota, usable = read_cpu_quota(), count_usable_cores()
    if quota is not None and quota < usable:
        cpu = f"{cpu}, {quota:g} cores by quota"
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": cpu,
        "instruction_set": find_instruction_set(flags),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable,
    }


def collect_details(system: Path = Path("/sys/devices/system/cpu")) -> dict[str, str]:
    """Collect what Linux tells of the CPU in addition to its name: model, caches, threads of a core; else nothing.

    Args:
        system: Where Linux shows the CPUs.
    """
    details = {}
    fields = _read_cpu_fields()
    for name, field in (("family", "cpu family"), ("model", "model"), ("stepping", "stepping")):
        if field in fields:
            details[f"cpu {name}"] = fields[field]
    for index in sorted(system.glob("cpu0/cache/index[0-9]")):
        with contextlib.suppress(OSError):
            level, kind, size = ((index / part).read_text().strip() for part in ("level", "type", "size"))
            details[f"L{level} {kind.lower()}"] = size
    with contextlib.suppress(OSError):
        details["SMT"] = (system / "smt" / "active").read_text().strip()
    quota = read_cpu_quota()
    return details | ({"quota": f"{quota:g} cores"} if quota is not None else {})


def find_package_version(package: str) -> str | None:
    """Return the version of an installed package, without an import; for TensorFlow, of any of its builds."""
    names = BUILDS if package == "tensorflow" else (package,)
    # Names are compared in their normal form: the wheel of TensorFlow 2.21 is named tensorflow_cpu.
    installed: dict[str, str] = {_normalize(found.name): found.version for found in importlib.metadata.distributions()}
    return next((installed[name] for name in names if name in installed), None)


def _normalize(name: str) -> str:
    """Return a package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_gpu_names() -> list[str]:
    """Return the names of the GPUs that NVIDIA's driver shows to this process, without TensorFlow."""
    try:
        lines = _ask(["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]).splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = [[part.strip() for part in line.split(",", 2)] for line in lines if line.count(",") > 1]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [name for _, _, name in gpus]
    named = [_find_gpu(chosen.strip(), gpus) for chosen in visible.split(",")]
    # As CUDA does: everything behind a GPU that does not exist is invisible, too.
    return [name for name in itertools.takewhile(lambda name: name is not None, named) if name is not None]


def _find_gpu(chosen: str, gpus: list[list[str]]) -> str | None:
    """Return the name of the GPU that has this index or this beginning of a UUID; None where there is none."""
    if chosen.startswith("MIG-"):
        return "a MIG device"  # a part of a GPU, of which no query tells the whole
    for index, uuid, name in gpus:
        if chosen == index or (chosen.startswith("GPU-") and uuid.startswith(chosen)):
            return name
    return None


def find_instruction_set(flags: set[str]) -> str:
    """Return the name of the widest vector instructions among a CPU's flags, or `unknown`."""
    for name, needed in _INSTRUCTION_SETS.items():
        if flags.issuperset(needed):
            return name
    return "unknown"


def read_onednn(tensorflow: str, flags: set[str]) -> str:
    """Return TF_ENABLE_ONEDNN_OPTS, or `default` where it is not set, or set to what is the default anyway.

    Args:
        tensorflow: TensorFlow's version.
        flags: The CPU's flags.
    """
    value = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return value
    since = tuple(map(int, tensorflow.split(".")[:2])) >= _ONEDNN_SINCE
    return "default" if value == ("1" if since and flags & _ONEDNN_FLAGS else "0") else value


def _read_threads() -> int:
    """Return the threads that TF_NUM_INTRAOP_THREADS asks for where no code does; 0 means that TensorFlow chooses."""
    value = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(value) if value.isdecimal() else 0


def _read_settings(tf: Any, device: str) -> dict[str, str]:
    """Return the settings that code has made in this process and that change arithmetic, where they depart."""
    options = {name: value for name, value in tf.config.optimizer.get_experimental_options().items() if value}
    found = {
        "optimizer jit": tf.config.optimizer.get_jit(),
        "optimizer options": json.dumps(options, sort_keys=True) if options else "",
        "run_functions_eagerly": "on" if tf.config.functions_run_eagerly() else "",
        "tensor_float_32": ""
        if device == "cpu" or tf.config.experimental.tensor_float_32_execution_enabled()
        else "off",
    }
    return {name: value for name, value in found.items() if value}


def read_cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the cores that a container's quota allows this process on Linux; None without a quota."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return None if int(quota) < 0 else int(quota) / int(period)
    return None


def count_usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_commit(folder: Path) -> str | None:
    """Return the git commit of the checkout around `folder`, with `+dirty` if it has changes.

    Returns:
        The commit; None for a wheel; `UNKNOWN_COMMIT` if git is missing or refuses to answer, as for a checkout that
        belongs to another user.
    """
    if "site-packages" in folder.parts or not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    # A git hook sets variables that would have git answer for the hook's repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        commit = _ask(["git", "-C", str(folder), "rev-parse", "HEAD"], variables)
        return commit + ("+dirty" if _ask(["git", "-C", str(folder), "status", "--porcelain"], variables) else "")
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN_COMMIT


def _ask(command: list[str], variables: dict[str, str] | None = None) -> str:
    answer = subprocess.run(  # noqa: S603 - git, or a tool of the system
        command, capture_output=True, text=True, timeout=10, check=True, env=variables
    )
    return answer.stdout.strip()


def read_arithmetic() -> dict[str, str]:
    """Return the backend and the precision that Keras gives new models in this process."""
    keras = load_keras()
    policy = getattr(keras, "mixed_precision", None)
    return {
        "backend": keras.backend.backend() if hasattr(keras.backend, "backend") else "tensorflow",
        "precision": str(policy.global_policy().name) if policy else str(keras.backend.floatx()),
    }


@functools.cache
def _read_cpu() -> tuple[str, set[str]]:
    """Return the CPU's name and flags, on Linux and macOS; on other systems the name that Python knows."""
    fields = _read_cpu_fields()
    name = fields.get("model name") or fields.get("machdep.cpu.brand_string") or platform.processor() or "unknown"
    if "CPU part" in fields:  # ARM's have no name
        name += f", part {fields['CPU part']} of implementer {fields.get('CPU implementer', 'unknown')}"
    return name, set(" ".join(fields.get(field, "") for field in _FLAG_FIELDS).lower().split())


def _read_cpu_fields() -> dict[str, str]:
    """Return what the system says of the first CPU, by field."""
    try:
        path = Path("/proc/cpuinfo")
        text = path.read_text().partition("\n\n")[0] if path.exists() else _ask(["sysctl", "machdep.cpu"])
    except (OSError, subprocess.SubprocessError):
        text = ""
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


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


def read_gpu_memory() -> int | None:
    """Return the bytes of memory of the smallest GPU that NVIDIA's driver shows; None where it does not say."""
    try:
        lines = _ask(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]).split()
        return min(int(line) for line in lines) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _read_driver() -> str | None:
    try:
        return _ask(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]).partition("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return None
