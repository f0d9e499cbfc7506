"""What the figures were measured with, for people to read next to the figures."""

from __future__ import annotations

import os
import platform

import threadpoolctl

from mnist_bench.training.fingerprint import collect_environment, find_package_version

__all__ = ["describe_load", "describe_machine"]

_LIBRARIES = ("torch", "jax", "numpy", "scikit-learn")


def describe_machine() -> dict[str, str]:
    """Return the CPU, its cores, and the versions of all that took part; imports TensorFlow."""
    environment = collect_environment(device="cpu", xla=True)
    return {
        "CPU": f"{environment.cpu}, {environment.instruction_set}",
        "cores": f"{environment.usable_cores} of {environment.cores}",
        "system": platform.platform(),
        "commit": environment.commit or "unknown",
        "Python": environment.python,
        "tensorflow": environment.tensorflow,
        "keras": environment.keras,
        **_find_versions(),
        "BLAS of NumPy": _describe_blas(),
    }


def describe_load() -> str:
    """Return how many processes wanted to run in the last minute; on a quiet machine, near 0."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _describe_blas() -> str:
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    ours = [pool for pool in pools if "numpy" in pool["filepath"]] or pools
    return " ".join(f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in ours[:1])


def _find_versions() -> dict[str, str]:
    return {name: version for name in _LIBRARIES if (version := find_package_version(name))}
