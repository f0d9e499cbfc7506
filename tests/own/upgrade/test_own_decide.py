"""A user's own model in two environments: when it trains, what it keeps, when it stops; the trainings are drawn."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import DAMAGES, damage_record
from fixtures.sides import MODEL, draw, make_checks, make_probe, make_training, move
from mnist_bench.own.records import OwnSide
from mnist_bench.own.upgrade import decide as module
from mnist_bench.own.upgrade.answer import write_own_answer
from mnist_bench.own.upgrade.comparison import compare_own
from mnist_bench.own.upgrade.decide import OwnPlan, decide_own
from mnist_bench.records.serial import load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import exit_status
from mnist_bench.stats.sequential import GROUP_LOOKS, PAIR_LOOKS
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.records import Install
from mnist_bench.versions.upgrade import looks
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError, Round, Task
from mnist_bench.versions.upgrade.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.own.records import OwnConfig, OwnProbe, OwnTraining
    from mnist_bench.own.upgrade.decide import OwnDecided
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult

INSTALL = Install(seconds=1.0, bytes=10**9, packages={"tensorflow": "2.21.0"})
SEEDS = 40


@dataclasses.dataclass
class Drawn:
    """Two environments that train nothing.

    Attributes:
        bits: Of each side.
        streams: Of each side.
        data: Of each side.
        more: The further errors in each class of the new side.
        slower: The seconds of the new side over those of the base.
        fail: What a round raises.
        refused: What each side answers instead of its checks; "" for nothing.
        trained: The seeds that were trained.
    """

    bits: tuple[str, str] = ("a", "b")
    streams: tuple[str, str] = ("same", "same")
    data: tuple[str, str] = ("data", "data")
    more: int = 0
    slower: float = 1.0
    fail: Exception | None = None
    refused: tuple[str, str] = ("", "")
    trained: list[int] = dataclasses.field(default_factory=list)


@pytest.fixture
def drawn(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Two environments whose trainings are drawn from a distribution."""
    drawn = Drawn()
    errors = draw(SEEDS)

    def place_of(python: Path | None) -> int:
        return ("a", "b").index(str(python))

    def ask_checks(python: Path, _config: OwnConfig, **_: Any) -> Iterator[CheckResult]:
        if reason := drawn.refused[place_of(python)]:
            raise CommandError(reason, [], bad_input=True)
        yield from make_checks()

    def ask_probe(python: Path, _config: OwnConfig, **_: Any) -> OwnProbe:
        place = place_of(python)
        return make_probe(record.environment, drawn.bits[place], streams=drawn.streams[place], data=drawn.data[place])

    def train(_pythons: Any, task: Task[OwnTraining], _cores: Any, **_: Any) -> Round[OwnTraining]:
        if drawn.fail:
            raise drawn.fail
        drawn.trained.append(task.seed)
        new = errors if drawn.bits[0] == drawn.bits[1] else move(errors, more=drawn.more)
        first, second = (
            make_training(record.environment, task.seed, bits, own[task.seed - 1671], slower=slower)
            for bits, own, slower in zip(drawn.bits, (errors, new), (1.0, drawn.slower), strict=True)
        )
        return Round((first, second), None)

    monkeypatch.setattr(looks, "ask_environment", lambda *_, **__: record.environment)
    monkeypatch.setattr(module, "find_cores", lambda: (0, 1))
    monkeypatch.setattr(module, "ask_own_checks", ask_checks)
    monkeypatch.setattr(module, "ask_own_probe", ask_probe)
    monkeypatch.setattr(module, "train_round", train)
    return drawn


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., OwnDecided]:
    """A function that compares the two environments of `drawn`."""

    def run(**options: Any) -> OwnDecided:
        sides = Side("a", Path("a"), INSTALL), Side("b", Path("b"), INSTALL)
        plan = OwnPlan(**{"model": MODEL, "folder": tmp_path / "out", **options})
        return decide_own(sides, plan, lambda _: None)

    return run


def find_verdicts(decided: OwnDecided) -> dict[str, str]:
    """Return the verdicts by the names of checks."""
    return {result.check: result.verdict.value for result in decided.compared.results}


def answer(decided: OwnDecided) -> str:
    """Return the first line."""
    return write_own_answer(decided.compared, *decided.records, decided.round_seconds)


def test_the_same_bits_need_one_training(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """All stages and one training with the same bits: IDENTICAL, and no more training."""
    drawn.bits = ("a", "a")
    decided = run()
    assert drawn.trained == [1671]
    assert {find_verdicts(decided)[name] for name in ("bits/bench_net", "metric/loss", "metric/accuracy")} == {
        "IDENTICAL"
    }
    assert answer(decided).startswith(
        "Upgrade: nothing is worse. TensorFlow 2.21 with Keras 3.15 ends every training in"
    )


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
@pytest.mark.parametrize("name", ["base.json", "new.json"])
def test_no_comparison_goes_on_from_a_changed_record(
    drawn: Drawn, run: Callable[..., OwnDecided], tmp_path: Path, name: str, how: str
) -> None:
    """Nothing is trained, and the record stays as it is."""
    run()
    count, path = len(drawn.trained), tmp_path / "out" / name
    damage_record(path, how)
    damaged = path.read_bytes()
    with pytest.raises(RecordError, match=re.escape(f"{path}: {DAMAGES[how]}")):
        run()
    assert (len(drawn.trained), path.read_bytes()) == (count, damaged)


def test_nothing_is_worse(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Rounding alone: pairs are trained up to the look that decides, and everything is PASS."""
    decided = run()
    assert set(find_verdicts(decided).values()) == {"PASS"}
    assert len(drawn.trained) in PAIR_LOOKS
    told = answer(decided)
    assert told.startswith(
        "Upgrade: nothing is worse. The first stage that moved is the forward pass of layer 1 Conv2D."
    )
    assert f"({len(drawn.trained)} pairs)" in told


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"more": 4}, "metric/accuracy", "bench_net loses 3.9"),
        ({"slower": 1.2}, "time/work", "bench_net takes 20% longer (20 to 20%) to fit and needs 20% more ("),
    ],
    ids=["accuracy", "time"],
)
def test_what_is_worse_is_found_and_said(
    drawn: Drawn, run: Callable[..., OwnDecided], change: dict[str, Any], check: str, words: str
) -> None:
    """A loss of four points, or of a fifth of the speed, is REGRESSED, status 1, and in the first line."""
    for name, value in change.items():
        setattr(drawn, name, value)
    decided = run()
    assert find_verdicts(decided)[check] == "REGRESSED"
    assert exit_status(decided.compared.results) == 1
    assert answer(decided).startswith("Do not upgrade unseen to TensorFlow 2.21 with Keras 3.15: ")
    assert words in answer(decided)


def test_other_streams_are_judged_as_groups(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Where the random numbers are others, the seeds of both sides are two groups, and more of them are needed."""
    drawn.streams = ("one", "two")
    run()
    assert len(drawn.trained) in GROUP_LOOKS


def test_other_data_are_not_trained(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Arrays that differ between the environments end the comparison with what to do."""
    drawn.data = ("one", "two")
    decided = run()
    assert drawn.trained == []
    assert find_verdicts(decided)["structure/same-data"] == "INCONCLUSIVE"
    assert "nothing else can be compared" in str(decided.compared.results)


def test_a_file_that_fails_in_the_base_is_bad_input(
    drawn: Drawn, run: Callable[..., OwnDecided], tmp_path: Path
) -> None:
    """Its line is the error; what the other side has measured is kept."""
    drawn.refused = ("bench_net.py, line 3, build(): NameError: name 'kers' is not defined", "")
    with pytest.raises(ValueError, match=r"^bench_net\.py, line 3, build\(\): NameError"):
        run()
    assert load(tmp_path / "out" / "new.json", OwnSide).checks


def test_a_file_that_fails_in_the_new_side_alone_is_a_regression(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """A model that can no longer be built is the first thing to know of an upgrade."""
    drawn.refused = ("", "bench_net.py, line 9, build(): ValueError: lr is deprecated")
    decided = run()
    assert find_verdicts(decided) == {"structure/model": "REGRESSED"}
    assert drawn.trained == []
    assert "lr is deprecated" in answer(decided)


@pytest.mark.parametrize(
    ("error", "check", "verdict", "status"),
    [
        (LostSideError(1, "no more", [], raised=True), "structure/fit", "REGRESSED", 1),
        (LostSideError(1, "no more", []), "metric/seed-1671", "INCONCLUSIVE", 3),
    ],
    ids=["an error", "a death"],
)
def test_a_side_that_gives_no_training_is_not_green(
    drawn: Drawn, run: Callable[..., OwnDecided], error: LostSideError, check: str, verdict: str, status: int
) -> None:
    """An error that Keras raises in the new side alone is a regression; a process that is killed says nothing."""
    drawn.fail = error
    decided = run()
    assert find_verdicts(decided)[check] == verdict
    assert exit_status(decided.compared.results) == status


def test_a_file_that_fails_in_a_training_is_bad_input(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Such as a margin of a metric that the model does not have."""
    drawn.fail = LostSideError(0, "bench_net.py: margins names the metric 'mae'", [], raised=True, bad_input=True)
    with pytest.raises(ValueError, match="margins names the metric 'mae'"):
        run()


def test_time_that_is_over_before_a_seed_is_not_green(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Although every stage has the same bits."""
    drawn.bits, drawn.fail = ("a", "a"), OverdueError("the time was over")
    decided = run()
    assert exit_status(decided.compared.results) == 3
    assert "The time was over before a seed was trained: give more (--budget)." in answer(decided)


def test_a_budget_too_small_measures_nothing(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """The checks alone take a minute: less is refused at once."""
    with pytest.raises(ValueError, match="a budget of 30 s is too small"):
        run(budget_seconds=30)
    assert drawn.trained == []


def test_the_bits_alone_train_nothing(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """Bits that moved are not judged without trainings."""
    decided = run(only_bits=True)
    assert drawn.trained == []
    assert find_verdicts(decided)["bits/bench_net"] == "INCONCLUSIVE"


def test_a_second_call_goes_on_and_the_records_say_the_same(
    drawn: Drawn, run: Callable[..., OwnDecided], tmp_path: Path
) -> None:
    """What is in the folder is not trained again; the two records, compared, give the same verdicts and answer."""
    first = run()
    count = len(drawn.trained)
    assert find_verdicts(run()) == find_verdicts(first)
    assert len(drawn.trained) == count
    base, new = (load(tmp_path / "out" / f"{name}.json", OwnSide) for name in ("base", "new"))
    stored = compare_own(base, new)
    assert {result.check: result.verdict.value for result in stored.results} == find_verdicts(first)
    assert write_own_answer(stored, base, new) == answer(first)


def test_a_folder_of_another_model_file_is_refused(drawn: Drawn, run: Callable[..., OwnDecided]) -> None:
    """What was measured with another text of the file is never taken for this."""
    run()
    count = len(drawn.trained)
    with pytest.raises(ValueError, match=r"base\.json is of another text of bench_net\.py: .* --out"):
        run(model=dataclasses.replace(MODEL, digest="0" * 64))
    assert len(drawn.trained) == count
