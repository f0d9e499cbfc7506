"""Companies of seeds: each seed is trained as it is alone, the checks can judge it, and its record says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import contracts
from mnist_bench.checks.layers.arithmetic import check_arithmetic
from mnist_bench.checks.layers.figures import check_figures
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training import company
from mnist_bench.training.backend import choose_device
from mnist_bench.training.company import check_company, count_bytes, find_room, train_company
from mnist_bench.training.engines import ENGINES
from mnist_bench.training.labs import LABS
from mnist_bench.training.runner import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

# Slow, because each lab is compiled for companies of several sizes.
pytestmark = [pytest.mark.usefixtures("float32"), pytest.mark.slow]

# Where a company's products are summed as those of a seed alone: the perceptron's one layer, on a CPU.
SAME_BITS = {"perceptron"}


def make_configs(lab: str, count: int) -> list[TrainingConfig]:
    """Return trainings of two epochs that differ in their seeds."""
    return [TrainingConfig(lab=lab, engine="fused", seed=1671 + number, epochs=2) for number in range(count)]


@pytest.fixture
def company_engine(monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine that trains as `fused` does, in a company with two other seeds."""
    engine = dataclasses.replace(ENGINES["fused"], name="company", lanes=3)
    monkeypatch.setitem(ENGINES, engine.name, engine)
    return engine.name


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("check", [check_arithmetic, check_figures])
def test_a_seed_in_company_follows_the_oracle(lab: str, check: Callable[..., object], company_engine: str) -> None:
    """The check of arithmetic judges a company as it judges an engine, by what rounding explains."""
    result = check(lab, company_engine)
    assert result.verdict is Verdict.PASS, result  # type: ignore[attr-defined]


@pytest.mark.parametrize("contract", contracts.CONTRACTS)
def test_a_company_keeps_the_contracts(contract: str, company_engine: str) -> None:
    """Each seed has its own order and its own masks."""
    result = contracts.check_contract(contract, company_engine)
    assert result.verdict is Verdict.PASS, result


@pytest.fixture(scope="module", params=LABS)
def trained(request: pytest.FixtureRequest, tiny: Dataset) -> dict[str, list[TrainingRecord]]:
    """The records of two seeds: alone, in a company of four, which one of them fills, and of eight."""
    configs = make_configs(request.param, 2)
    return {
        "alone": [train(config, dataset=tiny) for config in configs],
        "four": list(train_company(configs, size=4, dataset=tiny)),
        "eight": list(train_company(configs, size=8, dataset=tiny)),
    }


def test_a_seed_in_company_is_the_seed_alone(trained: dict[str, list[TrainingRecord]]) -> None:
    """It begins with the same weights and ends at the same losses; with the same bits where the products allow."""
    assert [len(records) for records in trained.values()] == [2, 2, 2]
    for alone, *others in zip(*trained.values(), strict=True):
        for other in others:
            assert other.config == alone.config
            assert other.initial_digest == alone.initial_digest
            # Two epochs of ten steps; an exchanged order, mask or seed moves the third digit.
            assert other.history.loss == pytest.approx(alone.history.loss, rel=2e-5)
            assert other.test_loss == pytest.approx(alone.test_loss, rel=2e-5)
        if alone.config.lab in SAME_BITS and choose_device("auto") == "cpu":
            assert {other.final_digest for other in others} == {alone.final_digest}


@pytest.mark.parametrize("trained", ["dropout"], indirect=True)
def test_neighbours_do_not_move_a_bit(trained: dict[str, list[TrainingRecord]], tiny: Dataset) -> None:
    """A seed's bits in a company do not depend on which other seeds are in it, nor on its place."""
    first, _, third = make_configs("dropout", 3)
    other = train_company([third, first], size=4, dataset=tiny)
    assert trained["four"][0].final_digest == list(other)[1].final_digest


def test_the_record_says_that_there_was_company(trained: dict[str, list[TrainingRecord]]) -> None:
    """Its key differs from that of a seed alone, so that no bits are compared, and its time is a share."""
    for name, size in (("alone", 1), ("four", 4), ("eight", 8)):
        for record in trained[name]:
            assert record.company == size
            assert record.environment.flags.get("company", "1") == str(size)
    alone, four = trained["alone"][0].environment, trained["four"][0].environment
    assert list(explain_keys(alone, four, NUMERICS_FIELDS)) == ["flags"]
    assert alone.numerics_key != four.numerics_key
    assert len({tuple(record.history.seconds) for record in trained["four"]}) == 1


def test_a_record_that_contradicts_itself_is_refused(record: TrainingRecord) -> None:
    """A company that the environment's flags do not name would let bits be compared."""
    with pytest.raises(ValueError, match="company 4 does not agree with that of the environment's flags, '1'"):
        dataclasses.replace(record, company=4)


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        pytest.param({"engine": "graph"}, 2, "engine graph trains each seed alone: a company needs", id="engine"),
        pytest.param({}, 1, "2 trainings are more than a company of 1", id="size"),
        pytest.param({"learning_rate": 0.2}, 2, "one configuration: the answer is of learning_rate 0.2", id="rate"),
    ],
)
def test_who_cannot_be_a_company(changes: dict[str, object], size: int, message: str) -> None:
    """Trainings of one program differ in their seeds only, and the message names what else differs."""
    first, second = make_configs("mlp", 2)
    changed = [first if "learning_rate" in changes else dataclasses.replace(first, **changes)]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        check_company([*changed, dataclasses.replace(second, **changes)], size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "seed", "most", "room"),
    [
        pytest.param(80_000, 10, 1000, 1024, id="a power of two that holds all"),
        pytest.param(80_000, 10, 5, 8, id="no more than asked for"),
        pytest.param(80_000, 100, 1000, 256, id="half of the memory"),
        pytest.param(80_000, 10, 10_000, 1024, id="no more than pays"),
        pytest.param(100, 1000, 1000, 1, id="no room"),
        pytest.param(80_000, 10, 1, 1, id="one"),
    ],
)
def test_the_memory_decides_how_many(device: int, seed: int, most: int, room: int) -> None:
    """Half of the device is for the seeds."""
    assert find_room(device, seed, most=most) == room


@pytest.mark.parametrize(
    ("device", "memory", "engine", "size"),
    [
        pytest.param("cpu", 80 * 2**30, "fused", 1, id="a CPU"),
        pytest.param("gpu", None, "fused", 1, id="no answer"),
        pytest.param("gpu", 80 * 2**30, "graph", 1, id="Keras"),
        pytest.param("gpu", 80 * 2**30, "fused", 512, id="a GPU that two workers share"),
        pytest.param("gpu", 2**30, "fused", 16, id="a small GPU"),
    ],
)
def test_the_device_decides(
    monkeypatch: pytest.MonkeyPatch, digits: Dataset, device: str, memory: int | None, engine: str, size: int
) -> None:
    """A company is for a GPU whose memory is known, and for the engine that has companies."""
    monkeypatch.setattr(company, "choose_device", lambda _: device)
    monkeypatch.setattr(company, "read_gpu_memory", lambda: memory)
    config = TrainingConfig(lab="mlp", engine=engine)
    assert company.choose_size(config, digits, most=500, workers=2) == size
    assert company.choose_size(config, digits, most=1, workers=1) == 1


def test_masks_take_the_most_memory() -> None:
    """The random bits of an epoch of dropout are several times the rest of a seed."""
    shapes = [(784, 128), (128,), (128, 128), (128,), (128, 10), (10,)]
    plain, masked = (count_bytes(shapes, samples=48_000, batch_size=128, dropout=flag) for flag in (False, True))
    assert masked - plain == 2 * 48_000 * 2 * 266
    assert 5e6 < plain < 2e7
