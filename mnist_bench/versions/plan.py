"""What is wanted of each version, and what of it a record still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.config import FIRST_SEED
from mnist_bench.training.labs import LABS
from mnist_bench.versions.records import NEEDED

if TYPE_CHECKING:
    from mnist_bench.versions.records import VersionRecord

__all__ = ["LAYERS", "NOT_TIMED", "STAND_INS", "Wanted", "check_wanted", "find_missing"]

LAYERS = ("install", "import", "checks", "probes", "accuracy", "times")
# Times want a quiet machine and one process at a time, so they are measured when they are asked for.
NOT_TIMED = LAYERS[:-1]

# Keras 3.0 to 3.6 cannot run a whole epoch in one execution: see `engines.compile_model`. `graph`
# ends in the same bits as `epoch`, only later.
STAND_INS = {"epoch": "graph"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is wanted of each version.

    Attributes:
        layers: Some of `LAYERS`.
        labs: Keys of `LABS`.
        seeds: Seeds of each lab that are trained in full, from `FIRST_SEED` on.
        epochs: Epochs of each training and probe; the lab's own, and a probe's own, if None.
        checked: Engines that are checked.
        probed: Engines that are probed.
        trained: The engine that trains in full.
        timed: Engines that are timed.
        timed_epochs: Epochs of a timed training: the first compiles, the median of ten is steady.
    """

    layers: Sequence[str] = NOT_TIMED
    labs: Sequence[str] = tuple(LABS)
    seeds: int = 7
    epochs: int | None = None
    # `graph` is the one way of Keras's that every version has; `epoch` ends in the same bits.
    checked: Sequence[str] = ("graph", "fused")
    probed: Sequence[str] = ("epoch", "fused")
    trained: str = "epoch"
    timed: Sequence[str] = ("epoch", "graph", "fused")
    timed_epochs: int = 11


def check_wanted(wanted: Wanted) -> Wanted:
    """Return what is wanted, if there is such a thing.

    Raises:
        ValueError: A layer or a lab is unknown, or there are none.
    """
    for what, names, known in (("layer", wanted.layers, LAYERS), ("lab", wanted.labs, tuple(LABS))):
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ValueError(f"unknown {what} {''.join(unknown[:1])!r}: choose from {', '.join(known)}")
    return wanted


def find_missing(record: VersionRecord, wanted: Wanted) -> dict[str, list[str]]:
    """Return what is wanted, not there, and has not failed, by layer.

    Where an engine has failed and another one gives the same bits, that one's figures are wanted instead.

    Returns:
        Names such as `mlp-epoch` or `mlp-epoch seed 1672`, for the layers that lack something.
    """
    failed = {(failure.layer, failure.what) for failure in record.failures}
    if any(layer in NEEDED for layer, _ in failed):
        return {}
    probes = {f"{it.config.lab}-{it.config.engine}" for it in record.probes}
    times = {f"{it.lab}-{it.engine}" for it in record.times}
    missing = {
        "install": [] if record.install else ["environment"],
        "import": [] if record.imports else ["seconds"],
        "checks": [engine for engine in wanted.checked if engine not in record.checks],
        "probes": [it for it in _pair(wanted.labs, wanted.probed, "probes", failed) if it not in probes],
        "accuracy": _find_missing_seeds(record, wanted, failed),
        "times": [f"{lab}-{engine}" for lab in wanted.labs for engine in wanted.timed],
    }
    missing["times"] = [it for it in missing["times"] if it not in times]
    left = {layer: [it for it in missing[layer] if (layer, it) not in failed] for layer in LAYERS}
    return {layer: left[layer] for layer in LAYERS if layer in wanted.layers and left[layer]}


def _find_missing_seeds(record: VersionRecord, wanted: Wanted, failed: set[tuple[str, str]]) -> list[str]:
    there = {(it.lab, seed) for it in record.accuracy for seed in it.seeds}
    return [
        f"{case} seed {seed}"
        for case in _pair(wanted.labs, (wanted.trained,), "accuracy", failed)
        for seed in range(FIRST_SEED, FIRST_SEED + wanted.seeds)
        if (case.partition("-")[0], seed) not in there
    ]


def _pair(labs: Sequence[str], engines: Sequence[str], layer: str, failed: set[tuple[str, str]]) -> list[str]:
    """Return each lab with each engine, or with the one that stands in for it where it has failed."""
    cases = []
    for lab in labs:
        for engine in engines:
            tried = [f"{lab}-{it}" for it in (engine, STAND_INS.get(engine)) if it]
            cases += [case for case in tried if (layer, case) not in failed][:1]
    return list(dict.fromkeys(cases))
