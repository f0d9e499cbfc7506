"""The run of a comparison: when it trains, what it keeps, and when it stops; the trainings are drawn."""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.checksums import DAMAGES, damage_record, write_record
from fixtures.records import rekey
from fixtures.upgrade import draw_errors, make_mlp_probe, make_mlp_training, move_errors
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.serial import load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, exit_status
from mnist_bench.stats.sequential import GROUP_LOOKS, PAIR_LOOKS
from mnist_bench.versions.records import Install, VersionRecord, update_record
from mnist_bench.versions.upgrade import decide as module
from mnist_bench.versions.upgrade import looks
from mnist_bench.versions.upgrade.answer import estimate_minutes, write_answer
from mnist_bench.versions.upgrade.decide import UpgradePlan, decide
from mnist_bench.versions.upgrade.page import UPGRADE_MARK, write_page
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError, Round, Task
from mnist_bench.versions.upgrade.sides import Side
from mnist_bench.versions.upgrade.times import RoundTimes, TimesRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.figures import FigureRules
    from mnist_bench.versions.measurement import MeasurementSetup
    from mnist_bench.versions.plan import MeasurementPlan
    from mnist_bench.versions.upgrade.decide import Decided

SEEDS = 40
INSTALL = Install(seconds=1.0, bytes=10**9, packages={"tensorflow": "2.21.0"})


@dataclasses.dataclass
class Lab:
    """Two environments that train nothing.

    Attributes:
        bits: Of each side.
        streams: Of each side.
        worse: The further errors by class of the new side.
        ratio: The seconds of the new side over those of the base.
        fail: What a round raises.
        trained: The seeds that were trained.
    """

    bits: tuple[str, str] = ("a", "b")
    streams: tuple[str, str] = ("same", "same")
    worse: dict[int, int] = dataclasses.field(default_factory=dict)
    ratio: float = 1.0
    ends_only: bool = False  # whether the probes have the bits of the base on both sides
    fail: Exception | None = None
    trained: list[int] = dataclasses.field(default_factory=list)
    shipped: list[bool] = dataclasses.field(default_factory=list)
    known: list[EnvironmentRecord | None] = dataclasses.field(default_factory=list)


@pytest.fixture
def lab(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Two environments whose trainings are drawn from a distribution."""
    lab = Lab()
    errors = draw_errors(SEEDS)

    def measure(version: VersionRecord, plan: MeasurementPlan, setup: MeasurementSetup) -> Iterator[VersionRecord]:
        lab.known.append(setup.environment)
        if version.probes:
            return
        place = ("base", "new").index(setup.folder.name)
        probe = make_mlp_probe(record, lab.bits[0 if lab.ends_only else place], streams=lab.streams[place])
        checks = [
            CheckResult(name=name, verdict=Verdict.PASS, figure="1", bound="1")
            for name in name_fast_checks(plan.labs, "epoch")
        ]
        yield update_record(
            version,
            environment=record.environment,
            dataset=record.dataset,
            probes=[probe],
            install=INSTALL,
            checks={"epoch": checks},
        )

    def train(_pythons: Any, task: Task[TrainingRecord], _cores: Any, **_: Any) -> Round[TrainingRecord]:
        if lab.fail:
            raise lab.fail
        place = task.seed - 1671
        lab.trained.append(task.seed)
        lab.shipped.append(task.as_shipped)
        new = errors if lab.bits[0] == lab.bits[1] else move_errors(errors, lab.worse)
        first, second = (
            make_mlp_training(record, task.seed, bits, own[place])
            for bits, own in zip(lab.bits, (errors, new), strict=True)
        )
        rng = np.random.default_rng(task.seed)
        walls = [scale * (0.5 + 0.004 * rng.normal(size=6)) for scale in (1, lab.ratio)]
        a, b = (wall.tolist() for wall in walls)
        columns = {"wall_a": a, "wall_b": b, "cpu_a": a, "cpu_b": b}
        times = RoundTimes(lab="mlp", engine="epoch", seed=task.seed, as_shipped=task.as_shipped, **columns)
        return Round((first, second), times)

    monkeypatch.setattr(looks, "ask_environment", lambda *_, **__: record.environment)
    monkeypatch.setattr(module, "measure", measure)
    monkeypatch.setattr(module, "train_round", train)
    return lab


@pytest.fixture
def run(tiny: Dataset, tmp_path: Path) -> Callable[..., Decided]:
    """A function that compares the two environments of `lab`."""

    def run(**options: Any) -> Decided:
        sides = Side("a", Path("a"), INSTALL), Side("b", Path("b"), INSTALL)
        options = {"labs": ["mlp"], "dataset": tiny, "source": "digits", "folder": tmp_path / "out", **options}
        return decide(sides, UpgradePlan(**options), lambda _: None)

    return run


def find_verdicts(decided: Decided) -> dict[str, str]:
    """Return the verdicts of the figures by name."""
    return {
        result.check.partition("/")[2]: result.verdict.value
        for result in decided.compared.results
        if result.layer in ("accuracy", "time", "bits")
    }


def answer(decided: Decided) -> str:
    """Return the first line."""
    return write_answer(decided.compared, *decided.records, decided.round_seconds)


def test_the_same_bits_need_one_training(lab: Lab, run: Callable[..., Decided]) -> None:
    """All stages and one full training with the same bits: IDENTICAL, and no more training."""
    lab.bits = ("a", "a")
    decided = run()
    assert lab.trained == [1671]
    assert lab.shipped == [False]  # `fit` need not wait for the autotuner's thread where no time is judged
    assert None not in lab.known  # each interpreter is asked once what it is
    figures = [result for result in decided.compared.results if result.layer in ("bits", "accuracy")]
    assert conclude(result.verdict for result in figures) is Verdict.IDENTICAL
    assert "ends every training in the same bits" in answer(decided)


def test_nothing_is_worse(lab: Lab, run: Callable[..., Decided]) -> None:
    """Rounding alone: pairs are trained up to the look that decides, and everything is PASS."""
    decided = run()
    assert set(find_verdicts(decided).values()) == {"PASS"}
    assert len(lab.trained) in PAIR_LOOKS
    assert all(lab.shipped)
    told = answer(decided)
    assert told.startswith("Upgrade: nothing is worse. ")
    assert f"({len(lab.trained)} pairs a lab)" in told
    assert "A call of fit, as shipped, is the same within" in told
    assert "The processor time of an epoch is the same within" in told


@pytest.mark.parametrize(("ratio", "both"), [(1.2, False), (1.6, True)], ids=["work", "both clocks"])
def test_a_lab_that_is_slower_is_told_once(
    lab: Lab,
    run: Callable[..., Decided],
    ratio: float,
    both: bool,  # noqa: FBT001 - parametrised
) -> None:
    """What users wait for and the work behind that are one finding, whether one clock is REGRESSED or both."""
    lab.ratio = ratio
    decided = run()
    verdicts = find_verdicts(decided)
    assert (verdicts["work"], verdicts["fit"] == "REGRESSED") == ("REGRESSED", both)
    told = answer(decided)
    assert told.count("to fit") == told.count("processor time an epoch") == 1
    assert re.search(r"the MLP takes \d+% longer \(.*%\) to fit and needs \d+% more \(.*%\) processor time", told)


def test_a_slow_down_is_judged_where_only_the_ends_moved(lab: Lab, run: Callable[..., Decided]) -> None:
    """The first training then ran without the autotuner, and three pairs are three all the same."""
    lab.ends_only, lab.ratio = True, 1.5
    decided = run()
    assert lab.shipped[:3] == [False, True, True]
    assert find_verdicts(decided)["work"] == "REGRESSED"
    assert exit_status(decided.compared.results) == 1


def test_a_slower_lab_is_decided_all_the_same(lab: Lab, run: Callable[..., Decided]) -> None:
    """A loss that may be within the margin is given its pairs, although the time is REGRESSED."""
    lab.worse, lab.ratio = dict.fromkeys(range(10), 1), 1.2
    decided = run()
    verdicts = find_verdicts(decided)
    assert (verdicts["work"], verdicts["accuracy"]) == ("REGRESSED", "PASS")


def test_hundreds_of_epochs_do_not_wait_for_the_autotuner(
    lab: Lab, run: Callable[..., Decided], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their waiting would take the time of accuracy and loss: the processor time is judged, and a note says so."""
    monkeypatch.setattr(module, "_MOST_WAITS", 10)
    lab.ratio = 1.2
    decided = run()
    assert not any(lab.shipped)
    verdicts = find_verdicts(decided)
    assert verdicts["work"] == "REGRESSED"
    assert "fit" not in verdicts
    (told,) = (note for note in decided.compared.notes if "autotuner" in note)
    assert told.startswith("of the MLP the processor time is judged, and no call of fit as shipped")


@pytest.mark.parametrize(
    ("worse", "ratio", "metric", "words"),
    [
        (
            dict.fromkeys(range(10), 3),
            1.0,
            "accuracy",
            "the MLP loses 0.29 points of accuracy (0.24 to 0.34, margin 0.15)",
        ),
        ({8: 15}, 1.0, "classes", "accuracy/classes fails (errors of class 8 changed by +1."),
        ({}, 1.2, "work", "%) to fit and needs 20% more ("),
    ],
    ids=["accuracy", "class", "time"],
)
def test_what_is_worse_is_found_and_said(
    lab: Lab, run: Callable[..., Decided], worse: dict[int, int], ratio: float, metric: str, words: str
) -> None:
    """A loss of 0.3 points, of one class, or of a fifth of the speed is REGRESSED, status 1, and in the first line."""
    lab.worse, lab.ratio = worse, ratio
    decided = run()
    assert find_verdicts(decided)[metric] == "REGRESSED"
    assert exit_status(decided.compared.results) == 1
    told = answer(decided)
    assert told.startswith("Do not upgrade unseen to TensorFlow 2.21 with Keras 3.15: ")
    assert words in told
    assert len(lab.trained) < SEEDS


@pytest.mark.usefixtures("lab")
def test_a_loss_that_may_be_within_the_margin_is_given_more_pairs(
    run: Callable[..., Decided], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be REGRESSED if the time were over then is not before the last look."""
    told: list[bool] = []
    original = module.compare_versions

    def compare(base: Any, new: Any, rules: FigureRules, rounds: Any) -> Compared:
        told.append(rules.last)
        return original(base, new, rules, rounds)

    monkeypatch.setattr(module, "compare_versions", compare)
    run()
    assert told[-1] is True
    assert set(told[:-1]) == {False}


def test_a_loss_within_the_margin_is_said_and_a_smaller_margin_decides(
    lab: Lab, run: Callable[..., Decided], tmp_path: Path
) -> None:
    """A loss of 0.1 points passes the margin of 0.15, in words; with a margin of 0.05 it is REGRESSED."""
    lab.worse = dict.fromkeys(range(10), 1)
    decided = run()
    assert find_verdicts(decided)["accuracy"] == "PASS"
    assert re.search(
        r"The accuracy of the MLP is worse by 0\.\d\d points \(0\.0\d to 0\.1\d\), within", answer(decided)
    )
    strict = run(margin=0.0005, folder=tmp_path / "strict")
    assert find_verdicts(strict)["accuracy"] == "REGRESSED"


def test_other_streams_are_judged_as_groups(lab: Lab, run: Callable[..., Decided]) -> None:
    """Where the random numbers are others, the seeds of both sides are two groups, and more of them are needed."""
    lab.streams = ("one", "two")
    run()
    assert len(lab.trained) in GROUP_LOOKS


def test_a_spent_budget_is_not_decided(lab: Lab, run: Callable[..., Decided], monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is over, what is open is INCONCLUSIVE, and the first line says about how long it would take."""
    lab.streams, lab.worse = ("one", "two"), dict.fromkeys(range(10), 2)
    clock = iter(range(0, 100_000, 20))
    monkeypatch.setattr(looks, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    decided = run(budget_seconds=600)
    assert exit_status(decided.compared.results) == 3
    minutes = estimate_minutes(decided.compared, decided.round_seconds)
    assert minutes is not None
    assert f"About {minutes:.0f} more minutes would decide the figures" in answer(decided)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LostSideError(1, "its process was killed by SIGKILL", ["last line"]), "was killed by SIGKILL"),
        (OverdueError("the time was over"), "none in"),
    ],
    ids=["lost", "overdue"],
)
def test_a_side_that_gives_no_training_is_not_green(
    lab: Lab, run: Callable[..., Decided], error: Exception, reason: str
) -> None:
    """A process that dies is recorded as a failure of its side; what is missing is INCONCLUSIVE."""
    lab.fail = error
    decided = run()
    assert exit_status(decided.compared.results) == 3
    assert reason in " ".join(result.figure for result in decided.compared.results)


def test_a_budget_too_small_measures_nothing(lab: Lab, run: Callable[..., Decided]) -> None:
    """The checks alone take a minute: less is refused at once."""
    with pytest.raises(ValueError, match="a budget of 30 s is too small"):
        run(budget_seconds=30)
    assert lab.trained == []


def test_a_second_call_goes_on(lab: Lab, run: Callable[..., Decided], tmp_path: Path) -> None:
    """What is in the folder is not trained again, and all of it counts."""
    first = run()
    count = len(lab.trained)
    again = run()
    assert len(lab.trained) == count
    assert find_verdicts(again) == find_verdicts(first)
    assert len(load(tmp_path / "out" / "times.json", TimesRecord).rounds) == count
    assert load(tmp_path / "out" / "new.json", VersionRecord).accuracy[0].seeds == lab.trained


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
@pytest.mark.parametrize("name", ["base.json", "new.json", "times.json"])
def test_no_comparison_goes_on_from_a_changed_record(
    lab: Lab, run: Callable[..., Decided], tmp_path: Path, name: str, how: str
) -> None:
    """Nothing is trained, and the record stays as it is."""
    run()
    count, path = len(lab.trained), tmp_path / "out" / name
    damage_record(path, how)
    damaged = path.read_bytes()
    with pytest.raises(RecordError, match=re.escape(f"{path}: {DAMAGES[how]}")):
        run()
    assert (len(lab.trained), path.read_bytes()) == (count, damaged)


@pytest.mark.usefixtures("lab")
def test_a_folder_of_another_environment_is_refused(
    run: Callable[..., Decided], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of the same two sides in the other order."""
    run()
    kept = (tmp_path / "out" / "new.json").read_bytes()
    packages = {**INSTALL.packages, "keras": "9.9.9"}
    monkeypatch.setitem(globals(), "INSTALL", dataclasses.replace(INSTALL, packages=packages))
    with pytest.raises(ValueError, match=r"base\.json is of an environment with other packages: .* --out"):
        run()
    assert (tmp_path / "out" / "new.json").read_bytes() == kept


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("base.json", {"install": None}, r"base\.json is of an environment with other packages"),
        (
            "base.json",
            {"environment.instruction_set": "avx9"},
            r"base\.json: measured with instruction_set 'avx9', here",
        ),
        ("new.json", {"environment.onednn": "0"}, r"new\.json: measured with onednn '0', here"),
        ("times.json", {"b.keras": "9.9.9"}, r"times\.json: new has an environment with keras .*here '9\.9\.9'"),
        ("times.json", {"rounds.0.seed": 7}, r"times\.json: times of mlp-epoch, seed 7, which base has not trained"),
        ("times.json", {"rounds.0.lab": "dropout"}, r"times\.json: times of dropout-epoch, seed 1671, which base has"),
    ],
    ids=["no packages", "machine", "setting", "times of others", "times of no seed", "times of no lab"],
)
def test_what_is_kept_is_held_against_what_is_asked(
    run: Callable[..., Decided], tmp_path: Path, name: str, change: dict[str, object], message: str
) -> None:
    """Nothing of another environment is taken, also where nothing is left to be measured."""
    run()
    path = tmp_path / "out" / name
    facts = json.loads(path.read_text())
    for place, value in change.items():
        *parts, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
        functools.reduce(operator.getitem, parts, facts)[last] = value
        if name != "times.json" and "environment" in place:  # the whole record is of that environment
            for probe in facts["probes"]:
                probe["environment"][last] = value
    for holder, key in [
        (facts, "environment"),
        *((probe, "environment") for probe in facts.get("probes", ())),
        (facts, "b"),
    ]:
        if key in holder:
            holder[key] = rekey(holder[key])
    write_record(path, facts)
    with pytest.raises(ValueError, match=message):
        run()


def test_the_page_shows_the_answer(lab: Lab, run: Callable[..., Decided], tmp_path: Path) -> None:
    """The page has the first line, a bar for each figure and every check; a page of another kind is not replaced."""
    lab.worse = {8: 15}
    decided = run()
    path = tmp_path / "page.html"
    write_page(decided, answer(decided), path)
    text = path.read_text()
    assert UPGRADE_MARK in text
    assert "errors of class 8 changed" in text
    assert "accuracy of the MLP" in text
    write_page(decided, "another answer", path)
    path.write_text("not ours")
    with pytest.raises(FileExistsError):
        write_page(decided, "another answer", path)
