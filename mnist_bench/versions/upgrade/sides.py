"""The sides of a comparison: a requirement list, `current`, `nightly` or an interpreter, made ready to be measured."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mnist_bench.training.workers.interpreters import CommandError, check_python
from mnist_bench.versions.environments import (
    describe_environment,
    install_requirements,
    list_pythons,
    resolve_requirements,
)
from mnist_bench.versions.records import Install
from mnist_bench.versions.releases import NIGHTLY, PYTHONS, check_made_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Side", "check_different", "enter_sides", "list_packages", "name_gap", "read_requirements"]

_TENSORFLOW = re.compile(r"(?:tensorflow|tf[-_]nightly)", re.IGNORECASE)


@dataclass(frozen=True)
class Side:
    """An environment to measure.

    Attributes:
        text: What the user wrote.
        python: Its interpreter.
        install: What is installed there.
    """

    text: str
    python: Path
    install: Install


def read_requirements(text: str) -> list[str] | None:
    """Return the requirements that a side lists, `nightly` included; None if it is no such list.

    Raises:
        ValueError: The text looks like a requirement list, and a part of it is none, or TensorFlow is not in it.
    """
    if text == "nightly":
        return list(NIGHTLY)
    parts = text.split()
    if not any(_TENSORFLOW.match(name) for part in parts for name in (part, Path(part).name)):
        if len(parts) > 1 or re.search(r"[=<>~]=?\d", text):
            raise ValueError(
                f"{text!r}: a requirement list needs TensorFlow, such as 'tensorflow-cpu==2.19.1 keras==3.9.0'"
            )
        return None
    return [_read_part(part) for part in parts]


def enter_sides(sides: Sequence[str | Path], *, python: str | None, tell: Callable[[str], None]) -> tuple[Side, ...]:
    """Make the environments that are to be made, and describe all of them.

    Args:
        sides: A requirement list, `current` or `nightly` as text; an interpreter as a path.
        python: The version of Python of the environments that are made; if None, the newest that fits them all, or
            each.
        tell: Called with each line of progress.

    Raises:
        ValueError: A list cannot be solved, uv or TensorFlow is missing, an interpreter does not work, or a Python is
            asked for and no environment is made; one line.
    """
    lists = {side: read_requirements(side) for side in sides if isinstance(side, str) and side != "current"}
    if python is not None and not lists:
        raise ValueError("--python is for requirements: each side is an environment, which has its own Python")
    solved = _solve({text: parts for text, parts in lists.items() if parts}, python)
    return tuple(_enter(side, solved, tell) for side in sides)


def check_different(base: Side, new: Side) -> None:
    """Refuse two sides with the same Python and the same packages: there is nothing to compare.

    Raises:
        ValueError: They are the same; the message says how to compare them nevertheless.
    """
    if base.install.packages == new.install.packages:
        count = len(base.install.packages)
        raise ValueError(
            f"both sides have the same {count} packages: nothing to compare; to compare them nevertheless: --same"
        )


def name_gap(base: Side, new: Side) -> str:
    """Return one line: the packages that differ."""
    return f"packages that differ: {', '.join(list_packages(base.install.packages, new.install.packages)) or 'none'}"


def list_packages(old: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the packages that differ, such as `keras 3.6.0 -> 3.9.0`, of two environments' versions by package.

    A package's metadata may spell its name with `-` or `_`, as its build tool does.
    """
    a, b = ({str(canonicalize_name(name)): version for name, version in side.items()} for side in (old, now))
    names = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    return [f"{name} {a.get(name, 'none')} -> {b.get(name, 'none')}" for name in names]


def _read_part(part: str) -> str:
    if part.endswith(".whl"):
        if not Path(part).is_file():
            raise ValueError(f"{part}: no such wheel")
        return str(Path(part).absolute())
    try:
        requirement = Requirement(part)
    except InvalidRequirement as error:
        raise ValueError(
            f"{part!r} is not a requirement (PEP 508), such as keras==3.9.0; write each one without spaces"
        ) from error
    if requirement.url:
        raise ValueError(f"{part!r} is not allowed: name a version or the path of a wheel")
    return part


def _solve(lists: dict[str, list[str]], python: str | None) -> dict[str, tuple[str, list[str]]]:
    """Return the Python and all packages of each list: one Python for all lists, if there is one that fits them."""
    if not lists:
        return {}
    pythons = [check_made_python(python)] if python else list_pythons()
    if not pythons:
        raise ValueError(
            f"uv finds no Python from {PYTHONS[0]} to {PYTHONS[-1]} on this machine: uv python install 3.12"
        )
    found: dict[str, dict[str, list[str]]] = {text: {} for text in lists}
    reasons: dict[str, Counter[str]] = {text: Counter() for text in lists}
    for candidate in pythons:
        for text, parts in lists.items():
            solution, reason = _try_solving(parts, candidate, prerelease=text == "nightly")
            if solution:
                found[text][candidate] = solution
            else:
                reasons[text][reason] += 1
        if all(candidate in solutions for solutions in found.values()):
            return {text: (candidate, solutions[candidate]) for text, solutions in found.items()}
    for text, solutions in found.items():
        if not solutions:
            # What most Pythons say is not about one of them, such as a version that does not exist.
            ((reason, _),) = reasons[text].most_common(1)
            raise ValueError(f"{text!r} cannot be installed with Python {', '.join(pythons)}: {reason}")
    return {text: next(iter(solutions.items())) for text, solutions in found.items()}


def _try_solving(parts: list[str], python: str, *, prerelease: bool) -> tuple[list[str], str]:
    """Return all packages; or none, and why there is no solution."""
    try:
        return resolve_requirements(parts, python=python, prerelease=prerelease), ""
    except CommandError as error:
        return [], _explain(error)


def _enter(side: str | Path, solved: dict[str, tuple[str, list[str]]], tell: Callable[[str], None]) -> Side:
    if isinstance(side, str) and side in solved:
        python, packages = solved[side]
        names = [package for package in packages if _TENSORFLOW.match(package) or package.startswith("keras")]
        tell(f"{side}: Python {python}, {', '.join(names)} and {len(packages) - len(names)} other packages")
        try:
            interpreter, install = install_requirements(packages, python=python, name="compare")
        except CommandError as error:
            raise ValueError(f"{side!r} cannot be installed: {_explain(error)}") from error
        check_python(interpreter)
        return Side(side, interpreter, install)
    interpreter = Path(sys.executable) if side == "current" else Path(side)
    check_python(interpreter)
    try:
        return Side(str(side), interpreter, describe_environment(interpreter))
    except CommandError as error:
        raise ValueError(f"{side}: {error}") from error


def _explain(error: CommandError) -> str:
    """Return why uv has failed, on one line."""
    told = " ".join(error.lines) or str(error)
    cause = re.search(r"(?:cause: |╰─▶ )(.*?)(?: hint:|$)", told)
    return " ".join((cause[1] if cause else told).split())
