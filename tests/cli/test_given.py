"""The options that a user has given: their names on the command line, and what is refused of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner

from mnist_bench.cli.given import list_given, name_given, refuse_given

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def ask() -> Callable[..., typer.Context]:
    """A function that returns the context of a command whose parameters have other names than its options."""
    app, calls = typer.Typer(), []

    @app.command()
    def work(
        context: typer.Context,
        names: Annotated[list[str] | None, typer.Argument()] = None,
        *,
        faults: Annotated[list[str] | None, typer.Option("-f", "--fault")] = None,
        save_digests: bool = False,
        seeds: int = 3,
    ) -> None:
        calls.append((context, names, faults, save_digests, seeds))

    def run(*arguments: str) -> typer.Context:
        assert CliRunner().invoke(app, arguments).exit_code == 0
        return calls[-1][0]

    return run


def test_what_is_given_is_named_as_it_is_written(ask: Callable[..., typer.Context]) -> None:
    """Also if the value is the default; what is not given is not named."""
    context = ask("--seeds", "3", "-f", "x", "--save-digests", "mlp")
    assert sorted(list_given(context)) == ["faults", "names", "save_digests", "seeds"]
    assert sorted(name_given(context)) == ["--fault", "--save-digests", "--seeds", "NAMES"]
    assert name_given(context, among=("faults", "other")) == ["--fault"]
    assert name_given(context, but=("faults", "seeds", "names")) == ["--save-digests"]
    assert name_given(ask()) == []


def test_what_has_no_part_is_refused(ask: Callable[..., typer.Context]) -> None:
    """The message has the name of the option, not that of the parameter."""
    with pytest.raises(ValueError, match=r"^--fault is for others: leave it out$"):
        refuse_given(ask("--fault", "x"), ("faults", "seeds"), "is for others: leave it out")
    refuse_given(ask("--fault", "x"), ("save_digests", "seeds"), "is for others: leave it out")
    refuse_given(ask("--fault", "x"), None, "is for others: leave it out", but=("faults",))
