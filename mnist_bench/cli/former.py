"""The names that commands had before: each says in one line which command replaced it, and does nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - typer reads the annotation of `_refuse`

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SUCCESSORS", "Successor", "add_former", "translate"]


@dataclass(frozen=True, kw_only=True)
class Successor:
    """What replaced a command.

    Attributes:
        command: The words of the present command.
        options: The options that have other names now, by their former names.
        places: Former options whose values are arguments now, in their order.
        added: An option that has to be given now, and its value if the user gives none.
    """

    command: str
    options: Mapping[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    added: tuple[str, str] | None = None


SUCCESSORS = {
    "ab": Successor(command="compare --only time --without-tuner", places=("--a", "--b")),
    "calibrate": Successor(
        command="compare current current --only time --without-tuner", options={"--runs": "--calibrate"}
    ),
    "bisect-versions": Successor(command="matrix bisect"),
    "export": Successor(command="matrix export"),
    "probe": Successor(command="check", options={"--out": "--save-digests"}, added=("--save-digests", "probes")),
    "report": Successor(command="matrix report"),
}


def translate(name: str, arguments: Sequence[str]) -> str:
    """Return the command line that does today what a former command did with these arguments."""
    successor = SUCCESSORS[name]
    words = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option in successor.places:
            words += [value] if equals else []
        else:
            words.append(successor.options.get(option, option) + equals + value)
    if successor.added and not any(word.partition("=")[0] == successor.added[0] for word in words):
        words.extend(successor.added)
    return shlex.join(["mnist-bench", *successor.command.split(), *words])


def add_former(app: typer.Typer) -> None:
    """Add the former commands, which the help does not show; they take any arguments, `--help` included."""
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    for name in SUCCESSORS:
        app.command(name, hidden=True, add_help_option=False, context_settings=settings)(_refuse)


def _refuse(context: typer.Context) -> None:
    """Say what replaced the command."""
    name = str(context.info_name)
    raise ValueError(f"the command {name} has another name now: {translate(name, context.args)}")
