"""The lists that records are held against are those of what is measured."""

from __future__ import annotations

from mnist_bench.checks.layers.contracts import CONTRACTS
from mnist_bench.checks.names import (
    CONTRACT_NAMES,
    ENGINE_NAMES,
    ENGINES_WITH_XLA,
    ENGINES_WITHOUT_DETERMINISM,
    FAST_CHECKS,
    list_stages,
    name_fast_checks,
)
from mnist_bench.training.engines import ENGINES
from mnist_bench.training.labs import LABS


def test_every_contract_has_its_name() -> None:
    """A contract that is not in the list would run nowhere, and be due nowhere."""
    assert tuple(CONTRACTS) == CONTRACT_NAMES


def test_every_engine_has_its_name() -> None:
    """The checks of an engine that is not in the list would be refused in every record."""
    assert tuple(ENGINES) == ENGINE_NAMES
    assert tuple(name for name, engine in ENGINES.items() if engine.xla) == ENGINES_WITH_XLA
    assert tuple(name for name, engine in ENGINES.items() if not engine.deterministic) == ENGINES_WITHOUT_DETERMINISM


def test_every_check_has_its_cases() -> None:
    """Each check stands once for what it is about: labs, the engine, or both."""
    names = name_fast_checks(["mlp", "dropout"], "graph")
    assert len(names) == len(set(names)) == 3 * 2 + 2 * 2 + len(CONTRACT_NAMES) + 1 + 2
    assert {name.partition("[")[0] for name in names} == set(FAST_CHECKS)


def test_the_stages_follow_the_epochs() -> None:
    """The last epoch is probed, whichever it is; a mask is a stage of the lab with dropout only."""
    assert list_stages(LABS["mlp"], 3)[-3:] == [f"weights after epoch {epoch}" for epoch in (1, 2, 3)]
    assert [name for name in list_stages(LABS["dropout"], 1) if name not in list_stages(LABS["mlp"], 1)] == [
        "dropout mask"
    ]
