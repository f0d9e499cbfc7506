"""What a sweep varies: factors, their levels, and the points that a sampler tries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.labs import Lab, check_lab, find_departures
from mnist_bench.training.optimizers import DEFAULT_RATE, OPTIMIZERS, UPDATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "FACTORS",
    "SAMPLERS",
    "Level",
    "Point",
    "Space",
    "describe_point",
    "format_level",
    "list_points",
    "make_config",
    "make_space",
    "name_point",
]

Level: TypeAlias = int | float | str
Point: TypeAlias = dict[str, Level]
"""What a training does otherwise than its lab, by factor; `{}` is the lab's own training."""

SAMPLERS = ("one-at-a-time", "grid", "random", "tpe")
# Optuna's own number: so many points are drawn at random before its estimator has something to go by.
_RANDOM_STARTS = 10


@dataclass(frozen=True)
class Factor:
    """One hyperparameter.

    Attributes:
        allowed: Its values in words, for the message of an error.
        parse: Reads a level, and raises a ValueError where it is none.
    """

    allowed: str
    parse: Callable[[str, Lab], Level]


@dataclass(frozen=True, kw_only=True)
class Space:
    """The levels of each factor, and the lab's own values of all of them.

    Attributes:
        lab: A key of `LABS`.
        levels: What is tried, by factor. Hidden layers stand as text, such as `64x32`, or `none`.
        own: The lab's own level of every factor.
    """

    lab: str
    levels: dict[str, list[Level]]
    own: dict[str, Level]


def make_space(lab_name: str, varied: Sequence[str]) -> Space:
    """Read what is to be varied.

    Args:
        lab_name: A key of `LABS`.
        varied: Texts such as `learning_rate=0.01,0.1`; none means the lab sheet's homework (section 6.1).

    Raises:
        ValueError: There is no such lab, factor or level; the message says what is allowed.
    """
    lab = check_lab(lab_name)
    levels: dict[str, list[Level]] = {}
    for text in varied or _list_homework(lab):
        name, _, values = text.partition("=")
        if name not in FACTORS:
            raise ValueError(f"--vary {text}: unknown factor {name!r}: choose from {', '.join(FACTORS)}")
        if name in levels:
            raise ValueError(f"--vary {text}: {name} is varied twice: give all its levels at once")
        levels[name] = list(dict.fromkeys(_parse_level(name, value, lab) for value in values.split(",")))
    if "dropout" in levels and not lab.hidden and "hidden" not in levels:
        raise ValueError(f"--vary dropout: the {lab.name} has no hidden layer to drop from: vary hidden, too")
    return Space(lab=lab.name, levels=levels, own=_find_own(lab))


def list_points(space: Space, sampler: str, trials: int | None, rng: np.random.Generator) -> list[Point | None]:
    """Return the points to try, the lab's own first; None is one that Optuna will choose in its turn.

    Args:
        space: The levels.
        sampler: One of `SAMPLERS`.
        trials: How many points `random` and `tpe` try besides the lab's own; 30 if None.
        rng: Draws the random ones, none twice.

    Raises:
        ValueError: There is no such sampler, or it takes no number of trials, or the number is not positive.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}: choose from {', '.join(SAMPLERS)}")
    if trials is not None and sampler not in ("random", "tpe"):
        raise ValueError(f"--trials {trials}: {sampler} tries every level it is given; random and tpe take a number")
    if trials is not None and trials < 1:
        raise ValueError(f"--trials {trials} is not allowed: it must be 1 or more")
    if sampler == "one-at-a-time":
        others = [{name: level} for name, levels in space.levels.items() for level in levels]
    elif sampler == "grid":
        others = [_pick(space, number) for number in range(_count_grid(space))]
    else:
        wanted = 30 if trials is None else trials
        drawn = min(wanted, _count_grid(space), wanted if sampler == "random" else _RANDOM_STARTS)
        numbers = rng.choice(_count_grid(space), drawn, replace=False)
        others = [_pick(space, int(number)) for number in numbers]
    own: Point = {}
    points: list[Point | None] = [own, *(it for it in others if not _is_own(space, it))]
    if sampler == "tpe":
        points += [None] * (wanted - drawn)
    return points


def make_config(space: Space, point: Mapping[str, Level], *, seed: int, data: str) -> TrainingConfig:
    """Return the training that a point means, by the fused engine where it can, else by `epoch`.

    An optimizer other than `sgd` takes Keras's learning rate for it where the point has none of its own: the
    lab's 0.1 is for plain gradient descent, and Adam diverges at it.
    """
    values = {**space.own, **point}
    optimizer = str(values["optimizer"])
    if optimizer != "sgd" and "learning_rate" not in point:
        values["learning_rate"] = DEFAULT_RATE
    return TrainingConfig(
        lab=space.lab,
        engine="fused" if optimizer in UPDATES else "epoch",
        seed=seed,
        epochs=int(values["epochs"]),
        batch_size=int(values["batch_size"]),
        learning_rate=float(values["learning_rate"]),
        data=data,
        # Said only where the point says it, so that the lab's own training is the lab's in every record.
        hidden=_read_hidden(str(point["hidden"])) if "hidden" in point else None,
        dropout=float(point["dropout"]) if "dropout" in point else None,
        optimizer=optimizer,
    )


def name_point(point: Mapping[str, Level]) -> str:
    """Return a point in words: what it has of its own, by factor."""
    return ", ".join(f"{name} {format_level(level)}" for name, level in point.items()) or "the lab's own"


def describe_point(point: Mapping[str, Level]) -> str:
    """Return a point in words, with the learning rate that its optimizer brings, where it brings one."""
    brings = point.get("optimizer", "sgd") != "sgd" and "learning_rate" not in point
    return name_point(point) + (f" (learning_rate {DEFAULT_RATE:g}, Keras's for it)" if brings else "")


def format_level(level: Level) -> str:
    """Return a level as people write it."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def _list_homework(lab: Lab) -> list[str]:
    epochs = [max(1, lab.epochs // 4), max(1, lab.epochs // 2), lab.epochs, 2 * lab.epochs]
    layers = ["hidden=32,64,128,256", "dropout=0,0.1,0.3,0.5"] if lab.hidden else []
    return [
        f"epochs={','.join(map(str, epochs))}",
        "learning_rate=0.01,0.03,0.1,0.3",
        *layers,
        "optimizer=sgd,rmsprop,adam",
        "batch_size=32,128,512",
    ]


def _find_own(lab: Lab) -> dict[str, Level]:
    config = TrainingConfig(lab=lab.name)
    return {
        "learning_rate": config.learning_rate,
        "hidden": _write_hidden(lab.hidden),
        "dropout": lab.dropout,
        "optimizer": config.optimizer,
        "batch_size": config.batch_size,
        "epochs": lab.epochs,
    }


def _is_own(space: Space, point: Point) -> bool:
    """Whether a point is the lab's own training, in other words."""
    return not find_departures(make_config(space, point, seed=0, data="auto"))


def _count_grid(space: Space) -> int:
    return math.prod(len(levels) for levels in space.levels.values())


def _pick(space: Space, number: int) -> Point:
    """Return the point of the grid with that number, the last factor's level changing fastest."""
    places = np.unravel_index(number, [len(levels) for levels in space.levels.values()])
    pairs = zip(space.levels.items(), places, strict=True)
    return {name: levels[int(place)] for (name, levels), place in pairs}


def _parse_level(name: str, text: str, lab: Lab) -> Level:
    try:
        return FACTORS[name].parse(text.strip(), lab)
    except ValueError as error:
        raise ValueError(f"--vary {name}: {text.strip()!r} is not allowed: {FACTORS[name].allowed}") from error


def _parse_rate(text: str, _lab: Lab) -> float:
    rate = float(text)
    if not 0 < rate < math.inf:
        raise ValueError
    return rate


def _parse_dropout(text: str, _lab: Lab) -> float:
    rate = float(text)
    if not 0 <= rate < 1:
        raise ValueError
    return rate


def _parse_whole(text: str, _lab: Lab) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def _parse_optimizer(text: str, _lab: Lab) -> str:
    if text not in OPTIMIZERS:
        raise ValueError
    return text


def _parse_hidden(text: str, lab: Lab) -> str:
    """Read `64x32`; one number stands for as many layers as the lab has, one at least."""
    if text == "none":
        return text
    widths = [_parse_whole(width, lab) for width in text.split("x")]
    return _write_hidden(widths if "x" in text else widths * max(1, len(lab.hidden)))


def _write_hidden(widths: Sequence[int]) -> str:
    return "x".join(map(str, widths)) or "none"


def _read_hidden(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(map(int, text.split("x")))


FACTORS = {
    "epochs": Factor("a whole number, 1 or more", _parse_whole),
    "learning_rate": Factor("a positive number", _parse_rate),
    "hidden": Factor("a width, 1 or more, for all hidden layers; widths such as 64x32; or none", _parse_hidden),
    "dropout": Factor("a number in [0, 1)", _parse_dropout),
    "optimizer": Factor(f"choose from {', '.join(OPTIMIZERS)}", _parse_optimizer),
    "batch_size": Factor("a whole number, 1 or more", _parse_whole),
}
