"""The likeliest cause of what does not hold, in one sentence with numbers, from the pattern of all checks.

Decisions are made on verdicts, names and readings, never on the wording of a figure; a figure may be quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.causes import Cause, explain_figures, explain_first_step, explain_movements
from mnist_bench.records.verdicts import RAISED, CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["diagnose"]

# The cause that a check names when it does not hold, in the order of the stages: data before arithmetic, because wrong
# data move weights wrongly, too. A contract on data that wrong arithmetic makes unreadable is no witness.
_STAGES = {
    "structure/environment": ("environment", "the backend or the precision is not the lab's"),
    "structure/layers": ("layers", "the model is not the lab's"),
    "structure/initial-weights": ("initial weights", "the initialiser is not the lab's"),
    "structure/seeds": ("seeds", "seeds or layers share random numbers"),
    "contract/labels-aligned": ("labels", "images are trained with the labels of others"),
    "contract/validation-apart": ("validation", "the split of training and validation samples is wrong"),
    "contract/every-sample-once": ("samples", "an epoch does not train each sample once"),
    "contract/full-epoch": ("samples", "an epoch of full size does not train each sample once"),
    "arithmetic/oracle": ("update", "a step does not compute what the oracle computes"),
    "contract/mean-loss": ("update", "a step does not move the weights by the mean gradient of its batch"),
    "contract/order-by-seed": ("order", "the order of the samples does not follow the seed"),
    "contract/new-order": ("order", "the order of the samples is not drawn anew in each epoch"),
    "contract/whole-shuffle": ("order", "the samples are not shuffled as a whole"),
    "contract/dropout-share": ("dropout", "dropout drops another share of units"),
    "contract/dropout-new-mask": ("dropout", "dropout repeats its masks"),
    "contract/dropout-scale": ("dropout", "the units that dropout keeps have another scale"),
    "contract/dropout-evaluation": ("dropout", "dropout is on in evaluation"),
    "arithmetic/figures": ("figures", "the figures reported are not those of the weights"),
    "reproducibility/op-determinism": ("determinism", "op determinism cannot be turned on"),
    "reproducibility/bits": ("reproducibility", "a seed does not determine the result"),
    "reproducibility/trained-seeds": ("seeds", "two seeds are one training"),
}


# Movements that no wrong sample or label explains.
_BEYOND_DATA = {"stale gradient", "no update", "not finite", "optimizer"}


def diagnose(results: Sequence[CheckResult]) -> Cause | None:
    """Return the likeliest cause of what has regressed; None where nothing has.

    Args:
        results: All checks of a run, or all of one side of a comparison.
    """
    bad = [result for result in results if result.verdict is Verdict.REGRESSED]
    if not bad:
        return None
    order = {name: place for place, name in enumerate(_STAGES)}
    known = sorted((result for result in bad if result.check in order), key=lambda result: order[result.check])
    if not known:
        names = ", ".join(dict.fromkeys(result.check for result in bad))
        return Cause("unknown", f"no pattern fits: of the stages checked here each holds, and {names} regressed")
    first = known[0]
    raised = next((result for result in known if result.figure == RAISED), None)
    if raised:
        return Cause("error", f"Keras raises an error: {raised.evidence} ({raised.name})")
    if first.layer == "contract":
        movement = _explain_update([result for result in bad if result.check == "arithmetic/oracle"])
        if movement and movement.key in _BEYOND_DATA:
            return movement
    cause = _EXPLAINED[first.check](results) if first.check in _EXPLAINED else None
    return cause or Cause(_STAGES[first.check][0], f"{_STAGES[first.check][1]}: {first.figure} ({first.name})")


def _explain_update(results: Sequence[CheckResult]) -> Cause | None:
    """Explain movements that are not the oracle's; the deepest model that departs tells the most."""
    movements = max((result.readings for result in _find(results, "arithmetic/oracle")), key=len, default=[])
    steps = [it for result in results for it in result.readings if result.layer == "contract"]
    return explain_first_step(steps) or explain_movements(movements)


def _explain_split(results: Sequence[CheckResult]) -> Cause | None:
    """Tell rows that are missing from samples of validation that are trained on."""
    trained = sum(it.samples or 0 for result in _find(results, "contract/validation-apart") for it in result.readings)
    figures = [
        result.figure for result in _find(results, "contract/every-sample-once") if result.verdict is Verdict.REGRESSED
    ]
    if trained or not figures:
        return None
    return Cause("samples", f"an epoch does not train each sample once: {figures[0]}, and none of validation")


def _explain_figures(results: Sequence[CheckResult]) -> Cause | None:
    return explain_figures([it for result in _find(results, "arithmetic/figures") for it in result.readings])


def _find(results: Sequence[CheckResult], check: str) -> list[CheckResult]:
    return [result for result in results if result.check == check]


# Asked with all results.
_EXPLAINED: dict[str, Callable[[Sequence[CheckResult]], Cause | None]] = {
    "contract/validation-apart": _explain_split,
    "arithmetic/oracle": _explain_update,
    "contract/mean-loss": _explain_update,
    "arithmetic/figures": _explain_figures,
}
