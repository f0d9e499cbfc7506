"""Faults of the update: learning rate, optimizer, precision, clipping, what steps remember; and of the loss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.faults.fault import Fault, collect
from mnist_bench.checks.faults.seams import change_calls, change_compile, change_gradients, change_optimizer
from mnist_bench.training.backend import load_keras, load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "update")
_CRIME = "DeepCrime"

_LOSS = ("gradient",)


def _each(change: Callable[[Any], Any]) -> None:
    change_gradients(lambda gradients, _variables: [change(gradient) for gradient in gradients])


def _options(**options: Any) -> None:
    """Have SGD made with these options, too."""
    change_optimizer(lambda genuine, named: genuine.SGD(**{**named, **options}))


@_fault("step-longer", "the learning rate is too large", 2, 1.05, 1.001, causes=("step size",), source=_CRIME)
def _lengthen(factor: float) -> None:
    change_optimizer(lambda genuine, named: genuine.SGD(**{**named, "learning_rate": named["learning_rate"] * factor}))


@_fault("step-shorter", "the learning rate is too small", 0.5, 0.95, 0.999, causes=("step size",), source=_CRIME)
def _shorten(factor: float) -> None:
    _lengthen(factor)


@_fault("gradient-summed", "gradients are a sum over the batch, or over two of its parts", 32, 2, causes=("step size",))
def _sum_gradients(factor: float) -> None:
    _each(lambda gradient: gradient * factor)


@_fault("biases-twice", "biases move further than they should", 2, 1.01, causes=("tensor scale",))
def _move_biases(factor: float) -> None:
    _each(lambda gradient: gradient * factor if len(gradient.shape) == 1 else gradient)


@_fault("biases-frozen", "biases are not trained", 1, causes=("tensor scale",))
def _freeze_biases(_on: float) -> None:
    _move_biases(0.0)


@_fault("last-layer-slow", "the last layer learns at another rate", 0.5, 0.99, causes=("tensor scale",))
def _slow_last(factor: float) -> None:
    change_gradients(lambda gradients, _: [*gradients[:-2], *(gradient * factor for gradient in gradients[-2:])])


@_fault("gradient-sign", "the update has the wrong sign", 1, causes=("step size",))
def _negate(_on: float) -> None:
    _each(lambda gradient: -gradient)


@_fault("gradients-exchanged", "the gradient of one neuron goes to another", 1, causes=("gradient", "backward pass"))
def _exchange(_on: float) -> None:
    _each(lambda gradient: load_tensorflow().roll(gradient, 1, axis=-1))


def _round_to(kind: str) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        tf = load_tensorflow()
        return tf.cast(tf.cast(value, kind), tf.float32)

    return change


@_fault("gradients-bfloat16", "gradients are rounded to bfloat16", 1, causes=("precision",))
def _round_bfloat16(_on: float) -> None:
    _each(_round_to("bfloat16"))


@_fault("gradients-float16", "gradients are rounded to float16", 1, causes=("precision",))
def _round_float16(_on: float) -> None:
    _each(_round_to("float16"))


def _multiply_in(convert: Callable[[Any], Any]) -> None:
    """Have Dense multiply what `convert` makes of inputs and kernel."""

    def call(layer: Any, inputs: Any, _original: Any, _named: Any) -> Any:
        tf = load_tensorflow()
        return tf.cast(tf.matmul(convert(inputs), convert(layer.kernel)), tf.float32) + layer.bias

    change_calls("Dense", call)


@_fault("products-bfloat16", "products are of bfloat16", 1, causes=("precision",))
def _multiply_bfloat16(_on: float) -> None:
    _multiply_in(lambda value: load_tensorflow().cast(value, "bfloat16"))


@_fault("products-float16", "products are of float16", 1, causes=("precision",))
def _multiply_float16(_on: float) -> None:
    _multiply_in(lambda value: load_tensorflow().cast(value, "float16"))


@_fault("products-tf32", "products are of numbers with 10 bits behind the point, as TF32 has", 1, causes=("precision",))
def _multiply_tf32(_on: float) -> None:
    _multiply_in(_round_bits(10))


@_fault(
    "products-rounded",
    "products are of numbers with a few bits less",
    16,
    20,
    22,
    causes=("precision",),
    unseen="the error is within what float32's own rounding may do in another order",
    unseen_from=20,
)
def _multiply_rounded(bits: float) -> None:
    _multiply_in(_round_bits(int(bits)))


def _round_bits(bits: int) -> Callable[[Any], Any]:
    """Return a function that rounds float32 to so many bits behind the point; its gradient is that of the identity."""

    def change(value: Any) -> Any:
        tf = load_tensorflow()
        value = tf.convert_to_tensor(value)
        # Veltkamp's splitting (1968) keeps the leading bits.
        scaled = value * (2.0 ** (23 - bits) + 1)
        return value + tf.stop_gradient(scaled - (scaled - value) - value)

    return change


@_fault(
    "gradients-flushed",
    "small elements of gradients are flushed to 0",
    1e-4,
    1e-6,
    causes=("gradient", "backward pass"),
    unseen="what is lost is less than what rounding changes",
    unseen_from=1e-6,
)
def _flush(size: float) -> None:
    def change(gradient: Any) -> Any:
        tf = load_tensorflow()
        return tf.where(tf.abs(gradient) < size, tf.zeros_like(gradient), gradient)

    _each(change)


@_fault("momentum", "SGD has a momentum", 0.9, 0.1, 0.01, causes=("later steps",), source=_CRIME)
def _add_momentum(momentum: float) -> None:
    _options(momentum=momentum)


@_fault("nesterov", "SGD has Nesterov's momentum", 0.9, 0.01, causes=("later steps",), source=_CRIME)
def _add_nesterov(momentum: float) -> None:
    _options(momentum=momentum, nesterov=True)


@_fault("weight-decay", "each step takes a share of each weight", 1e-2, 1e-4, 1e-6, causes=("weight decay",))
def _decay(share: float) -> None:
    change_gradients(lambda gradients, variables: [g + share * v for g, v in zip(gradients, variables, strict=True)])


_OTHERS = {4: "Adam", 3: "RMSprop", 2: "Adagrad", 1: "Ftrl"}


@_fault(
    "optimizer-replaced",
    "another optimizer: Adam, RMSprop, Adagrad, FTRL",
    *(4, 3, 2, 1),
    causes=("optimizer",),
    source=_CRIME,
)
def _replace(which: float) -> None:
    change_optimizer(lambda genuine, named: getattr(genuine, _OTHERS[int(which)])(**named))


@_fault("clip-value", "elements of gradients are clipped", 1e-3, 0.01, 0.05, causes=("clipping",), source=_CRIME)
def _clip_values(limit: float) -> None:
    _options(clipvalue=limit)


@_fault(
    "clip-norm",
    "gradients are cut to a norm, each tensor for itself",
    0.01,
    0.1,
    causes=("clipping",),
    source=_CRIME,
)
def _clip_norms(limit: float) -> None:
    _options(clipnorm=limit)


@_fault(
    "clip-global-norm",
    "all gradients together are cut to a norm",
    0.01,
    0.5,
    causes=("step size", "clipping"),
    source=_CRIME,
)
def _clip_global(limit: float) -> None:
    _options(global_clipnorm=limit)


@_fault("gradient-stale", "a step applies the gradient of the step before", 1, causes=("stale gradient",))
def _delay(_on: float) -> None:
    _keep_last(lambda last, _gradient: last)


@_fault(
    "gradient-averaged",
    "a step applies a mean with the gradient before",
    0.5,
    0.01,
    causes=("later steps",),
)
def _average(share: float) -> None:
    _keep_last(lambda last, gradient: share * last + (1 - share) * gradient)


def _keep_last(combine: Callable[[Any, Any], Any]) -> None:
    """Have a step apply what `combine` makes of the gradients of the step before, at first 0, and of this step."""
    kept: dict[str, Any] = {}

    def change(gradients: list[Any], variables: list[Any]) -> list[Any]:
        tf = load_tensorflow()
        changed = []
        for gradient, variable in zip(gradients, variables, strict=True):
            key = f"{id(variable)}"
            if key not in kept:
                with tf.init_scope():
                    kept[key] = tf.Variable(tf.zeros(variable.shape), trainable=False)
            changed.append(tf.identity(combine(kept[key].read_value(), gradient)))
            with tf.control_dependencies([changed[-1]]):
                kept[key].assign(gradient)
        return changed

    change_gradients(change)


@_fault("warm-up", "the first steps are shorter", 10, 2, causes=("later steps",))
def _warm_up(steps: float) -> None:
    def make(genuine: Any, named: dict[str, Any]) -> Any:
        rate = named["learning_rate"]
        schedule = load_keras().optimizers.schedules.PolynomialDecay(rate / steps, int(steps), rate)
        return genuine.SGD(**{**named, "learning_rate": schedule})

    change_optimizer(make)


@_fault("rate-decays", "the learning rate decays", 0.1, 0.001, causes=("later steps",))
def _decay_rate(share: float) -> None:
    def make(genuine: Any, named: dict[str, Any]) -> Any:
        schedule = load_keras().optimizers.schedules.ExponentialDecay(named["learning_rate"], 1, 1 - share)
        return genuine.SGD(**{**named, "learning_rate": schedule})

    change_optimizer(make)


def _loss(make: Callable[[Any, Any, Any], Any]) -> None:
    """Have models compiled with the loss that `make` computes from Keras's losses, labels and predictions."""

    def change(named: dict[str, Any]) -> None:
        losses = load_keras().losses
        named["loss"] = lambda labels, predictions: make(losses, labels, predictions)

    change_compile(change)


@_fault("loss-squares", "the loss is the mean square error", 1, causes=_LOSS, source=_CRIME)
def _square(_on: float) -> None:
    _loss(lambda _losses, y, p: load_tensorflow().reduce_mean(load_tensorflow().square(y - p), axis=1))


@_fault("loss-smoothed", "labels are smoothed in the loss", 0.1, 0.001, causes=_LOSS)
def _smooth(share: float) -> None:
    _loss(lambda losses, y, p: losses.categorical_crossentropy(y, p, label_smoothing=share))


@_fault(
    "loss-clipped",
    "probabilities are clipped in the loss",
    0.1,
    1e-3,
    causes=_LOSS,
    unseen="no label has a probability below 0.001 in the few steps that the checks train, unlike in a full training",
    unseen_from=1e-3,
)
def _clip_loss(size: float) -> None:
    _loss(lambda losses, y, p: losses.categorical_crossentropy(y, load_tensorflow().clip_by_value(p, size, 1.0)))


@_fault("loss-weighted", "one class weighs more", 2, 1.05, causes=_LOSS)
def _weigh(factor: float) -> None:
    def compute(losses: Any, y: Any, p: Any) -> Any:
        return losses.categorical_crossentropy(y, p) * (1 + (factor - 1) * y[:, 3])

    _loss(compute)


@_fault("loss-twice-softmax", "probabilities are taken for logits", 1, causes=_LOSS)
def _apply_twice(_on: float) -> None:
    # Not Keras's own `from_logits`, which looks for the logits behind a softmax.
    _loss(lambda _losses, y, p: load_tensorflow().nn.softmax_cross_entropy_with_logits(y, p))


@_fault(
    "loss-scaled",
    "the loss is scaled and the gradient not scaled back",
    1024,
    1.001,
    causes=("step size", "not finite"),
)
def _scale_loss(factor: float) -> None:
    _loss(lambda losses, y, p: losses.categorical_crossentropy(y, p) * factor)
