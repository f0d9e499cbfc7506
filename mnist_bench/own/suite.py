"""Everything that is checked of a user's own model in one environment: by itself, and against stored stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.elsewhere import did_not_run
from mnist_bench.own.elsewhere import ask_own_checks, ask_own_probe, name_case
from mnist_bench.own.stored import load_baseline, make_side
from mnist_bench.own.upgrade.parity import compare_data, compare_layers, compare_own_bits
from mnist_bench.records.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mnist_bench.own.records import OwnConfig, OwnProbe

__all__ = ["check_against", "check_own"]


def check_own(config: OwnConfig, baselines: Path | None = None) -> Iterator[CheckResult]:
    """Yield the checks of a model in this environment.

    Args:
        config: The model, the seed and the device.
        baselines: The folder of stored stages that those of this environment are compared with; None: no baseline is
            due.

    Raises:
        CommandError: The model cannot be measured, such as a file whose `build()` raises an error.
        ValueError: The stored stages are of another text of the model file, or no valid record.
    """
    baseline = load_baseline(baselines, config.model) if baselines else None
    yield from ask_own_checks(None, config)
    if baselines and baseline is None:
        yield CheckResult(
            name=f"bits/{name_case(config.model)}",
            verdict=Verdict.NO_BASELINE,
            figure=f"no {config.model.name}.json in {baselines}",
            bound="stored stages",
            command=f"mnist-bench check --model {config.model.path} --save-digests {baselines}",
        )
    elif baseline:
        try:
            probe = ask_own_probe(None, config)
        except CommandError as error:
            yield did_not_run(f"bits/{name_case(config.model)}", str(error))
            return
        yield from check_against(baseline, probe)


def check_against(baseline: OwnProbe, probe: OwnProbe) -> Iterator[CheckResult]:
    """Yield what the stages of a model say, compared with stored ones.

    Stages that were stored under another numerics key, such as of another Keras, are no baseline of these bits: a stage
    that moved from given weights is another computation all the same.
    """
    base, new = make_side(baseline, "baseline"), make_side(probe, "now")
    case = name_case(probe.config.model)
    if other_data := compare_data(base, new, case):
        yield other_data
        return
    yield compare_layers(baseline, probe, case)[0]
    bits = compare_own_bits(base, new, case)
    assert bits.result is not None  # noqa: S101 - of stages alone there always is one
    keys = explain_keys(baseline.environment, probe.environment, NUMERICS_FIELDS)
    if bits.result.verdict is Verdict.INCONCLUSIVE and keys:
        differ = ", ".join(f"{name} {x!r} and {y!r}" for name, (x, y) in sorted(keys.items()))
        yield CheckResult(
            name=bits.result.name,
            verdict=Verdict.NO_BASELINE,
            figure=bits.result.figure,
            bound=bits.result.bound,
            evidence=f"stored with another {differ}: compare both environments",
            command=f"mnist-bench compare OLD NEW --model {probe.config.model.path}",
        )
        return
    yield bits.result
