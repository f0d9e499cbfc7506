"""The arithmetic check finds a planted error, and its largest excess decides."""

from __future__ import annotations

import pytest

from mnist_bench.checks.layers import arithmetic
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS

pytestmark = pytest.mark.usefixtures("prompt_fit", "float32")


@pytest.mark.parametrize("lab", LABS)
def test_planted_error_is_found(lab: str) -> None:
    """A relative error of 1e-3 in the gradients of one tensor is many times what rounding explains."""
    excess = arithmetic.first_certain(lab, "graph", 10, 32, planted=1e-3)
    assert excess is not None
    assert excess > 10


def test_one_model_follows_at_every_seed() -> None:
    """Weights, images and the tape of the masks begin anew with each seed."""
    trainee = arithmetic._compile_trainee("dropout", "graph", 10, 32)
    followed = [arithmetic._follow(trainee, seed, 1, 0.0) for seed in (1671, 1672, 1673)]
    certain = [one.excess for one in followed if one is not None]
    assert len(certain) > 1
    assert max(certain) <= 1


@pytest.mark.parametrize(
    ("excesses", "verdict"),
    [
        pytest.param([0.1, 0.9], Verdict.PASS, id="within"),
        pytest.param([0.1, 1.1], Verdict.REGRESSED, id="beyond"),
        pytest.param([0.1, float("nan")], Verdict.REGRESSED, id="not a number"),
        pytest.param([0.1, None], Verdict.INCONCLUSIVE, id="a relu may have flipped"),
    ],
)
def test_verdict(excesses: list[float | None], verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest excess decides, and no answer is no PASS."""
    answers = iter(None if excess is None else arithmetic.Followed(excess, []) for excess in excesses)
    monkeypatch.setattr(arithmetic, "follow_oracle", lambda *_: next(answers))
    assert arithmetic.check_arithmetic("mlp", "graph").verdict is verdict


def test_images_never_change() -> None:
    """The images of a seed are the same everywhere, a fifth of their pixels lit."""
    prepared = arithmetic.make_images(8, 1671)
    assert prepared.pixels.shape == (8, 784)
    assert len(prepared.x_validation) == 0
    assert prepared.pixels[0, :8].tolist() == arithmetic.make_images(8, 1671).pixels[0, :8].tolist()
    assert 0.17 < (prepared.pixels > 0).mean() < 0.21
