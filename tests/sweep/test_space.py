"""The space of a sweep: which levels are read, which points are tried, and what training each point means."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mnist_bench.sweep.space import describe_point, list_points, make_config, make_space
from mnist_bench.training.backend import load_keras
from mnist_bench.training.engines import check_optimizer
from mnist_bench.training.labs import LABS, find_departures
from mnist_bench.training.optimizers import DEFAULT_RATE, OPTIMIZERS
from mnist_bench.training.runner import check_config


def make_rng() -> np.random.Generator:
    """Return a generator, the same each time."""
    return np.random.default_rng(0)


def test_levels_are_read_as_what_they_are() -> None:
    """Each factor has its type; one width stands for all of the lab's hidden layers."""
    space = make_space(
        "dropout",
        [
            "learning_rate=0.01,1e-1",
            "hidden=64,64x32,none",
            "dropout=0,0.5",
            "optimizer=adam",
            "batch_size=32,64",
            "epochs=5",
        ],
    )
    assert space.levels == {
        "learning_rate": [0.01, 0.1],
        "hidden": ["64x64", "64x32", "none"],
        "dropout": [0.0, 0.5],
        "optimizer": ["adam"],
        "batch_size": [32, 64],
        "epochs": [5],
    }
    assert make_space("perceptron", ["hidden=64"]).levels == {"hidden": ["64"]}


@pytest.mark.parametrize(
    ("lab", "text", "message"),
    [
        ("cnn", "epochs=1", "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ("mlp", "depth=2", "--vary depth=2: unknown factor 'depth': choose from epochs, learning_rate, hidden, "),
        ("mlp", "learning_rate=0", "--vary learning_rate: '0' is not allowed: a positive number"),
        ("mlp", "learning_rate=nan", "--vary learning_rate: 'nan' is not allowed: a positive number"),
        ("mlp", "learning_rate", "--vary learning_rate: '' is not allowed: a positive number"),
        ("mlp", "hidden=64,0", "--vary hidden: '0' is not allowed: a width from 1 to 1,000,000"),
        ("mlp", f"hidden={10**20}", "is not allowed: a width from 1 to 1,000,000"),
        ("mlp", "epochs=1000001", "is not allowed: a whole number from 1 to 1,000,000"),
        ("mlp", "hidden=64x-1", "--vary hidden: '64x-1' is not allowed: a width from 1 to 1,000,000"),
        ("mlp", "dropout=1", r"--vary dropout: '1' is not allowed: a number in \[0, 1\)"),
        ("mlp", "dropout=-0.1", r"--vary dropout: '-0.1' is not allowed: a number in \[0, 1\)"),
        ("mlp", "optimizer=sdg", "--vary optimizer: 'sdg' is not allowed: choose from sgd, rmsprop, adam"),
        ("mlp", "batch_size=0", "--vary batch_size: '0' is not allowed: a whole number from 1 to 1,000,000"),
        *(
            ("mlp", f"{name}={text}", re.escape(f"--vary {name}: {text!r} is not allowed: "))
            for name in ("hidden", "epochs", "batch_size", "learning_rate", "dropout")
            for text in ("\u0663", "1_0", " 64", "64 ", "0x10", "inf", "-inf", "nan", "infinity", "", "1e999")
        ),
        *(
            ("mlp", f"{name}={text}", re.escape(f"--vary {name}: {text!r} is not allowed: "))
            for name in ("learning_rate", "dropout")
            for text in ("0.1_0", ".5", "\u0660.5", " 0.5", "0.5\n")
        ),
        ("mlp", "hidden=64x6_4", "--vary hidden: '64x6_4' is not allowed: a width from 1 to 1,000,000"),
        ("mlp", "optimizer= adam", "--vary optimizer: ' adam' is not allowed: choose from sgd, rmsprop, adam"),
        ("mlp", "batch_size=32, 64", "--vary batch_size: ' 64' is not allowed: a whole number from 1 to 1,000,000"),
        ("mlp", "batch_size=32,32", "--vary batch_size: '32' is a level that is there twice: give each level once"),
        ("mlp", "learning_rate=0.1,1e-1", "--vary learning_rate: '1e-1' is a level that is there twice"),
        ("dropout", "hidden=64,64x64", "--vary hidden: '64x64' is a level that is there twice"),
        ("mlp", "epochs=2.5", "--vary epochs: '2.5' is not allowed: a whole number from 1 to 1,000,000"),
        ("perceptron", "dropout=0.5", "the perceptron has no hidden layers"),
    ],
)
def test_a_bad_level_is_named_with_what_is_allowed(lab: str, text: str, message: str) -> None:
    """The error says which argument, which value, and what it may be."""
    with pytest.raises(ValueError, match=message):
        make_space(lab, [text])


def test_a_factor_twice_is_an_error() -> None:
    """One setting would hide the other."""
    with pytest.raises(ValueError, match="epochs is varied twice"):
        make_space("mlp", ["epochs=1", "epochs=2"])


@pytest.mark.parametrize("lab", LABS)
def test_the_homework_can_be_trained(lab: str) -> None:
    """Without a factor the lab sheet's own are varied around the lab's levels, and every point is allowed."""
    space = make_space(lab, [])
    assert set(space.levels) == ({"hidden", "dropout"} if lab != "perceptron" else set()) | {
        "epochs",
        "learning_rate",
        "optimizer",
        "batch_size",
    }
    assert all(space.own[name] in levels for name, levels in space.levels.items() if name not in ("hidden", "dropout"))
    for point in list_points(space, "one-at-a-time", None, make_rng()):
        assert point is not None
        check_config(make_config(space, point, seed=1, data="digits"))


def test_one_at_a_time_goes_once_around_the_labs_own_point() -> None:
    """The lab's own point comes first and once; every other point differs in one factor."""
    space = make_space("mlp", ["learning_rate=0.1,0.3", "hidden=128,64", "batch_size=128"])
    points = list_points(space, "one-at-a-time", None, make_rng())
    assert points == [{}, {"learning_rate": 0.3}, {"hidden": "64x64"}]
    departures = [find_departures(make_config(space, point or {}, seed=1, data="auto")) for point in points]
    assert [list(departure) for departure in departures] == [[], ["learning_rate"], ["hidden"]]


def test_the_grid_has_every_combination_once() -> None:
    """The lab's own point is not repeated under another name."""
    space = make_space("mlp", ["learning_rate=0.1,0.3", "optimizer=sgd,adam"])
    points = list_points(space, "grid", None, make_rng())
    assert points == [
        {},
        {"learning_rate": 0.1, "optimizer": "adam"},
        {"learning_rate": 0.3, "optimizer": "sgd"},
        {"learning_rate": 0.3, "optimizer": "adam"},
    ]


def test_random_points_are_drawn_once_each() -> None:
    """The points are as many as asked for, all different, and the same for the same generator."""
    space = make_space("mlp", ["learning_rate=0.01,0.03,0.3", "batch_size=32,64,256", "epochs=1,2,3"])
    points = list_points(space, "random", 9, make_rng())
    assert len(points) == 10
    assert len({str(point) for point in points}) == 10
    assert points == list_points(space, "random", 9, make_rng())
    assert len(list_points(space, "random", 1000, make_rng())) == 28


def test_tpe_chooses_when_it_has_something_to_go_by() -> None:
    """The first ten points are random; TPE chooses the rest."""
    space = make_space("mlp", ["learning_rate=0.01,0.03,0.3", "batch_size=32,64,256", "epochs=1,2,3"])
    points = list_points(space, "tpe", 15, make_rng())
    assert (len(points), points[0], points.count(None)) == (16, {}, 5)
    assert points[-5:] == [None] * 5


@pytest.mark.parametrize(
    ("sampler", "trials", "message"),
    [
        ("bayes", None, "unknown sampler 'bayes': choose from one-at-a-time, grid, random, tpe"),
        ("grid", 5, "--trials 5: grid tries all levels"),
        ("random", 0, "--trials 0 is not allowed"),
    ],
)
def test_a_bad_sampler_is_an_error(sampler: str, trials: int | None, message: str) -> None:
    """An unknown sampler is an error, and so is a number of trials for a sampler that takes none."""
    with pytest.raises(ValueError, match=message):
        list_points(make_space("mlp", ["epochs=1"]), sampler, trials, make_rng())


def test_an_optimizer_takes_kerass_learning_rate_unless_the_point_has_one() -> None:
    """The lab's 0.1 is for SGD, and Adam diverges at it, so Keras's rate is used and named."""
    space = make_space("mlp", ["optimizer=adam", "learning_rate=0.01"])
    rates = [
        make_config(space, point, seed=1, data="auto").learning_rate
        for point in ({}, {"optimizer": "adam"}, {"optimizer": "adam", "learning_rate": 0.01})
    ]
    assert rates == [0.1, 0.001, 0.01]
    assert describe_point({"optimizer": "adam"}) == "optimizer adam (learning_rate 0.001, Keras's default)"
    assert describe_point({"learning_rate": 0.3, "hidden": "64x64"}) == "learning_rate 0.3, hidden 64x64"
    assert describe_point({}) == "the lab's own"


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"sgd"}))
def test_the_default_rate_is_kerass(name: str) -> None:
    """The rate is the one that Keras uses by default."""
    optimizer = getattr(load_keras().optimizers, OPTIMIZERS[name])()
    assert float(np.asarray(optimizer.learning_rate)) == pytest.approx(DEFAULT_RATE)


def test_the_engine_is_fused_where_it_can_be() -> None:
    """A point that fused cannot train falls back to `epoch` in its configuration, or is refused on request."""
    space = make_space("mlp", ["optimizer=sgd,rmsprop,adam,nadam"])
    engines = {name: make_config(space, {"optimizer": name}, seed=1, data="auto").engine for name in OPTIMIZERS}
    assert {name for name, engine in engines.items() if engine == "fused"} == {"sgd", "rmsprop", "adam"}
    assert {name for name, engine in engines.items() if engine == "epoch"} == {"adagrad", "adamax", "nadam"}
    with pytest.raises(ValueError, match="engine fused has no optimizer 'nadam': choose from sgd, rmsprop, adam"):
        check_optimizer("nadam", "fused")
