"""What a sweep varies: factors, levels, and the points that a sampler tries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mnist_bench.records.config import MOST, TrainingConfig
from mnist_bench.records.numbers import read_number, read_whole
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
"""How a training departs from its lab, by factor; `{}` is the lab's own training."""

SAMPLERS = ("one-at-a-time", "grid", "random", "tpe")
# Optuna's default: this many random points come before the first point that its estimator chooses.
_RANDOM_STARTS = 10

_MOST_POINTS = 100_000  # to try: more would take years
_MOST_GRID = 10_000_000  # to draw from, without drawing any twice, which needs memory for all


@dataclass(frozen=True)
class Factor:
    """One hyperparameter.

    Attributes:
        allowed: The allowed values in words, for error messages.
        parse: Reads a level; raises a ValueError if the text is not a level.
    """

    allowed: str
    parse: Callable[[str, Lab], Level]


@dataclass(frozen=True, kw_only=True)
class Space:
    """The levels of each factor, and the lab's own level of every factor.

    Attributes:
        lab: A key of `LABS`.
        levels: The levels to try, by factor. Hidden layers are text, such as `64x32` or `none`.
        own: The lab's own level of every factor.
    """

    lab: str
    levels: dict[str, list[Level]]
    own: dict[str, Level]


def make_space(lab_name: str, varied: Sequence[str]) -> Space:
    """Read what is to be varied.

    Args:
        lab_name: A key of `LABS`.
        varied: Texts such as `learning_rate=0.01,0.1`; an empty list means the lab sheet's homework (section 6.1).

    Raises:
        ValueError: The lab, a factor or a level is unknown; the message says what is allowed.
    """
    lab = check_lab(lab_name)
    levels: dict[str, list[Level]] = {}
    for text in varied or _list_homework(lab):
        name, _, values = text.partition("=")
        if name not in FACTORS:
            raise ValueError(f"--vary {text}: unknown factor {name!r}: choose from {', '.join(FACTORS)}")
        if name in levels:
            raise ValueError(f"--vary {text}: {name} is varied twice: give all levels in one option")
        levels[name] = _parse_levels(name, values, lab)
    if "dropout" in levels and not lab.hidden and "hidden" not in levels:
        raise ValueError(f"--vary dropout: the {lab.name} has no hidden layers: vary hidden, too")
    return Space(lab=lab.name, levels=levels, own=_find_own(lab))


def list_points(space: Space, sampler: str, trials: int | None, rng: np.random.Generator) -> list[Point | None]:
    """Return the points to try, the lab's own first; None stands for a point that Optuna will choose later.

    Args:
        space: The levels.
        sampler: One of `SAMPLERS`.
        trials: How many points `random` and `tpe` try in addition to the lab's own; None means 30.
        rng: Draws the random points, none twice.

    Raises:
        ValueError: The sampler is unknown or takes no number of trials, or the number is not positive or too large.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}: choose from {', '.join(SAMPLERS)}")
    if trials is not None and sampler not in ("random", "tpe"):
        raise ValueError(f"--trials {trials}: {sampler} tries all levels; only random and tpe take a number of trials")
    if trials is not None and trials < 1:
        raise ValueError(f"--trials {trials} is not allowed: it must be 1 or more")
    asked = _count_grid(space) if sampler == "grid" else trials or 0
    if asked > _MOST_POINTS:
        raise ValueError(f"{sampler} has {asked:,} points: at most {_MOST_POINTS:,} are allowed")
    if sampler == "one-at-a-time":
        tried = [{name: level} for name, levels in space.levels.items() for level in levels]
    elif sampler == "grid":
        tried = [_pick(space, number) for number in range(_count_grid(space))]
    else:
        wanted = 30 if trials is None else trials
        drawn = min(wanted, _count_grid(space), wanted if sampler == "random" else _RANDOM_STARTS)
        if _count_grid(space) > _MOST_GRID:
            raise ValueError(f"the grid has {_count_grid(space):,} points: at most {_MOST_GRID:,} are allowed")
        numbers = rng.choice(_count_grid(space), drawn, replace=False)
        tried = [_pick(space, int(number)) for number in numbers]
    own: Point = {}
    points: list[Point | None] = [own, *(point for point in tried if not _is_own(space, point))]
    if sampler == "tpe":
        points += [None] * (wanted - drawn)
    return points


def make_config(space: Space, point: Mapping[str, Level], *, seed: int, data: str) -> TrainingConfig:
    """Return the training of a point, by the fused engine if it has the optimizer, else by `epoch`.

    If the point has no learning rate, an optimizer other than `sgd` takes Keras's default for that optimizer: the lab's
    0.1 is for plain gradient descent, and with 0.1 Adam diverges.
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
        # Only if the point names the field, so that the lab's own training is recorded as the lab's.
        hidden=_read_hidden(str(point["hidden"])) if "hidden" in point else None,
        dropout=float(point["dropout"]) if "dropout" in point else None,
        optimizer=optimizer,
    )


def name_point(point: Mapping[str, Level]) -> str:
    """Return a point in words: the levels that depart from the lab, by factor."""
    return ", ".join(f"{name} {format_level(level)}" for name, level in point.items()) or "the lab's own"


def describe_point(point: Mapping[str, Level]) -> str:
    """Return a point in words, with the learning rate if that is the optimizer's default."""
    brings = point.get("optimizer", "sgd") != "sgd" and "learning_rate" not in point
    return name_point(point) + (f" (learning_rate {DEFAULT_RATE:g}, Keras's default)" if brings else "")


def format_level(level: Level) -> str:
    """Return a level as people write levels."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def _list_homework(lab: Lab) -> list[str]:
    # Of a lab that is shortened to a few epochs, some of these are the same.
    epochs = dict.fromkeys([max(1, lab.epochs // 4), max(1, lab.epochs // 2), lab.epochs, 2 * lab.epochs])
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
    """Whether a point means the lab's own training."""
    return not find_departures(make_config(space, point, seed=0, data="auto"))


def _count_grid(space: Space) -> int:
    return math.prod(len(levels) for levels in space.levels.values())


def _pick(space: Space, number: int) -> Point:
    """Return the point of the grid with that number, the last factor's level changing fastest."""
    places = np.unravel_index(number, [len(levels) for levels in space.levels.values()])
    pairs = zip(space.levels.items(), places, strict=True)
    return {name: levels[int(place)] for (name, levels), place in pairs}


def _parse_levels(name: str, texts: str, lab: Lab) -> list[Level]:
    """Read the levels of a factor, which are separated by commas and no blanks."""
    levels: list[Level] = []
    for text in texts.split(","):
        try:
            level = FACTORS[name].parse(text, lab)
        except ValueError as error:
            raise ValueError(f"--vary {name}: {text!r} is not allowed: {FACTORS[name].allowed}") from error
        if level in levels:
            raise ValueError(f"--vary {name}: {text!r} is a level that is there twice: give each level once")
        levels.append(level)
    return levels


def _parse_rate(text: str, _lab: Lab) -> float:
    rate = read_number(text)
    if rate <= 0:
        raise ValueError
    return rate


def _parse_dropout(text: str, _lab: Lab) -> float:
    rate = read_number(text)
    if not 0 <= rate < 1:
        raise ValueError
    return rate


def _parse_whole(text: str, _lab: Lab) -> int:
    return read_whole(text, 1, MOST)


def _parse_optimizer(text: str, _lab: Lab) -> str:
    if text not in OPTIMIZERS:
        raise ValueError
    return text


def _parse_hidden(text: str, lab: Lab) -> str:
    """Read `64x32`; a single number stands for all hidden layers of the lab, and for one if the lab has none."""
    if text == "none":
        return text
    widths = [_parse_whole(width, lab) for width in text.split("x")]
    return _write_hidden(widths if "x" in text else widths * max(1, len(lab.hidden)))


def _write_hidden(widths: Sequence[int]) -> str:
    return "x".join(map(str, widths)) or "none"


def _read_hidden(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(map(read_whole, text.split("x")))


FACTORS = {
    "epochs": Factor(f"a whole number from 1 to {MOST:,}", _parse_whole),
    "learning_rate": Factor("a positive number", _parse_rate),
    "hidden": Factor(f"a width from 1 to {MOST:,} for all hidden layers; widths such as 64x32; or none", _parse_hidden),
    "dropout": Factor("a number in [0, 1)", _parse_dropout),
    "optimizer": Factor(f"choose from {', '.join(OPTIMIZERS)}", _parse_optimizer),
    "batch_size": Factor(f"a whole number from 1 to {MOST:,}", _parse_whole),
}
