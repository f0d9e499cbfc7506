"""A user's own model checked in one environment: by itself, and against stored stages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.sides import LAYERS, MODEL, make_checks, make_probe
from mnist_bench.own import suite
from mnist_bench.own.records import OwnConfig
from mnist_bench.own.suite import check_against, check_own
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import save
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.own.records import OwnProbe
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord

CONFIG = OwnConfig(model=MODEL, device="cpu")
FAR = {"gradient: 1 Conv2D kernel": 0.3}


@pytest.fixture
def environment(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> EnvironmentRecord:
    """This environment, in which both checks hold and the stages are those of the bits `a`."""
    monkeypatch.setattr(suite, "ask_own_checks", lambda *_: iter(make_checks()))
    monkeypatch.setattr(suite, "ask_own_probe", lambda *_: make_probe(record.environment, "a"))
    return record.environment


def list_verdicts(results: Any) -> list[tuple[str, str]]:
    """Return checks and verdicts."""
    return [(result.check, result.verdict.value) for result in results]


@pytest.mark.usefixtures("environment")
def test_without_a_baseline_none_is_due(tmp_path: Path) -> None:
    """The checks alone; with a folder that does not have the model, NO_BASELINE and the command that writes one."""
    assert list_verdicts(check_own(CONFIG)) == list_verdicts(make_checks())
    *_, last = check_own(CONFIG, tmp_path)
    assert (last.check, last.verdict.value) == ("bits/bench_net", "NO_BASELINE")
    assert last.command == f"mnist-bench check --model /models/bench_net.py --save-digests {tmp_path}"


def test_the_stored_stages_are_compared(environment: EnvironmentRecord, tmp_path: Path) -> None:
    """The same bits are IDENTICAL; a baseline of another text of the file is refused before any check."""
    path = tmp_path / "bench_net.json"
    save(make_probe(environment, "a"), path)
    results = list_verdicts(check_own(CONFIG, tmp_path))
    assert results[-2:] == [("structure/layers", "PASS"), ("bits/bench_net", "IDENTICAL")]
    other = dataclasses.replace(CONFIG, model=dataclasses.replace(MODEL, digest="0" * 64))
    with pytest.raises(ValueError, match=r"bench_net\.json is of another text of bench_net\.py"):
        next(check_own(other, tmp_path))


def test_a_probe_that_fails_did_not_run(
    environment: EnvironmentRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks before that are kept."""

    def fail(*_: object) -> OwnProbe:
        raise CommandError("fit raised TypeError", [])

    save(make_probe(environment, "a"), tmp_path / "bench_net.json")
    monkeypatch.setattr(suite, "ask_own_probe", fail)
    *_, last = check_own(CONFIG, tmp_path)
    assert (last.verdict.value, last.evidence) == ("INCONCLUSIVE", "fit raised TypeError")


@pytest.mark.parametrize(
    ("options", "keras", "verdict"),
    [
        ({}, None, "IDENTICAL"),
        ({"moved": {"weights after epoch 5": 0.2}}, None, "INCONCLUSIVE"),
        ({"moved": FAR}, None, "REGRESSED"),
        ({"moved": {"weights after epoch 5": 0.2}}, "2.15.0", "NO_BASELINE"),
        ({"moved": FAR}, "2.15.0", "REGRESSED"),
    ],
    ids=["same", "moved", "far", "another Keras", "far with another Keras"],
)
def test_stages_that_moved(
    environment: EnvironmentRecord, options: dict[str, Any], keras: str | None, verdict: str
) -> None:
    """Other bits are not judged without trainings; another computation is REGRESSED, whichever Keras stored them."""
    probe = make_probe(environment, "a", **options)
    old = change_environment(environment, keras=keras or environment.keras)
    *_, last = check_against(make_probe(old, "a"), probe)
    assert (last.check, last.verdict.value) == ("bits/bench_net", verdict)


def test_another_model_and_other_data_are_named(environment: EnvironmentRecord) -> None:
    """Layers that differ are REGRESSED; with other data nothing else is compared."""
    base = make_probe(environment, "a")
    wide = [*LAYERS[:2], dataclasses.replace(LAYERS[2], trainable=2900)]
    assert ("structure/layers", "REGRESSED") in list_verdicts(
        check_against(base, make_probe(environment, "a", layers=wide))
    )
    assert list_verdicts(check_against(base, make_probe(environment, "a", data="other"))) == [
        ("structure/same-data", "INCONCLUSIVE")
    ]
