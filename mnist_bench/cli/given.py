"""The options that a user has given, by the names that click has for them, and those that have no part in a mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    import typer

__all__ = ["list_given", "name_given", "refuse_given"]


def list_given(context: typer.Context) -> list[str]:
    """Return the names of the parameters that the user has given, defaults left out."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def name_given(context: typer.Context, *, but: Collection[str] = (), among: Collection[str] | None = None) -> list[str]:
    """Return the options that the user has given, and the arguments, as they are written on the command line.

    Args:
        context: That of the command.
        but: Parameters to leave out.
        among: Parameters to choose from; all if None.
    """
    given = [name for name in list_given(context) if name not in but and (among is None or name in among)]
    parameters = {str(parameter.name): parameter for parameter in context.command.params}
    return [_name(parameters[name]) for name in given]


def refuse_given(context: typer.Context, among: Collection[str] | None, why: str, *, but: Collection[str] = ()) -> None:
    """Refuse the options that have no part in what the command is asked for, also if their values are the defaults.

    Args:
        context: That of the command.
        among: The parameters that have none; all if None.
        why: What follows the option's name in the message.
        but: Parameters that have one.

    Raises:
        ValueError: Such an option is given.
    """
    if found := name_given(context, but=but, among=among):
        raise ValueError(f"{found[0]} {why}")


def _name(parameter: Any) -> str:
    """Return `--name` of an option, and NAME of an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return str(next(option for option in parameter.opts if option.startswith("--")))
