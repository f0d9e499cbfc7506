"""Contracts: what every engine must do with samples, labels, batches and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import contracts

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("prompt_fit")


@pytest.mark.parametrize("contract", contracts.CONTRACTS)
def test_contract(contract: str, mnist_engine: str, mnist_hold: Callable[..., None]) -> None:
    """The engine keeps the contract, or breaks it as the list of known regressions says."""
    mnist_hold(contracts.check_contract(contract, mnist_engine), engine=mnist_engine)
