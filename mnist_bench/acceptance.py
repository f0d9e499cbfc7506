"""Accepting records as baselines: the rules, and what two baselines say beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mnist_bench import baselines
from mnist_bench.contracts import CONTRACTS, check_contract
from mnist_bench.known import apply_known, load_known
from mnist_bench.proberecords import describe_difference, load_probe
from mnist_bench.records import load_record
from mnist_bench.sequential import ACCURACY_MARGIN, Comparison, format_decision, judge, loss_margin
from mnist_bench.serial import RecordError
from mnist_bench.suite import collect_versions
from mnist_bench.thresholds import judge_threshold
from mnist_bench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records import TrainingRecord

__all__ = ["accept_folder", "diff_baselines", "find_objections"]


def accept_folder(source: Path, folder: Path, *, why: str, force: bool = False) -> list[Path]:
    """Accept every record of a folder: training records as references, probes as digest baselines.

    Args:
        source: The folder of records.
        folder: The baselines.
        why: The reason, for whoever reviews the file.
        force: Whether to accept against the rules; the file says which were broken.

    Returns:
        The baselines written.

    Raises:
        ValueError: A rule is broken and `force` is off, or the records do not belong together.
    """
    probes, trainings = _sort_out(source)
    objections = find_objections(
        trainings, [probe.environment.commit for probe in probes], _engines(probes, trainings)
    )
    if objections and not force:
        raise ValueError(f"{source}: not accepted: {'; '.join(objections)} (--force says so in the file)")
    acceptance = baselines.make_acceptance(why, objections)
    groups: dict[tuple[str, str], list[TrainingRecord]] = {}
    for record in trainings:
        groups.setdefault((record.config.lab, record.config.engine), []).append(record)
    written = [baselines.accept_accuracy(group, folder, acceptance) for group in groups.values()]
    return written + [baselines.accept_probe(probe, folder) for probe in probes]


def find_objections(
    trainings: Sequence[TrainingRecord], commits: Sequence[str | None], engines: Sequence[str]
) -> list[str]:
    """Return why records should not become baselines: a dirty tree, a threshold missed, a contract broken."""
    objections = []
    everywhere = [*commits, *(record.environment.commit for record in trainings)]
    if any(commit is not None and commit.endswith("+dirty") for commit in everywhere):
        objections.append("the working tree was dirty")
    low = [record for record in trainings if judge_threshold(record) is not Verdict.PASS]
    objections += [
        f"{record.config.lab} seed {record.config.seed} is below its threshold" for record in low[:1]
    ]
    known, versions = load_known(), collect_versions()
    for engine in engines:
        results = [apply_known(check_contract(name, engine), engine, versions, known) for name in CONTRACTS]
        objections += [f"{result.name} fails here" for result in results if not result.holds]
    return objections


def diff_baselines(base: Path, new: Path) -> Iterator[str]:
    """Yield lines that compare two baselines of the same kind.

    Raises:
        ValueError: They are of different kinds, labs or data, or not valid.
    """
    try:
        old, now = baselines.load_accuracy(base), baselines.load_accuracy(new)
    except RecordError as error:
        if "accuracy-baseline" not in str(error):
            raise
        yield describe_difference(load_probe(base), load_probe(new))
        return
    if (old.lab, old.dataset_digest) != (now.lab, now.dataset_digest):
        raise ValueError(f"{base} and {new} are of different labs or data")
    last = {reference.engine: reference for reference in old.references}
    for reference in {reference.engine: reference for reference in now.references}.values():
        if reference.engine not in last:
            yield f"{reference.engine}: only in {new}"
            continue
        before = last[reference.engine]
        comparisons = {
            "accuracy": Comparison(before.test_accuracy, reference.test_accuracy, "lower", ACCURACY_MARGIN),
            "loss": Comparison(
                before.test_loss, reference.test_loss, "higher", loss_margin(before.test_loss)
            ),
        }
        for metric, decision in judge(comparisons, rng=np.random.default_rng(1671), looks=1).items():
            yield f"{reference.engine} {metric}: {format_decision(decision)}"


def _sort_out(source: Path) -> tuple[list, list[TrainingRecord]]:
    paths = sorted(source.glob("*.json"))
    if not paths:
        raise RecordError(f"{source}: no records (*.json) there")
    probes, trainings = [], []
    for path in paths:
        try:
            trainings.append(load_record(path))
        except RecordError as error:
            if "kind is 'probe'" not in str(error):
                raise
            probes.append(load_probe(path))
    return probes, trainings


def _engines(probes: Sequence, trainings: Sequence[TrainingRecord]) -> list[str]:
    return sorted({record.config.engine for record in (*probes, *trainings)})
