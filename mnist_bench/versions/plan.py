"""What is to be measured of each version, what of that a record still lacks, and what two records should both hold."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_bench.checks.names import ADDED_LATER, name_fast_checks
from mnist_bench.records.config import FIRST_SEED, Case
from mnist_bench.training.executions import loses_losses
from mnist_bench.training.labs import LABS, check_lab
from mnist_bench.versions.bits import FIT, SAME_BITS
from mnist_bench.versions.records import NEEDED, Planned, probes_by_case, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mnist_bench.versions.records import VersionRecord

__all__ = [
    "LAYERS",
    "CaseSeed",
    "MeasurementPlan",
    "add_plan",
    "check_plan",
    "choose_engine",
    "find_due",
    "find_gaps",
    "find_missing",
    "find_too_new",
]

LAYERS = ("install", "import", "checks", "probes", "accuracy")

_LEAST_SEEDS = 5  # of records that do not say what was planned: the first records have as many


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


def add_plan(record: VersionRecord, plan: MeasurementPlan) -> Planned:
    """Return what a record should hold after this run: what it should hold already, and all that the plan names.

    Layers that the plan leaves out are due nevertheless: a version without them is not judged.

    Raises:
        ValueError: The plan has other epochs than the record.
    """
    for lab, epochs in ((results.lab, results.epochs) for results in record.accuracy):
        wanted = plan.epochs or check_lab(lab).epochs
        if epochs != wanted:
            raise ValueError(f"{lab} was trained for {epochs} epochs, not for {wanted}: --again, or another --out")
    if record.planned and record.planned.epochs != plan.epochs:
        told = [f"{epochs or 'the labs own'} epochs" for epochs in (record.planned.epochs, plan.epochs)]
        raise ValueError(f"measured with {told[0]}, not with {told[1]}: --again, or another --out")
    new = _make_planned(plan)
    if "accuracy" not in plan.layers:
        new = dataclasses.replace(new, seeds=[])  # the number of seeds is that of another layer
    if record.planned and set(record.planned.labs) - set(plan.labs):
        # More seeds of some labs are no lack of the others.
        new = dataclasses.replace(new, seeds=[], further=dict.fromkeys(new.labs, new.seeds))
    return _unite([record.planned, new] if record.planned else [new])


def find_due(*records: VersionRecord) -> Planned | None:
    """Return what each of these records should hold: what any of them was planned with, and what is always measured.

    What the records hold says nothing: what was measured nowhere would be due nowhere. A record that does not say what
    was planned was planned with all labs. An engine of Keras's own `fit` stands as `FIT`, because all of them end in
    the same bits.

    Returns:
        What is due; None of trainings and probes that someone gathered, which belong to no plan.
    """
    if all(record.planned == Planned() for record in records):
        return None
    usual = _make_planned(MeasurementPlan(seeds=_LEAST_SEEDS))
    if any(record.planned is None or record.planned.whole for record in records):
        always = [dataclasses.replace(usual, labs=[], seeds=[])]
    else:
        always = []  # two environments that were measured together, as far as the comparison needed
    due = _unite([*(_read_plan(record, usual) for record in records), *always])
    return dataclasses.replace(due, probed=_to_methods(due.probed), trained=_to_methods(due.trained))


def find_gaps(record: VersionRecord, due: Planned) -> Iterator[tuple[str, str]]:
    """Yield what a record lacks of what is due: the name of the check that cannot be made, and what is not there."""
    if record.install is None or not record.install.packages:
        yield "version/install", "no packages"
    if due.whole and not record.imports:
        yield "version/import", "no seconds"
    methods = {
        layer: {(case.lab, _to_method(case.engine)) for case in cases}
        for layer, cases in (("bits/probe", probes_by_case(record)), ("accuracy/trainings", seeds_by_case(record)))
    }
    for layer, engines in (("bits/probe", due.probed), ("accuracy/trainings", due.trained)):
        for lab, method in itertools.product(due.labs, engines):
            if (lab, method) not in methods[layer]:
                yield f"{layer}[{Case(lab, method)}]", "none"
    # Of other seeds than the other side's, each side is held to its own plan: see `find_due`.
    own = find_due(record) or due
    for results in record.accuracy:
        wanted = own.list_seeds(results.lab)
        lacking = [seed for seed in wanted if seed not in results.seeds]
        if lacking and _to_method(results.engine) in due.trained:
            figure = f"{len(lacking)} of {len(wanted)} seeds are missing, such as {lacking[0]}"
            yield f"accuracy/seeds[{results.case}]", figure
        elif len(results.seeds) == 1 and due.whole:
            yield f"accuracy/seeds[{results.case}]", f"seed {results.seeds[0]} alone: one seed has no spread"
    yield from _find_unchecked(record, due)


def find_too_new(record: VersionRecord) -> frozenset[str]:
    """Return the checks that did not exist when the record was made: it has none of them."""
    return ADDED_LATER - {result.check for results in record.checks.values() for result in results}


def _find_unchecked(record: VersionRecord, due: Planned) -> Iterator[tuple[str, str]]:
    """Yield each check that there is not; of an engine without any check, the engine alone."""
    there, too_new = {result.name for results in record.checks.values() for result in results}, find_too_new(record)
    for engine in due.checked:
        if record.checks.get(engine):
            names = [name for name in name_fast_checks(due.labs, engine) if name not in there]
            yield from ((name, "not checked") for name in names if name.partition("[")[0] not in too_new)
        else:
            yield f"checks/{engine}", "no check"


def choose_engine(*keras: str) -> str:
    """Return the engine of Keras's own that trains fastest in each of these versions of Keras.

    Keras 3.0 to 3.6 cannot run a whole epoch in one call: see `engines.check_steps`. `graph` ends in the same bits as
    `epoch`, but takes longer.

    Args:
        keras: Releases, such as `3.6.0`; `any` where the version is not known yet.
    """
    return "graph" if any(loses_losses(version) for version in keras if version != "any") else "epoch"


def _make_planned(plan: MeasurementPlan) -> Planned:
    return Planned(
        labs=list(plan.labs),
        checked=list(plan.checked),
        probed=list(plan.probed),
        trained=[plan.trained],
        seeds=list(range(FIRST_SEED, FIRST_SEED + plan.seeds)),
        epochs=plan.epochs,
    )


def _read_plan(record: VersionRecord, usual: Planned) -> Planned:
    """Return what a record was planned with; labs and seeds are the usual ones where it does not say."""
    planned = record.planned or Planned()
    # Of a record that does not say, the seeds beyond the usual ones that all its labs were trained with.
    seeds = planned.seeds or sorted({*usual.seeds, *(_find_common(record) if record.planned is None else [])})
    return dataclasses.replace(planned, labs=planned.labs or usual.labs, seeds=seeds)


def _find_common(record: VersionRecord) -> list[int]:
    """Return the seeds that all labs of a record were trained with."""
    seeds = [set(results.seeds) for results in record.accuracy]
    return sorted(set.intersection(*seeds)) if seeds else []


def _unite(plans: Iterable[Planned]) -> Planned:
    """Return what any of these plans names."""
    plans = list(plans)
    names = ("labs", "checked", "probed", "trained", "seeds")
    united: dict[str, Any] = {
        name: list(dict.fromkeys(value for plan in plans for value in getattr(plan, name))) for name in names
    }
    further = {
        lab: sorted({seed for plan in plans for seed in plan.further.get(lab, [])} - set(united["seeds"]))
        for lab in united["labs"]
    }
    return Planned(
        **{**united, "seeds": sorted(united["seeds"])},
        further={lab: seeds for lab, seeds in further.items() if seeds},
        epochs=plans[0].epochs,
        whole=any(plan.whole for plan in plans),
    )


def _to_method(engine: str) -> str:
    return FIT if engine in SAME_BITS else engine


def _to_methods(engines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(_to_method, engines)))


def find_missing(record: VersionRecord, plan: MeasurementPlan) -> dict[str, list[Any]]:
    """Return by layer what the plan asks for and the record has neither a result nor a failure of.

    Where Keras cannot train by `epoch`, `graph` is due in its place.

    Returns:
        For the layers that lack something: `environment`, `seconds`, engines, cases, and seeds of cases. The text of
        each names it in a `Failure`.
    """
    failed = {(failure.layer, failure.what) for failure in record.failures}
    if any(layer in NEEDED for layer, _ in failed):
        return {}
    probed = probes_by_case(record)
    trained = {
        (results.lab, seed)
        for results in record.accuracy
        # A training of another length is another training.
        if results.epochs == (plan.epochs or check_lab(results.lab).epochs)
        for seed in results.seeds
    }
    missing: dict[str, list[Any]] = {
        "install": [] if record.install else ["environment"],
        "import": [] if record.imports else ["seconds"],
        "checks": [engine for engine in plan.checked if not record.checks.get(engine)],
        "probes": [case for case in _list_cases(plan, plan.probed, record.keras) if case not in probed],
        "accuracy": [
            CaseSeed(case, seed)
            for case in _list_cases(plan, (plan.trained,), record.keras)
            for seed in range(FIRST_SEED, FIRST_SEED + plan.seeds)
            if (case.lab, seed) not in trained and ("accuracy", str(case)) not in failed
        ],
    }
    left = {layer: [piece for piece in missing[layer] if (layer, str(piece)) not in failed] for layer in LAYERS}
    return {layer: left[layer] for layer in LAYERS if layer in plan.layers and left[layer]}


def _list_cases(plan: MeasurementPlan, engines: Sequence[str], keras: str) -> list[Case]:
    """Return each lab with each engine, `epoch` as far as this version of Keras can train by it."""
    chosen = dict.fromkeys(choose_engine(keras) if engine == "epoch" else engine for engine in engines)
    return [Case(lab, engine) for lab in plan.labs for engine in chosen]
