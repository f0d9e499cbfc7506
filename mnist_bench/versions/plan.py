"""What is to be measured of each version, and what of that a record still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_bench.records.config import FIRST_SEED, Case
from mnist_bench.training.labs import LABS
from mnist_bench.versions.records import NEEDED, probes_by_case

if TYPE_CHECKING:
    from mnist_bench.versions.records import VersionRecord

__all__ = ["LAYERS", "STAND_INS", "CaseSeed", "MeasurementPlan", "check_plan", "find_missing"]

LAYERS = ("install", "import", "checks", "probes", "accuracy")

# Keras 3.0 to 3.6 cannot run a whole epoch in one call: see `engines.compile_model`. `graph` ends in the same bits
# as `epoch`, but takes longer.
STAND_INS = {"epoch": "graph"}


class CaseSeed(NamedTuple):
    """One training of a case. As text, in a record's failures: `mlp-epoch seed 1672`."""

    case: Case
    seed: int

    def __str__(self) -> str:
        """Return the case and the seed."""
        return f"{self.case} seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class MeasurementPlan:
    """What is to be measured of each version.

    Attributes:
        layers: Some of `LAYERS`.
        labs: Keys of `LABS`.
        seeds: How many seeds of each lab are trained in full, from 1671 on.
        epochs: Epochs of each training and probe; if None the lab's own, and a probe's own.
        checked: Engines that are checked.
        probed: Engines that are probed.
        trained: The engine of the full trainings.
    """

    layers: Sequence[str] = LAYERS
    labs: Sequence[str] = tuple(LABS)
    seeds: int = 7
    epochs: int | None = None
    # `graph` is the one engine of Keras's own that works in every version; `epoch` ends in the same bits.
    checked: Sequence[str] = ("graph", "fused")
    probed: Sequence[str] = ("epoch", "fused")
    trained: str = "epoch"


def check_plan(plan: MeasurementPlan) -> MeasurementPlan:
    """Return the plan, or refuse an unknown layer or lab.

    Raises:
        ValueError: A layer or a lab is unknown, or there are none.
    """
    for kind, names, known in (("layer", plan.layers, LAYERS), ("lab", plan.labs, tuple(LABS))):
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ValueError(f"unknown {kind} {''.join(unknown[:1])!r}: choose from {', '.join(known)}")
    return plan


def find_missing(record: VersionRecord, plan: MeasurementPlan) -> dict[str, list[Any]]:
    """Return by layer what the plan asks for and the record has neither a result nor a failure of.

    If an engine has failed and another engine gives the same bits, the other engine is measured instead.

    Returns:
        For the layers that lack something: `environment`, `seconds`, engines, cases, and seeds of cases. The text of
        each names it in a `Failure`.
    """
    failed = {(failure.layer, failure.what) for failure in record.failures}
    if any(layer in NEEDED for layer, _ in failed):
        return {}
    probed = probes_by_case(record)
    trained = {(results.lab, seed) for results in record.accuracy for seed in results.seeds}
    missing: dict[str, list[Any]] = {
        "install": [] if record.install else ["environment"],
        "import": [] if record.imports else ["seconds"],
        "checks": [engine for engine in plan.checked if engine not in record.checks],
        "probes": [case for case in _list_cases(plan.labs, plan.probed, "probes", failed) if case not in probed],
        "accuracy": [
            CaseSeed(case, seed)
            for case in _list_cases(plan.labs, (plan.trained,), "accuracy", failed)
            for seed in range(FIRST_SEED, FIRST_SEED + plan.seeds)
            if (case.lab, seed) not in trained
        ],
    }
    left = {layer: [piece for piece in missing[layer] if (layer, str(piece)) not in failed] for layer in LAYERS}
    return {layer: left[layer] for layer in LAYERS if layer in plan.layers and left[layer]}


def _list_cases(labs: Sequence[str], engines: Sequence[str], layer: str, failed: set[tuple[str, str]]) -> list[Case]:
    """Return each lab with each engine, or with the engine that stands in for one that has failed."""
    cases = []
    for lab in labs:
        for engine in engines:
            tried = [Case(lab, name) for name in (engine, STAND_INS.get(engine)) if name]
            cases += [case for case in tried if (layer, str(case)) not in failed][:1]
    return list(dict.fromkeys(cases))
