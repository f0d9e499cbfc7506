"""Names that commands had before: each says what replaced it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.cli.former import SUCCESSORS, translate

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", SUCCESSORS)
@pytest.mark.parametrize("arguments", [(), ("--help",), ("-x", "--nonsense=1", "a b", "--", "-c")], ids=str)
def test_a_former_name_says_what_replaced_it(
    command: Callable[..., Any], check_refused: Callable[..., None], name: str, arguments: tuple[str, ...]
) -> None:
    """Whatever its arguments are: one line and status 2."""
    present = SUCCESSORS[name].command
    check_refused(command(name, *arguments), f"the command {name} has another name now: mnist-bench {present}")


@pytest.mark.parametrize("name", SUCCESSORS)
def test_what_replaced_it_is_there(command: Callable[..., Any], name: str) -> None:
    """The help shows the present command and not the former one."""
    assert command(*SUCCESSORS[name].command.split(), "--help").status == 0
    assert f"\n  {name} " not in command("--help").out


def test_arguments_are_translated() -> None:
    """They are quoted as a shell needs them; an option that has another name gets that name."""
    assert translate("probe", ["mlp"]) == "mnist-bench check mlp --save-digests probes"
    assert translate("probe", ["--out=x", "mlp"]) == "mnist-bench check --save-digests=x mlp"
    assert (
        translate("report", ["my records", "--out", "x.html"]) == "mnist-bench matrix report 'my records' --out x.html"
    )
