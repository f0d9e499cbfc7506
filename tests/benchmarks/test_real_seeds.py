"""The script that judges groups of real trainings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.records import make_digest, retrain
from fixtures.upgrade import draw_errors, make_mlp_training
from mnist_bench.records.serial import save
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("real_seeds")


@pytest.fixture
def folders(record: TrainingRecord, tmp_path: Path) -> dict[str, Path]:
    """Forty trainings of the mlp by each of three environments, of which the third loses 0.5 points."""
    rng = np.random.default_rng(0)
    for name, lost in (("base", 0.0), ("other", 0.0), ("worse", 0.005)):
        (tmp_path / name).mkdir()
        for seed in range(40):
            drawn = rng.normal()
            training = dataclasses.replace(
                retrain(record, lab="mlp", epochs=20, seed=seed),
                test_accuracy=round(0.977 + 0.001 * drawn - lost, 4),
                test_loss=0.077 - 0.003 * drawn + 3 * lost,
                final_digest=make_digest(f"{name} {seed}"),
                initial_digest=make_digest(f"initial {seed}"),
            )
            save(training, tmp_path / name / f"{seed}.json")
    return {path.name: path for path in tmp_path.iterdir()}


def test_groups_share_no_seed(script: Any, folders: dict[str, Path]) -> None:
    """Each group has the same seeds on both sides; seeds that are left over make no group."""
    base, other = (script.load_folder(folders[name]) for name in ("base", "other"))
    groups = [*script.cut_groups(base, other, 15)]
    seeds = [[side.accuracy[0].seeds for side in group] for group in groups]
    assert seeds == [[[*range(15)]] * 2, [[*range(15, 30)]] * 2]


def test_a_loss_is_found_and_none_is_invented(script: Any, folders: dict[str, Path]) -> None:
    """As `compare` would judge: a loss of 0.5 points is found by ten seeds."""
    base, other, worse = (script.load_folder(folders[name]) for name in ("base", "other", "worse"))
    equal = [script.judge_group(*group) for group in script.cut_groups(base, other, 20)]
    assert {ended.verdict for ended in equal} <= {Verdict.PASS, Verdict.INCONCLUSIVE}
    found = [script.judge_group(*group) for group in script.cut_groups(base, worse, 20)]
    assert [(ended.verdict, ended.seeds <= 10) for ended in found] == [(Verdict.REGRESSED, True)] * 2


def test_a_group_begins_behind_the_seeds_that_the_last_one_needed(script: Any, folders: dict[str, Path]) -> None:
    """So that no seed counts twice, and none is lost to a look that was not reached."""
    base, other = (script.load_folder(folders[name]) for name in ("base", "other"))
    ended = [*script.judge_groups(base, other, 20, 0.0015)]
    assert len(ended) >= 2
    begins = [sum(it.seeds for it in ended[:place]) for place in range(len(ended))]
    assert begins[-1] + 20 <= 40 < begins[-1] + ended[-1].seeds + 20
    for begin, it in zip(begins, ended, strict=True):
        seeds = [*range(begin, begin + 20)]
        sides = (script.take(side, side.accuracy[0], seeds) for side in (base, other))
        assert script.judge_group(*sides, margin=0.0015) == it


def test_a_planted_loss_is_spread_over_the_classes(record: TrainingRecord, script: Any, tmp_path: Path) -> None:
    """So many images more are wrong, by the accuracy and by the errors of the classes."""
    save(make_mlp_training(record, 1671, "a", draw_errors(1)[0]), tmp_path / "1.json")
    (results,) = script.load_folder(tmp_path).accuracy
    worse = script.plant_loss(results, 15)
    assert worse.test_accuracy == pytest.approx([results.test_accuracy[0] - 0.0015])
    before, after = (it.predictions[0].class_errors for it in (results, worse))
    assert sum(after) - sum(before) == 15
    assert {new - old for old, new in zip(before, after, strict=True)} == {1, 2}


def test_groups_are_drawn_from_the_seeds_that_the_reference_does_not_have(
    script: Any, folders: dict[str, Path]
) -> None:
    """The first seeds of a folder are the reference; groups that lose 0.5 points are REGRESSED, others are not."""
    base, worse = (script.load_folder(folders[name]) for name in ("base", "worse"))
    reference = script.split_reference(base, 20)
    assert reference.seeds == [*range(20)]
    clean = [*script.judge_draws(reference, base.accuracy[0], 10, 5)]
    assert Verdict.REGRESSED not in {ended.verdict for ended in clean}
    assert {ended.verdict for ended in script.judge_draws(reference, worse.accuracy[0], 10, 5)} == {Verdict.REGRESSED}


def test_the_smallest_loss_that_is_found_is_between_two_steps(script: Any, folders: dict[str, Path]) -> None:
    """One step less is missed in more than a tenth of the groups; what no step finds is 0."""
    base, other = (script.load_folder(folders[name]) for name in ("base", "other"))
    groups, lose = [*script.cut_groups(base, other, 10)], script.lose_accuracy
    steps = script.find_smallest(groups, lose, "accuracy/accuracy", 100)
    assert 15 <= steps <= 60

    def count(lost: int) -> int:
        worse = [(old, dataclasses.replace(new, accuracy=[lose(new.accuracy[0], lost)])) for old, new in groups]
        return sum(script.judge_group(*group, only="accuracy/accuracy").verdict is Verdict.REGRESSED for group in worse)

    assert count(steps) >= 0.9 * len(groups) > count(steps - 1)
    assert script.find_smallest(groups, lose, "accuracy/accuracy", 2) == 0


def test_a_group_that_alarms_is_counted(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With the upper end of the rate, by Clopper and Pearson."""
    script.print_ended("these", [script.Ended(Verdict.PASS, 5)] * 299 + [script.Ended(Verdict.REGRESSED, 10)])
    assert capsys.readouterr().out == (
        "these: 300 groups: 299 PASS, 1 REGRESSED; 5.0 seeds in the mean; REGRESSED in at most 1.6%\n"
    )


def test_the_stored_seeds_are_judged(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A row and a line for each lab; a reference with too few seeds for a group is told."""
    script.judge_stored(50, 5, 3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == [f"| {lab}" for lab in LABS]
    assert lines[6:] == [line for lab, line in zip(LABS, lines[6:], strict=True) if line.startswith(f"{lab}, ")]
    assert all("against the first 50: 3 groups: " in line for line in lines[6:])
    script.judge_stored(50, 5000, 3)
    assert capsys.readouterr().out.count(" seeds are too few for a group of 5000 besides the first 50\n") == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a folder, or give --stored, and not both"),
        (["base", "--stored"], "name a folder, or give --stored, and not both"),
        (["nowhere"], "nowhere is no folder"),
        (["--stored", "--size", "0"], "'0': a whole number of 1 or more is allowed"),
        (["--stored", "--runs", "-1"], "'-1': a whole number of 1 or more is allowed"),
        (["--stored", "--reference", "x"], "'x': a whole number of 1 or more is allowed"),
        (["--stored", "--sharpness"], "--lose and --sharpness need two folders"),
        (["--stored", "--lose", "0.5"], "--lose and --sharpness need two folders"),
    ],
)
def test_bad_usage_is_told(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """In one line, before anything is judged."""
    monkeypatch.setattr("sys.argv", ["real_seeds.py", *arguments])
    with pytest.raises(SystemExit, match=r"^2$"):
        script.main()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].endswith(told)
