"""Families of commands: help that shows them under headings, and what a family without a command says."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["Family", "Heading", "make_family", "refuse_stripped", "show_help"]


class Heading:
    """The headings in the command's help, in their order."""

    ASK = "Ask what got worse"
    KEEP = "Keep what was measured"
    EXPLORE = "Explore the lab"
    LOOK_UP = "Look up what is used"


_ORDER = (Heading.ASK, Heading.KEEP, Heading.EXPLORE, Heading.LOOK_UP)
_NO_HEADING = "Commands"


class Family(TyperGroup):
    """A group of commands.

    Only rich would show the headings that typer keeps, and importing rich would double the time that `--help` takes.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under their headings, one line each."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: command for name, command in commands.items() if command and not command.hidden}
        width = max(map(len, shown))
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*_ORDER, _NO_HEADING)}
        for name, command in shown.items():
            text = command.get_short_help_str(formatter.width - width - 4)
            rows[getattr(command, "rich_help_panel", None) or _NO_HEADING].append((f"{name:{width}}", text))
        for heading, lines in rows.items():
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Read the options that stand before the command."""
        if ctx.resilient_parsing:
            _take_as_given(self, ctx)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called.

        Raises:
            ValueError: There is no command of this name, or an option is given twice.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            names = [known for known, command in self.commands.items() if not command.hidden]
            raise ValueError(f"no such command: {ctx.command_path} {name}: choose from {', '.join(names)}")
        found = super().resolve_command(ctx, args)
        if ctx.resilient_parsing and found[1]:
            _take_as_given(found[1], ctx)
        elif found[1]:
            _refuse_repeated(name, found[1], found[2], ctx)
        return found


def _take_as_given(command: Any, context: Any) -> None:
    """Have a command convert no value, as a shell that completes asks for none.

    typer converts by pydantic, whose import takes longer than all else that a completion does.
    """
    for parameter in command.get_params(context):
        parameter.process_value = lambda _context, value: value


def _refuse_repeated(name: str, command: Any, args: list[str], parent: Any) -> None:
    """Refuse an option that is given twice, or twice with one value: click would say nothing of the others."""
    context = command.context_class(command, info_name=name, parent=parent, **command.context_settings)
    values_by_name, _, order = command.make_parser(context).parse_args(list(args))
    for parameter in order:
        if order.count(parameter) > 1 and not parameter.multiple:
            given = [option for option in (*parameter.opts, *parameter.secondary_opts) if option in args]
            raise ValueError(f"{' and '.join(given) or parameter.opts[0]}: given twice, and allowed once")
        # Of several values none twice; arguments may name one thing by two names, as `matrix run 2.15 tf215` does.
        values = values_by_name[parameter.name] if getattr(parameter, "multiple", False) else []
        if twins := [value for place, value in enumerate(values) if value in values[:place]]:
            raise ValueError(f"{parameter.opts[0]} {twins[0]!r}: given twice, and each value is allowed once")


def make_family(text: str) -> typer.Typer:
    """Return an empty family of commands, such as `baseline`, with this help."""
    return typer.Typer(cls=Family, callback=show_help, invoke_without_command=True, rich_markup_mode=None, help=text)


def refuse_stripped(arguments: list[str]) -> None:
    """Refuse to show a help without its text: the text is docstrings, which `python -OO` leaves out.

    Raises:
        ValueError: The help is asked for, and there is no text.
    """
    if sys.flags.optimize > 1 and {"-h", "--help"} & {*arguments}:
        raise ValueError("with python -OO, or PYTHONOPTIMIZE=2, the help has no text: ask for it without")


def show_help(context: typer.Context) -> None:
    """Show the help on standard error if no command is given: that is bad usage."""
    if context.invoked_subcommand is None:
        refuse_stripped(["--help"])
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
