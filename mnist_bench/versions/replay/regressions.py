"""Every real regression that can be replayed, by name: what happened, a public address, and sides to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.faults.planting import UNREFUSED
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.versions.replay.regression import RealSide, Regression

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ABSENT", "REGRESSIONS", "find_regression"]

_TENSORFLOW = "https://github.com/tensorflow/tensorflow/issues"
_KERAS = "https://github.com/keras-team/keras"


def _side(requirements: str, python: str, **variables: str) -> RealSide:
    return RealSide(requirements=requirements, python=python, variables=variables)


def _keras(version: str, tensorflow: str = "2.18.1", **variables: str) -> RealSide:
    """Return a side with Keras 3; all of them have one Python, so that they differ in Keras alone."""
    return _side(f"tensorflow-cpu=={tensorflow} keras=={version}", "3.11", **variables)


# The engine that runs several steps in one call refuses the versions that lose losses: here they are to be seen.
_UNREFUSED = {FAULT_VARIABLE: UNREFUSED}

_ALL = (
    Regression(
        name="frozen-shuffle",
        what="once a seed is set, `fit` visits the samples in the same order in every epoch",
        source=f"{_TENSORFLOW}/35682",
        told="related",
        bad=_keras("3.7.0"),
        good=_side("tensorflow-cpu==2.15.1", "3.11"),
        check="contract/new-order",
        began="Keras 3.0",
        note="the address is that of a report on TensorFlow's own shuffle; none on `fit` was found",
    ),
    Regression(
        name="ignored-seed",
        what="`fit` visits the samples in one order, whatever the seed",
        source=f"{_KERAS}/pull/23046",
        told="change",
        bad=_side("nightly", "3.13"),
        good=_side("tensorflow-cpu==2.21.0 keras==3.15.1", "3.13"),
        check="contract/order-by-seed",
        began="Keras 3.16.0.dev, July 2026",
    ),
    Regression(
        name="last-batch",
        what="the loss of `evaluate` weighs a short last batch like a full one",
        source=f"{_KERAS}/pull/19363",
        bad=_keras("3.1.1", "2.16.2"),
        good=_keras("3.2.1", "2.16.2"),
        check="arithmetic/figures",
        began="Keras 3.0",
        mended="Keras 3.2",
    ),
    Regression(
        name="lost-losses",
        what="with several steps an execution, training loss and validation loss are wrong or missing",
        source=f"{_KERAS}/pull/20396",
        told="change",
        bad=_keras("3.6.0", **_UNREFUSED),
        good=_keras("3.7.0", **_UNREFUSED),
        check="arithmetic/figures",
        began="Keras 3.0",
        mended="Keras 3.7",
        engine="epoch",
    ),
    Regression(
        name="no-logs",
        what="`fit` raises AttributeError, because its evaluation has no logs",
        source=f"{_KERAS}/issues/20104",
        bad=_keras("3.4.1", "2.16.2", **_UNREFUSED),
        good=_keras("3.7.0", **_UNREFUSED),
        check="arithmetic/figures",
        began="Keras 3.4",
        mended="Keras 3.5",
        engine="epoch",
    ),
    Regression(
        name="32-steps",
        what="`fit` with more than 32 steps an execution raises an error",
        source=f"{_KERAS}/issues/20344",
        bad=_keras("3.6.0", **_UNREFUSED),
        good=_keras("3.7.0", **_UNREFUSED),
        check="reproducibility/bits",
        began="Keras 3.0",
        mended="Keras 3.7",
        engine="epoch",
    ),
    Regression(
        name="slow-step",
        what="each step of `fit` runs two more eager operations",
        source=f"{_KERAS}/pull/20396",
        told="change",
        bad=_keras("3.7.0"),
        good=_keras("3.6.0"),
        check="time/mlp-graph",
        began="Keras 3.7",
        by="time",
        note="the first comparison, of 90 s on a busy machine, did not decide; the one on record had up to 240 s",
    ),
    Regression(
        name="protobuf-4",
        what="TensorFlow cannot be imported with the protobuf that its requirements admit",
        source=f"{_TENSORFLOW}/56266",
        bad=_side("tensorflow-cpu==2.8.0 protobuf==4.21.0 numpy<2", "3.10"),
        good=_side("tensorflow-cpu==2.8.4 numpy<2", "3.10"),
        check="structure/environment",
        began="protobuf 4.21",
        kind="import",
        mended="TensorFlow 2.8.1",
    ),
    Regression(
        name="numpy-2",
        what="TensorFlow cannot be imported with the NumPy that its requirements admit",
        source=f"{_TENSORFLOW}/91042",
        bad=_side("tensorflow-cpu==2.10.0 numpy==2.0.2", "3.10"),
        good=_side("tensorflow-cpu==2.10.0 numpy==1.26.4", "3.10"),
        check="structure/environment",
        began="NumPy 2.0",
        kind="import",
        mended="TensorFlow 2.18",
    ),
    Regression(
        name="legacy-keras",
        what="with TF_USE_LEGACY_KERAS, TensorFlow 2.15 asks for a package that it does not need",
        source="https://github.com/huggingface/transformers/pull/40391",
        bad=_side("tensorflow-cpu==2.15.1", "3.11", TF_USE_LEGACY_KERAS="1"),
        good=_side("tensorflow-cpu==2.15.1", "3.11"),
        check="structure/environment",
        began="TensorFlow 2.15",
        kind="import",
    ),
    Regression(
        name="other-initial-weights",
        what="the same seed gives other initial weights",
        source=f"{_KERAS}/issues/17007",
        bad=_side("tensorflow-cpu==2.10.1 numpy<2", "3.10"),
        good=_side("tensorflow-cpu==2.9.3 numpy<2", "3.10"),
        check="bits/mlp-graph",
        began="Keras 2.10",
        kind="difference",
        by="bits",
    ),
    Regression(
        name="onednn-default",
        what="oneDNN is on by default, and rounds otherwise",
        source="https://github.com/tensorflow/tensorflow/pull/56039",
        bad=_side("tensorflow-cpu==2.9.3 numpy<2", "3.10"),
        good=_side("tensorflow-cpu==2.9.3 numpy<2", "3.10", TF_ENABLE_ONEDNN_OPTS="0"),
        check="bits/mlp-graph",
        began="TensorFlow 2.9",
        kind="difference",
        by="bits",
    ),
    Regression(
        name="other-instruction-set",
        what="CPUs with other instructions give other results",
        source=f"{_TENSORFLOW}/56529",
        bad=_side("tensorflow-cpu==2.15.1", "3.11", ONEDNN_MAX_CPU_ISA="AVX2"),
        good=_side("tensorflow-cpu==2.15.1", "3.11"),
        check="bits/mlp-graph",
        began="TensorFlow 2.9",
        kind="difference",
        by="bits",
    ),
    Regression(
        name="other-thread-count",
        what="another number of threads gives other results, op determinism or not",
        source="https://github.com/tensorflow/community/pull/346",
        bad=_side("tensorflow-cpu==2.15.1", "3.11", TF_NUM_INTRAOP_THREADS="1"),
        good=_side("tensorflow-cpu==2.15.1", "3.11", TF_NUM_INTRAOP_THREADS="2"),
        check="bits/mlp-xla",
        began="always",
        kind="difference",
        by="bits",
        engine="xla",
    ),
    Regression(
        name="repeated-rows",
        what="optimizers square each use of an embedding's row apart",
        source=f"{_KERAS}/issues/19992",
        told="related",
        bad=_keras("3.7.0"),
        good=_side("tensorflow-cpu==2.15.1", "3.11"),
        check="bits/lstm",
        began="Keras 3.0",
        by="model",
        lab="lstm",
        note="no public report was found; the address is that of a report on the speed of the same gradients",
    ),
)

ABSENT: Mapping[str, str] = {
    f"{_KERAS}/issues/19953": "Keras 3.3.3, with which a larger model was trained more slowly than with Keras "
    "2, trained the lab's MLP in 0.97 times the wall time of Keras 2.15 (0.82 to 1.14, on a busy machine)",
    "https://github.com/keras-team/tf-keras/issues/286": "a leak by each model that one process builds and "
    "trains was not tried; it would not be seen, because the memory of one training is measured, in a fresh process",
    f"{_TENSORFLOW}/61510": "matrix products of TensorFlow 2.13.0 that are wrong on an Intel CPU with AVX512-VNNI are "
    "right on an AMD CPU with AVX512-VNNI, in all of 18 sizes, those of the lab included",
    f"{_TENSORFLOW}/57106": "TensorFlow 2.9 could not be imported with NumPy 1.22 where that was reported; "
    "TensorFlow 2.9.2 can be imported with NumPy 1.22.4",
    "https://github.com/uxlfoundation/oneDNN/issues/2230": "ONEDNN_DEFAULT_FPMATH_MODE=BF16, by which oneDNN may "
    "multiply float32 as bfloat16, has no effect on the products of TensorFlow 2.15.1, on a CPU with AVX512-BF16",
}
"""Regressions that are not replayed, by the address where they are told, with the reason: they are in no share."""

REGRESSIONS: Mapping[str, Regression] = {regression.name: regression for regression in _ALL}


def find_regression(name: str) -> Regression:
    """Return the regression of that name.

    Raises:
        ValueError: There is none; the message lists those to choose from.
    """
    if name not in REGRESSIONS:
        raise ValueError(f"unknown regression {name!r}: choose from all, {', '.join(REGRESSIONS)}")
    return REGRESSIONS[name]
