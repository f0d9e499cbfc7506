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


def _shuffle_by_epoch(draw: Callable[[Any, Any, Any], Any]) -> None:
    """Have samples arranged by the keys that `draw` makes of their shape, the seed, and the epochs since it was set."""
    tf = load_tensorflow()
    now = tf.Variable([0, 0], dtype=tf.int64, trainable=False)

    def begin(seed: int) -> int:
        now.assign([seed, -1])
        return seed

    def order(places: Any, _drawn: Any) -> Any:
        seed, epoch = tf.unstack(now.assign_add([0, 1]))
        return draw(tf.shape(places), seed, epoch)

    _seed(begin)
    _shuffle(order)


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


@_fault("seed-of-order", "the order of the samples does not depend on the seed", 1, causes=("order",))
def _fix_order(_on: float) -> None:
    tf = load_tensorflow()
    _shuffle_by_epoch(lambda shape, _seed, epoch: tf.random.stateless_uniform(shape, tf.stack([epoch, epoch])))


@_fault(
    "shuffle-frozen",
    "each epoch has the same order",
    1,
    causes=("order",),
    source="https://github.com/tensorflow/tensorflow/issues/35682",
)
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
    unseen="Keras 3 has one order for all epochs without the fault, too, so that `contract/new-order` is left out",
)
def _reverse(_on: float) -> None:
    tf = load_tensorflow()

    def draw(shape: Any, seed: Any, epoch: Any) -> Any:
        keys = tf.random.stateless_uniform(shape, tf.stack([seed, epoch // 2]))
        return tf.where(epoch % 2 == 1, -keys, keys)

    _shuffle_by_epoch(draw)
