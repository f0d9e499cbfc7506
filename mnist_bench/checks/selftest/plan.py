"""Which checks are run on a planted fault, and when enough of them have answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mnist_bench.checks.layers import arithmetic, contracts, figures, reproducibility, seeds, structure
from mnist_bench.checks.layers.guard import guard
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from mnist_bench.training.data.dataset import Dataset

    Check: TypeAlias = tuple[str, Callable[[], CheckResult]]

__all__ = ["run_checks"]

# The perceptron has nothing that the mlp lacks, and the dropout lab's dense layers are the mlp's.
_LAB, _DROPOUT = "mlp", "dropout"

# Once something is found, those of its stage and the next that are needed to name the cause: one trace answers all but
# the first.
_WITNESSES = {
    "arithmetic/figures",
    *(f"contract/{name}" for name in ("every-sample-once", "validation-apart", "labels-aligned", "mean-loss")),
    *(f"contract/{name}" for name in ("dropout-share", "dropout-new-mask", "dropout-scale", "dropout-evaluation")),
}


def run_checks(engine: str, source: str, dataset: Dataset, *, ignored: Sequence[str]) -> Iterator[CheckResult]:
    """Run the fast checks, stage by stage, and stop when the cause should be known.

    Args:
        engine: A key of `ENGINES`.
        source: The data of the trainings that must end in the same bits.
        dataset: The same data, loaded.
        ignored: Names of checks that do not hold here without any fault.

    Yields:
        The result of each check. Wrong data move the weights wrongly, too: so where arithmetic has regressed, the
        contracts follow that tell whose fault it is, and nothing else.
    """
    found = False
    for stage in (
        _list_structure(),
        _list_arithmetic(_LAB, engine),
        _list_orders(engine),
        _list_arithmetic(_DROPOUT, engine),
        _list_masks(engine),
        _list_bits(engine, source, dataset),
    ):
        for result in _run([it for it in stage if not found or it[0].partition("[")[0] in _WITNESSES], ignored):
            found = found or result.verdict is Verdict.REGRESSED
            yield result
        if found and not stage[0][0].startswith("arithmetic/"):
            return


def _run(stage: Sequence[Check], ignored: Sequence[str]) -> Iterator[CheckResult]:
    for name, check in stage:
        if name not in ignored:
            yield guard(name, check)


def _list_structure() -> list[Check]:
    return [
        *((f"structure/layers[{lab}]", partial(structure.check_layers, lab)) for lab in (_LAB, _DROPOUT)),
        (f"structure/initial-weights[{_LAB}]", partial(structure.check_initial_weights, _LAB)),
        (f"structure/seeds[{_LAB}]", partial(seeds.check_seeds, _LAB)),
    ]


def _list_arithmetic(lab: str, engine: str) -> list[Check]:
    checks = {"oracle": arithmetic.check_arithmetic, "figures": figures.check_figures}
    return [(f"arithmetic/{name}[{lab}-{engine}]", partial(check, lab, engine)) for name, check in checks.items()]


def _list_orders(engine: str) -> list[Check]:
    names = [name for name in contracts.CONTRACTS if not name.startswith("dropout")]
    return [(f"contract/{name}[{engine}]", partial(contracts.check_contract, name, engine)) for name in names]


def _list_masks(engine: str) -> list[Check]:
    names = [name for name in contracts.CONTRACTS if name.startswith("dropout")]
    return [(f"contract/{name}[{engine}]", partial(contracts.check_contract, name, engine)) for name in names]


def _list_bits(engine: str, source: str, dataset: Dataset) -> list[Check]:
    config = TrainingConfig(lab=_LAB, engine=engine, seed=FIRST_SEED, epochs=1, data=source)

    def check() -> CheckResult:
        with reproducibility.FreshProcess() as fresh:
            return reproducibility.check_bits(config, dataset, fresh)

    return [
        ("reproducibility/op-determinism", reproducibility.check_determinism),
        (f"reproducibility/bits[{_LAB}-{engine}]", check),
    ]
