"""Faults of the random numbers: seeds, orders, and what shares a stream with what."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.faults.fault import ANY, Fault, collect
from mnist_bench.checks.faults.seams import change_dense, random_modules, wrap
from mnist_bench.training.backend import load_keras, load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "random")


def _seed(change: Callable[[int], int]) -> None:
    """Have `set_random_seed` set another seed."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda seed: original(change(seed))

    wrap(load_keras().utils, "set_random_seed", make)


def _shuffle(order: Callable[[Any, Any], Any]) -> None:
    """Have `tf.random.shuffle` arrange by the keys that `order` makes of the places and of uniform random numbers."""
    tf = load_tensorflow()

    def make(_original: Callable[..., Any]) -> Callable[..., Any]:
        def shuffle(value: Any, seed: Any = None, name: Any = None) -> Any:
            del name
            places = tf.cast(tf.range(tf.shape(value)[0]), tf.float32)
            drawn = tf.random.uniform(tf.shape(places), seed=seed)
            return tf.gather(value, tf.argsort(order(places, drawn)))

        return shuffle

    for module in random_modules():
        wrap(module, "shuffle", make)


@_fault("seed-ignored", "every seed is the same seed", 1, causes=("seeds",), engines=ANY)
def _ignore(_on: float) -> None:
    _seed(lambda _seed: 7)


@_fault("seeds-collide", "only so many different seeds get through", 2, 4, 16, causes=("seeds",), engines=ANY)
def _collide(count: float) -> None:
    _seed(lambda seed: seed % int(count))


@_fault("seed-bits-lost", "the upper bits of a seed are lost", 8, 16, 28, causes=("seeds",), engines=ANY)
def _lose_bits(bits: float) -> None:
    _seed(lambda seed: seed % 2 ** int(bits))


@_fault("seeds-correlated", "initial weights share a part among seeds", 0.9, 0.1, 0.02, causes=("seeds",), engines=ANY)
def _correlate(share: float) -> None:
    def call(self: Any, shape: Any, *args: Any, **named: Any) -> Any:
        own = original(self, shape, *args, **named)
        limit, rng = (6 / sum(shape)) ** 0.5, np.random.RandomState(0)
        common = rng.uniform(-limit, limit, tuple(shape)).astype(np.float32)
        # Each weight is every seed's or its own, so that the distribution stays.
        return load_tensorflow().where(rng.rand(*shape) < share, common, own)

    initializer = load_keras().initializers.GlorotUniform
    original = initializer.__call__
    initializer.__call__ = call


@_fault("layers-alike", "all layers draw their initial weights from one seed", 1, causes=("seeds",), engines=ANY)
def _share_seed(_on: float) -> None:
    now = [0]

    def remember(seed: int) -> int:
        now[0] = seed
        return seed

    _seed(remember)
    uniform = load_keras().initializers.GlorotUniform
    change_dense(kernel_initializer=lambda it: it or uniform(seed=now[0]))


@_fault("seed-of-order", "the order of the samples does not depend on the seed", 1, causes=("order", "reproducibility"))
def _fix_order(_on: float) -> None:
    tf = load_tensorflow()
    count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def order(places: Any, _drawn: Any) -> Any:
        number = count.assign_add(1)
        return tf.random.stateless_uniform(tf.shape(places), tf.stack([number % 1000, tf.constant(3, tf.int64)]))

    _shuffle(order)


@_fault("shuffle-frozen", "each epoch has the same order", 1, causes=("order",))
def _freeze(_on: float) -> None:
    tf = load_tensorflow()
    state: dict[str, Any] = {}

    def order(places: Any, drawn: Any) -> Any:
        del drawn
        # Keras seeds this generator, too.
        seed = state.setdefault("seed", random.randrange(1, 2**31))  # noqa: S311
        return tf.random.stateless_uniform(tf.shape(places), (seed, 5))

    _shuffle(order)


@_fault("shuffle-off", "samples are not shuffled", 1, causes=("order",))
def _turn_off(_on: float) -> None:
    _shuffle(lambda places, _drawn: places)


@_fault(
    "shuffle-windowed",
    "samples are shuffled within a window",
    16,
    64,
    200,
    causes=("order",),
    unseen="a window as large as the traced epoch is a whole shuffle of it",
    unseen_from=200,
)
def _window(size: float) -> None:
    _shuffle(lambda places, drawn: places + size * drawn)


@_fault(
    "shuffle-of-pairs",
    "neighbouring samples stay together",
    8,
    2,
    causes=("order",),
)
def _pair(size: float) -> None:
    tf = load_tensorflow()
    _shuffle(lambda places, drawn: tf.gather(drawn, tf.cast(places // size, tf.int32)) + 1e-7 * places)


@_fault(
    "order-reversed",
    "every second epoch runs backwards",
    1,
    causes=("order",),
    unseen="the order of each epoch is random and new",
)
def _reverse(_on: float) -> None:
    tf = load_tensorflow()
    _shuffle(lambda _places, drawn: tf.where(drawn[0] > 0.5, drawn, 1 - drawn))  # noqa: PLR2004
