"""What a check raises is the result of that check, with the reason, and the checks after it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks import names
from mnist_bench.checks.known import apply_known, load_known
from mnist_bench.checks.layers import contracts, fast, structure
from mnist_bench.checks.layers.guard import guard
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.backend import KerasError, blame_keras
from mnist_bench.training.runner import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.data.dataset import Dataset


def raise_own() -> CheckResult:
    """Raise an error of this package, with a root."""
    raise RuntimeError("no answer") from ZeroDivisionError("by\nzero")


def raise_keras() -> CheckResult:
    """Raise an error as Keras's fit would."""
    with blame_keras("fit"):
        raise TypeError("no float16")


@pytest.mark.parametrize(
    ("check", "verdict", "figure", "evidence"),
    [
        pytest.param(
            raise_own,
            Verdict.INCONCLUSIVE,
            "did not run",
            "RuntimeError: no answer; it began with ZeroDivisionError: by zero",
            id="ours",
        ),
        pytest.param(
            raise_keras, Verdict.REGRESSED, "raised an error", "fit raised TypeError: no float16", id="Keras's"
        ),
    ],
)
def test_an_error_is_a_result(check: Callable[[], CheckResult], verdict: Verdict, figure: str, evidence: str) -> None:
    """Only Keras's own errors are REGRESSED; the reason and its root are named in one line."""
    result = guard("layer/check[case]", check)
    assert (result.name, result.verdict, result.figure) == ("layer/check[case]", verdict, figure)
    assert result.evidence == evidence


def test_an_error_is_no_known_regression() -> None:
    """A check that is listed for what it measures is not excused where Keras raises."""
    result = guard("contract/new-order[epoch]", raise_keras)
    assert apply_known(result, "epoch", {"keras": "3.15.1"}, load_known()) == result


def test_an_error_ends_no_other_check(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check has its result, under the name that `name_fast_checks` gives it."""
    for module in (names, fast):
        monkeypatch.setattr(module, "CONTRACT_NAMES", ("new-order",))
    for module, name in (
        (structure, "check_layers"),
        (contracts, "check_contract"),
        (fast.arithmetic, "check_arithmetic"),
        (fast.reproducibility, "check_bits"),
    ):
        monkeypatch.setattr(module, name, lambda *_: raise_own())
    results = list(fast.run_fast_checks(["mlp"], "fused", tiny, "tiny", device="cpu"))
    assert [result.name for result in results] == names.name_fast_checks(["mlp"], "fused")
    bad = [result.name.partition("[")[0] for result in results if result.verdict is Verdict.INCONCLUSIVE]
    assert bad == ["structure/layers", "arithmetic/oracle", "contract/new-order", "reproducibility/bits"]
    assert all(result.holds for result in results if result.name.partition("[")[0] not in bad)


@pytest.mark.parametrize("call", ["compile", "fit", "evaluate"])
def test_what_keras_raises_is_told_from_our_own_errors(
    call: str, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training in which Keras raises says so, whatever the error."""
    from mnist_bench.training.backend import load_keras

    plain = getattr(load_keras().Sequential, call)

    def fail(model: object, *data: Any, **named: object) -> object:
        if call == "evaluate" and len(named.get("x", data[:1] and data[0])) != len(tiny.x_test):
            return plain(model, *data, **named)  # `fit` evaluates the validation set so
        raise TypeError("broken")

    monkeypatch.setattr(load_keras().Sequential, call, fail)
    with pytest.raises(KerasError, match=f"^{call} raised TypeError: broken$"):
        train(TrainingConfig(lab="perceptron", engine="graph", epochs=1), dataset=tiny)


def test_what_a_callback_raises_passes(tiny: Dataset) -> None:
    """An error of the caller, such as a pruned trial, comes out of `fit` as it is."""

    def stop(*_: object) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        train(TrainingConfig(lab="perceptron", engine="graph", epochs=1), dataset=tiny, on_epoch=stop)
