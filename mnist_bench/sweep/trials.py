"""The trials of a sweep: each point is trained with every seed, without the test set; then the chosen are tested."""

from __future__ import annotations

import dataclasses
import os
import platform
from typing import TYPE_CHECKING, Any

from mnist_bench.records.acceptance import now
from mnist_bench.records.checksum import CHECKSUM, explain_checksum, seal
from mnist_bench.records.config import check_answer
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord, ValidationRecord
from mnist_bench.sweep.records import ChosenRecord, SweepPlan, SweepRecord, TrialRecord
from mnist_bench.sweep.space import make_config
from mnist_bench.sweep.storage import load_optuna
from mnist_bench.sweep.study import join_study, open_study, read_slots, work
from mnist_bench.training.runner import check_config, train, train_untested

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.sweep.space import Point
    from mnist_bench.sweep.study import Slot
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.fusion import EpochFigures

__all__ = ["check_points", "make_record", "open_sweep", "open_tests", "run_trials"]

# Two epochs say nothing about a slow but steady point, and a median needs at least this many points.
_WARMUP_EPOCHS, _STARTUP_TRIALS = 2, 5
_ENDED = ("complete", "pruned", "failed")


def check_points(plan: SweepPlan, points: Sequence[Point | None]) -> None:
    """Check the configuration of every training of a sweep.

    Raises:
        ValueError: A value is not allowed.
    """
    for point in points:
        for seed in plan.seeds:
            check_config(make_config(plan.space, point or {}, seed=seed, data="auto"))


def open_sweep(url: str, name: str, plan: SweepPlan, points: Sequence[Point | None], *, heartbeat: int) -> Any:
    """Create the study of a sweep, or join it if it exists.

    Raises:
        ValueError: As `study.open_study`.
    """
    identity = {"what": "mnist_bench sweep", **dataclasses.asdict(plan)}
    return open_study(url, name, identity, points, heartbeat=heartbeat)


def open_tests(url: str, name: str, plan: SweepPlan, trials: Sequence[TrialRecord], *, heartbeat: int) -> Any:
    """Create the study that tests the chosen trials, each once, or join it if it exists.

    Raises:
        ValueError: As `study.open_study`.
    """
    points = [trial.point for trial in trials]
    chosen = {"numbers": [trial.number for trial in trials], "points": points}
    identity = {"what": "mnist_bench test", **dataclasses.asdict(plan), "chosen": chosen}
    return open_study(url, name, identity, points, heartbeat=heartbeat)


def run_trials(url: str, name: str, dataset: Dataset, *, data: str, worker: int, heartbeat: int) -> None:
    """Process the queue of a sweep, or of its tests: the work of a worker process.

    Args:
        url: The database.
        name: The name of the study.
        dataset: The data.
        data: The source of the data, for the records.
        worker: The number of this worker, from which its random draws are seeded.
        heartbeat: Seconds between two heartbeats.

    Raises:
        ValueError: The study cannot be used, or needs other data.
    """
    optuna = load_optuna()
    study = join_study(url, name, heartbeat=heartbeat)
    identity = dict(study.user_attrs["identity"])
    tested = identity.pop("what") == "mnist_bench test"
    identity.pop("chosen", None)
    plan = convert(identity, SweepPlan, origin=f"study {name!r}")
    if plan.dataset.digest != dataset.digest:
        raise ValueError(f"study {name!r} needs other data than {data}: {plan.dataset.source}, {plan.dataset.digest}")
    # Running trials count as bad, so that two workers do not try the same region at the same time.
    study.sampler = optuna.samplers.TPESampler(seed=plan.seeds[0] + worker, constant_liar=True)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=_WARMUP_EPOCHS)

    def objective(trial: Any) -> float:
        trial.set_user_attr("worker", f"{platform.node()}:{os.getpid()}")
        point = _settle_point(trial, plan)
        twin = None if tested else _find_twin(study, trial, point)
        if twin is not None:
            trial.set_user_attr("repeats", twin.user_attrs["slot"])
            return float(twin.value)
        trainer = _test_seed if tested else _train_seed
        figures = [trainer(trial, plan, point, seed, dataset, data) for seed in plan.seeds]
        return sum(figures) / len(figures)

    work(study, objective)


def make_record(study: Any, tests: Any | None) -> SweepRecord:
    """Return the results of a sweep so far.

    Args:
        study: The study of the sweep.
        tests: The study of the tests, or None.
    """
    identity = {name: value for name, value in study.user_attrs["identity"].items() if name != "what"}
    plan = convert(identity, SweepPlan, origin=study.study_name)
    tested = []
    if tests is not None:
        slots, trials = read_slots(tests), study.user_attrs["slots"]
        chosen = tests.user_attrs["identity"].get("chosen")
        origin = f"study {tests.study_name!r}: chosen"
        numbers = convert(chosen.get("numbers") if isinstance(chosen, dict) else None, list[int], origin=origin)
        if len(numbers) != len(slots) or not all(0 <= number < trials for number in numbers):
            raise ValueError(
                f"study {tests.study_name!r} was edited: it has {len(slots)} places for the trials {numbers}, "
                f"of {trials} trials"
            )
        for number, slot in zip(numbers, slots, strict=True):
            if slot.state == "complete":
                records = _read_records(slot, plan, TrainingRecord, tests.study_name)
                tested.append(ChosenRecord(number=number, trainings=records))
    return SweepRecord(
        plan=plan,
        trials=[_make_trial(slot, plan, study.study_name) for slot in read_slots(study)],
        tested=tested,
        created=now(),
    )


def _settle_point(trial: Any, plan: SweepPlan) -> Point:
    """Return the trial's point; the sampler chooses the point if the queue has none."""
    point = trial.user_attrs["point"]
    names = plan.space.levels if point is None else point
    # Also for fixed points, so that Optuna knows what was tried.
    settled = {name: trial.suggest_categorical(name, plan.space.levels[name]) for name in names}
    trial.set_user_attr("point", settled)
    return settled


def _find_twin(study: Any, trial: Any, point: Point) -> Any | None:
    """Return a complete trial of the same point: another training would give the same figures."""
    for earlier in study.get_trials(deepcopy=False, states=(load_optuna().trial.TrialState.COMPLETE,)):
        trained = earlier.number != trial.number and "repeats" not in earlier.user_attrs
        if trained and earlier.user_attrs.get("point") == point:
            return earlier
    return None


def _train_seed(trial: Any, plan: SweepPlan, point: Point, seed: int, dataset: Dataset, data: str) -> float:
    """Train one seed, unless an earlier attempt has, and return the validation accuracy."""
    kept = trial.user_attrs.get(_key(seed))
    if kept is not None:
        record: ValidationRecord = _take(kept, ValidationRecord, plan, point, seed, _key(seed))
        return record.val_accuracy
    config = make_config(plan.space, point, seed=seed, data=data)
    # All points are compared with the lab's own, which is therefore always trained to the end.
    watched = plan.prune and seed == plan.seeds[0] and trial.user_attrs["slot"] > 0
    record = train_untested(config, dataset=dataset, on_epoch=_make_pruner(trial) if watched else None)
    trial.set_user_attr(_key(seed), seal(dataclasses.asdict(record)))
    return record.val_accuracy


def _test_seed(trial: Any, plan: SweepPlan, point: Point, seed: int, dataset: Dataset, data: str) -> float:
    """Train one seed in full, and return the test accuracy."""
    record = train(make_config(plan.space, point, seed=seed, data=data), dataset=dataset)
    trial.set_user_attr(_key(seed), seal(dataclasses.asdict(record)))
    return record.test_accuracy


def _make_pruner(trial: Any) -> Callable[[int, EpochFigures], None]:
    def watch(epoch: int, figures: EpochFigures) -> None:
        trial.report(figures.val_accuracy, epoch)
        if trial.should_prune():
            raise load_optuna().TrialPruned

    return watch


def _key(seed: int) -> str:
    return f"record {seed}"


def _read_records(slot: Slot, plan: SweepPlan, form: Any, study: str) -> list[Any]:
    keys = {seed: _key(seed) for seed in plan.seeds if _key(seed) in slot.facts}
    point, where = slot.facts.get("point") or {}, f"study {study!r}: trial {slot.number}"
    return [_take(slot.facts[key], form, plan, point, seed, f"{where}, {key}") for seed, key in keys.items()]


def _take(kept: object, form: Any, plan: SweepPlan, point: Point, seed: int, origin: str) -> Any:
    """Return a record that a worker left in the database, if it is of the training that the worker was asked for.

    Raises:
        ValueError: It is no record, or of another training or other data, or was changed after it was written.
    """
    if isinstance(kept, dict):
        if fault := explain_checksum(kept):
            raise ValueError(f"{origin}: {fault}")
        kept = {name: value for name, value in kept.items() if name != CHECKSUM}
    record = convert(kept, form, origin=origin)
    # Each machine may have the data in another place.
    check_answer(make_config(plan.space, point, seed=seed, data=record.config.data), record.config, origin)
    if record.dataset.digest != plan.dataset.digest:
        raise ValueError(f"{origin}: trained on {record.dataset.source}, not on the sweep's {plan.dataset.source}")
    return record


def _make_trial(slot: Slot, plan: SweepPlan, study: str) -> TrialRecord:
    complete = slot.state == "complete"
    lost = f"its worker was lost {slot.attempts} times" if slot.state == "failed" else None
    return TrialRecord(
        number=slot.number,
        point=slot.facts.get("point"),
        state=slot.state if slot.state in _ENDED else "unfinished",
        attempts=slot.attempts,
        reason=slot.facts.get("error", lost) if slot.state == "failed" else None,
        repeats=slot.facts.get("repeats"),
        val_accuracy=list(slot.reports.values()) if slot.state == "pruned" else [],
        trainings=_read_records(slot, plan, ValidationRecord, study) if complete else [],
    )
