"""Every engine compared with the float64 oracle, step by step: the same weights, batches and dropout masks."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mnist_bench.checks.layers.movement import read_movements
from mnist_bench.checks.layers.tracers import make_prepared
from mnist_bench.records.config import FIRST_SEED, Case, TrainingConfig
from mnist_bench.records.readings import Reading
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import oracle
from mnist_bench.training.backend import load_keras, load_tensorflow, seed_everything, set_determinism, without_tf32
from mnist_bench.training.engines import check_engine, compile_model, train_model
from mnist_bench.training.labs import CLASSES, LABS, PIXELS, build_model
from mnist_bench.training.masks import draw_masks

if TYPE_CHECKING:
    import numpy.typing as npt

    from mnist_bench.training.data.dataset import Prepared
    from mnist_bench.training.labs import Lab

    Floats = npt.NDArray[np.float32]

__all__ = ["CASES", "Followed", "check_arithmetic", "first_certain", "follow_oracle", "make_images"]

# Two variables of a dropout layer: the masks, (steps, batch, width), and the number of the next step.
_Tape: TypeAlias = tuple[Any, Any]

# (steps, batch size): of one batch size, so that one compiled step serves both. A relu whose input is within rounding
# of 0 may flip, and then no bound holds; the fewer inputs a case has, the fewer seeds must be tried until none is near.
CASES = ((1, 32), (10, 32))
_SEEDS = range(FIRST_SEED, FIRST_SEED + 10)

# The share of MNIST's pixels that are not 0.
_LIT = 0.19


def check_arithmetic(lab: str, engine: str) -> CheckResult:
    """Check that an engine's weights follow the oracle's after 1 step and after 10.

    The figure is the largest departure in multiples of what rounding to float32 explains
    (`oracle.follow`, docs/oracle.md), so the bound is 1.
    """
    cases = [follow_oracle(lab, engine, steps, batch_size) for steps, batch_size in CASES]
    measured = [case.excess for case in cases if case is not None]
    if len(measured) < len(CASES):
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.PASS if all(excess <= 1 for excess in measured) else Verdict.REGRESSED
    return CheckResult(
        name=f"arithmetic/oracle[{Case(lab, engine)}]",
        verdict=verdict,
        figure=f"{max(measured):.2f} of the rounding error" if measured else "a relu may have flipped",
        bound=f"≤ 1 after {', '.join(str(steps) for steps, _ in CASES)} steps",
        evidence="weights compared with the float64 oracle's, given weights, batches and masks",
        readings=[reading for case in cases if case for reading in case.readings]
        if verdict is not Verdict.PASS
        else [],
    )


@dataclass(frozen=True)
class Followed:
    """How an engine followed the oracle.

    Attributes:
        excess: The largest departure in multiples of its tolerance, at most 1 if the engine follows.
        readings: How each tensor moved.
    """

    excess: float
    readings: list[Reading]


def first_certain(lab: str, engine: str, steps: int, batch_size: int, *, planted: float = 0.0) -> float | None:
    """Return the excess of `follow_oracle`, whose arguments these are."""
    followed = follow_oracle(lab, engine, steps, batch_size, planted=planted)
    return None if followed is None else followed.excess


@without_tf32()  # the bound is float32's
def follow_oracle(lab: str, engine: str, steps: int, batch_size: int, *, planted: float = 0.0) -> Followed | None:
    """Train some steps in a given order, and the oracle with it, for the first seed where no relu can have flipped.

    Args:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        steps: Steps to train.
        batch_size: Samples a step.
        planted: A relative error to plant in the gradients of the first tensor, for tests that want it found.

    Returns:
        How the engine followed; None if a relu may have flipped at every seed, so that no bound holds.
    """
    set_determinism(on=check_engine(engine).deterministic)
    # Only an engine that takes the epoch as a whole compiles the number of steps into its program.
    room = steps if check_engine(engine).whole_epoch else max(steps, *(longest for longest, _ in CASES))
    trainee = _compile_trainee(lab, engine, room, batch_size)
    for seed in _SEEDS:
        followed = _follow(trainee, seed, steps, planted)
        if followed is not None:
            return followed
    return None


@dataclass(frozen=True)
class _Trainee:
    """A compiled model for any number of seeds: tracing and compiling take far longer than a few steps.

    Attributes:
        model: The model, compiled by `compile_model`.
        tapes: One for each dropout layer, if Keras trains.
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        batch_size: Samples a step.
    """

    model: Any
    tapes: list[_Tape]
    lab: str
    engine: str
    batch_size: int


# The masks' tapes make these models larger than the tracers', so fewer are kept.
@functools.lru_cache(maxsize=8)
def _compile_trainee(lab: str, engine: str, room: int, batch_size: int) -> _Trainee:
    """Compile a model to train for at most `room` steps."""
    config = TrainingConfig(lab=lab, engine=engine, batch_size=batch_size)
    seed_everything(config.seed)  # the dropout layers take their seeds when they are made
    fit = check_engine(engine).fit
    model, tapes = _build_recorded(LABS[lab], room, batch_size) if fit else (build_model(LABS[lab]), [])
    compile_model(model, check_engine(engine), config, samples=room * batch_size)
    return _Trainee(model, tapes, lab, engine, batch_size)


# Building a model takes as long as training it for a step, and every engine begins at the same weights.
@functools.lru_cache(maxsize=8)
def _draw_weights(lab: str, seed: int) -> list[Floats]:
    seed_everything(seed)
    return [np.array(weight) for weight in build_model(LABS[lab]).get_weights()]


def _follow(trainee: _Trainee, seed: int, steps: int, planted: float) -> Followed | None:
    """Train with a seed's images, weights and masks; return None if a relu may have flipped."""
    lab, batch_size = LABS[trainee.lab], trainee.batch_size
    prepared = make_images(steps * batch_size, seed)
    config = TrainingConfig(lab=trainee.lab, engine=trainee.engine, seed=seed, batch_size=batch_size)
    initial = _draw_weights(trainee.lab, seed)
    seed_everything(seed)
    trainee.model.set_weights(initial)
    for _, count in trainee.tapes:
        count.assign(0)
    train_model(trainee.model, prepared, config, epochs=1, shuffle=False)
    if check_engine(trainee.engine).fit:
        masks = [masks for masks, _ in trainee.tapes]
    else:
        masks = draw_masks(lab, steps=steps, batch_size=batch_size, seed=(seed, 0))
    starts = range(0, steps * batch_size, batch_size)
    batches = [(prepared.x_train[i : i + batch_size], prepared.y_train[i : i + batch_size]) for i in starts]
    scaled = [[np.asarray(layer[step]) for layer in masks] for step in range(steps)]
    *_, expected = oracle.follow(initial, batches, config.learning_rate, scaled)
    if not expected.certain:
        return None
    trained = trainee.model.get_weights()
    # An error in every gradient of a tensor is an error in the movement of that tensor.
    trained[0] = trained[0] + planted * (trained[0] - initial[0])
    readings = read_movements(trained, expected, initial, config.learning_rate)
    return Followed(oracle.excess(trained, expected, initial), readings)


def make_images(samples: int, seed: int) -> Prepared:
    """Make images that look like MNIST to a network: 19% of the pixels are not 0. None are for validation."""
    rng = np.random.RandomState(seed)  # its stream is frozen: the images never change
    pixels = rng.randint(1, 256, (samples, PIXELS)) * (rng.rand(samples, PIXELS) < _LIT)
    labels = rng.randint(0, CLASSES, samples)
    return make_prepared(pixels.astype(np.uint8), labels, validation=0)


def _build_recorded(lab: Lab, steps: int, batch_size: int) -> tuple[Any, list[_Tape]]:
    """Return the lab's model, with dropout layers that record their masks, and the tapes of those layers."""
    keras, tf = load_keras(), load_tensorflow()
    # By layer, and not as attributes of the layer: Keras 2 would count those among the model's weights.
    tapes: dict[str, _Tape] = {}

    class RecordedDropout(keras.layers.Dropout):  # type: ignore[misc,name-defined] # Keras is untyped
        """Keras's own dropout of ones is the scaled mask; the product of mask and inputs is their dropout."""

        def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras's signature
            mask = super().call(tf.ones_like(inputs), training=training)
            if training:
                masks, count = tapes[self.name]
                # Not masks[count].assign: XLA would compile the whole step again for each count.
                now = tf.reshape(tf.equal(tf.range(steps, dtype=tf.int64), count), [steps, 1, 1])
                masks.assign(tf.where(now, mask, masks))
                count.assign_add(1)
            return inputs * mask

    model = build_model(lab)
    layers: list[Any] = [keras.layers.Input((PIXELS,))]
    for layer in model.layers:
        if type(layer).__name__ != "Dropout":
            layers.append(type(layer).from_config(layer.get_config()))
            continue
        recorded = RecordedDropout(layer.rate)
        masks = tf.Variable(tf.zeros([steps, batch_size, layer.output.shape[-1]]), trainable=False)
        # With a GPU, an int32 would stay in the host's memory, where XLA refuses it.
        tapes[recorded.name] = (masks, tf.Variable(0, trainable=False, dtype=tf.int64))
        layers.append(recorded)
    return keras.Sequential(layers), list(tapes.values())
