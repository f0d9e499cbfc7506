"""The cause that is named follows from the pattern of the checks and their readings, never from their words."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_bench.checks.causes import explain_figures, explain_first_step, explain_movements
from mnist_bench.checks.diagnosis import diagnose
from mnist_bench.records.readings import Reading
from mnist_bench.records.verdicts import RAISED, CheckResult, Verdict

TENSORS = ("kernel 1", "bias 1", "kernel 2", "bias 2")
NOISE = 1e-5


def read(steps: int = 1, **columns: list[Any]) -> list[Reading]:
    """Return readings of four tensors that follow the oracle, except for the columns given."""
    sound = {"factor": [1.0] * 4, "rest": [NOISE / 4] * 4, "evenness": [1.2] * 4} | columns
    return [
        Reading(what=what, steps=steps, noise=NOISE, **{name: column[place] for name, column in sound.items()})
        for place, what in enumerate(TENSORS)
    ]


def make(check: str, verdict: Verdict = Verdict.REGRESSED, readings: list[Reading] | None = None) -> CheckResult:
    """Return a result of this check."""
    return CheckResult(name=f"{check}[x]", verdict=verdict, figure="f", bound="b", readings=readings or [])


@pytest.mark.parametrize(
    ("columns", "key", "words"),
    [
        ({"factor": [1.05] * 4}, "step size", "each update is 1.05 times what the gradient asks for, in every layer"),
        ({"factor": [-1.0] * 4}, "step size", "-1 times"),
        ({"factor": [1, 2.0, 1, 2.0]}, "tensor scale", "biases move 2 times as far as they should"),
        ({"factor": [0.0, 1, 0.0, 1]}, "tensor scale", "kernels do not move"),
        ({"factor": [1, 1, 0.5, 0.5]}, "tensor scale", "kernel 2, bias 2 move 0.5 times"),
        ({"factor": [1, 1, 0.5, 1.0]}, "tensor scale", "kernel 2 moves 0.5 times as far as it should"),
        ({"factor": [0.0, 1, 1, 1.0]}, "tensor scale", "kernel 1 does not move"),
        ({"factor": [1.0001] * 4}, "step size", "each update is 1.0001 times"),
        ({"factor": [0.2, 0.3, 0.4, 0.5]}, "clipping", "0.2 to 0.5 times as far as they should: gradients are cut"),
        ({"factor": [0.0] * 4, "rest": [0.0] * 4, "evenness": [None] * 4}, "no update", "moves no weight"),
        ({"factor": [None] * 4, "rest": [None] * 4}, "not finite", "not finite"),
        ({"factor": [30.0] * 4, "rest": [20.0] * 4, "evenness": [0.01] * 4}, "optimizer", "not plain gradient descent"),
        ({"rest": [1.6e-3, 1.5e-3, 1.7e-3, 1.6e-3]}, "precision", "gradients carry about 8 bits: bfloat16"),
        ({"rest": [2e-4] * 4}, "precision", "about 11 bits: float16 or TF32"),
        ({"rest": [3e-5] * 4}, "precision", "less than float32"),
        ({"rest": [7e-2, 8e-2, 4e-3, 8e-4]}, "precision", "products carry about 8 bits: bfloat16"),
        (
            {"rest": [1.4e-4, 1.2e-4, 1.4e-4, 4e-5]},
            "gradient",
            "but for 0.0001 of the movement",
        ),
        (
            {"rest": [0.3, 0, 0, 0]},
            "backward pass",
            "kernel 1 moves in another direction than the gradient (cosine 0.9",
        ),
        ({"rest": [0.5] * 4, "limit": [0.01, None, None, None]}, "clipping", "larger than 0.01"),
        (
            {"factor": [3.1, 3.16, 2.9, 3.1], "rest": [0.1, 0.05, 0.1, 0.05]},
            "optimizer",
            "not the same for all weights",
        ),
        ({"rest": [0.1, 0, 0.2, 0], "decay": [1, None, 1, None], "decay_rest": [0.0] * 4}, "optimizer", "100% of each"),
        ({"factor": [2, 1, -1, 1.0], "rest": [900, 8, 400, 5.0]}, "other change", "up to 9e+02 times as far as"),
        ({"rest": [0.3, 0.2, 0.3, 0.2]}, "gradient", "every tensor moves in another direction than the gradient"),
        ({"rest": [0.3, 0.3, 0, 0]}, "backward pass", "kernel 1, bias 1 move in another direction"),
        (
            {"rest": [1e-2, 0, 2e-2, 0], "decay": [2e-6, None, 2e-6, None], "decay_rest": [NOISE / 9] * 4},
            "weight decay",
            "each step also takes 2e-06 of each weight",
        ),
    ],
)
def test_a_first_step_tells_its_cause(columns: dict[str, list[Any]], key: str, words: str) -> None:
    """A factor, a decay, a limit, fewer bits or another direction: each is told with its number."""
    cause = explain_movements(read(**columns))
    assert cause is not None
    assert cause.key == key
    assert words in cause.sentence


def test_later_steps_tell_their_cause() -> None:
    """A first step that is right, or that is missing, points to what the update remembers."""
    later = explain_movements([*read(), *read(10, factor=[1.09] * 4)])
    assert later is not None
    assert later.key == "later steps"
    assert "10 steps move the weights 1.09 times as far" in later.sentence
    lost = explain_movements([*read(), *read(10, factor=[0.5, 1, 1, 1.0], rest=[0.1, 0, 0, 0])])
    assert lost is not None
    assert "10 steps move kernel 1 0.5 times as far" in lost.sentence
    slight = explain_movements([*read(), *read(10, rest=[3e-5] * 4)])
    assert slight is not None
    assert slight.key == "precision"
    nothing = {"factor": [0.0] * 4, "rest": [0.0] * 4, "evenness": [None] * 4}
    stale = explain_movements([*read(**nothing), *read(10, factor=[0.9] * 4, rest=[0.1] * 4)])
    assert stale is not None
    assert stale.key == "stale gradient"


@pytest.mark.parametrize(
    ("first", "later", "key"),
    [
        (1.05, 1.05, "step size"),
        (32.0, 5.7, "step size"),  # so long a step changes the gradients of the later ones
        (0.5, 0.95, "later steps"),
        (0.99, 0.999, "later steps"),
        (0.1, 0.55, "later steps"),
        (1.9, 6.0, "later steps"),
    ],
)
def test_a_factor_of_the_first_step_alone_is_no_learning_rate(first: float, later: float, key: str) -> None:
    """A mean with nothing, a warm-up or Nesterov's momentum begins with a factor that changes."""
    cause = explain_movements([*read(factor=[first] * 4), *read(10, factor=[later] * 4, rest=[0.01] * 4)])
    assert cause is not None
    assert cause.key == key


def test_what_follows_the_oracle_has_no_cause() -> None:
    """Where nothing departs, nothing is explained."""
    assert explain_movements([]) is None
    assert explain_movements([*read(), *read(10)]) is None
    assert explain_figures([]) is None
    assert explain_first_step([Reading(what="first step", steps=1, factor=1.05, samples=32, due=32)]) is None


def test_a_batch_of_another_size_is_named() -> None:
    """The number of samples that the first step moves is the size of the batch."""
    cause = explain_first_step([Reading(what="first step", steps=1, factor=32 / 33, samples=33, due=32)])
    assert cause is not None
    assert cause.sentence == "the first step trains 33 samples instead of 32: batch size"
    other = Reading(what="first step", steps=1, factor=0.7, samples=16, due=32)
    assert explain_first_step([other]) is None  # a mean over 16 would move them twice as far


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["training accuracy", "test accuracy"], "accuracy figure"),
        (["validation loss", "validation accuracy"], "validation figure"),
        (["training loss", "test loss"], "loss figure"),
        (["test loss", "test accuracy"], "test figure"),
        (["training loss", "validation accuracy"], "figures"),
    ],
)
def test_figures_tell_their_cause(names: list[str], key: str) -> None:
    """Which of the figures are wrong tells whether a metric, the validation or all are."""
    cause = explain_figures([Reading(what=name, steps=0, factor=0.5) for name in names])
    assert cause is not None
    assert cause.key == key
    assert f"{names[0]} is 0.5 times the oracle's" in cause.sentence


def test_nothing_regressed_has_no_cause() -> None:
    """Neither green nor unanswered checks accuse anything."""
    assert diagnose([]) is None
    verdicts = (Verdict.PASS, Verdict.KNOWN, Verdict.INCONCLUSIVE, Verdict.UNREADABLE)
    assert diagnose([make("arithmetic/oracle", verdict, read(factor=[2.0] * 4)) for verdict in verdicts]) is None


def test_no_pattern_fits_is_said() -> None:
    """An accuracy that is worse, with every stage as it should be, has no cause that is known here."""
    cause = diagnose([make("structure/layers", Verdict.PASS), make("accuracy/loss")])
    assert cause is not None
    assert cause.key == "unknown"
    assert "no pattern fits" in cause.sentence
    assert "accuracy/loss" in cause.sentence


@pytest.mark.parametrize(
    ("checks", "key"),
    [
        (["arithmetic/oracle", "contract/labels-aligned"], "labels"),
        (["arithmetic/oracle", "arithmetic/figures"], "gradient"),
        (["structure/layers", "arithmetic/oracle", "contract/labels-aligned"], "layers"),
        (["reproducibility/bits", "contract/new-order"], "order"),
        (["contract/dropout-scale", "accuracy/loss"], "dropout"),
    ],
)
def test_the_earliest_stage_is_named(checks: list[str], key: str) -> None:
    """Wrong data move weights wrongly, too; wrong weights have wrong figures."""
    cause = diagnose([make(check, readings=read(rest=[0.3] * 4) if "oracle" in check else []) for check in checks])
    assert cause is not None
    assert cause.key == key


def test_a_movement_that_fits_no_pattern_is_still_told() -> None:
    """Without readings, the check itself is quoted."""
    cause = diagnose([make("arithmetic/oracle")])
    assert cause is not None
    assert cause.sentence == "a step does not compute what the oracle computes: f (arithmetic/oracle[x])"


def test_no_label_explains_a_stale_gradient() -> None:
    """A contract on data may be confused by what steps remember; the oracle is not."""
    nothing = {"factor": [0.0] * 4, "rest": [0.0] * 4, "evenness": [None] * 4}
    readings = [*read(**nothing), *read(10, factor=[0.9] * 4, rest=[0.1] * 4)]
    cause = diagnose([make("contract/labels-aligned"), make("arithmetic/oracle", readings=readings)])
    assert cause is not None
    assert cause.key == "stale gradient"


def test_an_error_of_keras_is_its_own_cause() -> None:
    """A check in which Keras raised read nothing, and accuses nothing else."""
    raised = [
        CheckResult(
            name=f"{name}[x]", verdict=Verdict.REGRESSED, figure=RAISED, bound="b", evidence="fit raised TypeError: x"
        )
        for name in ("contract/labels-aligned", "arithmetic/oracle")
    ]
    cause = diagnose(raised)
    assert cause is not None
    assert cause.key == "error"
    assert "fit raised TypeError: x" in cause.sentence
