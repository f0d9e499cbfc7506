"""A sweep from its points to its record: trained without the test set, chosen by validation, tested once."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import DAMAGES, change_leaf
from fixtures.records import make_digest, retrain, run_as

pytest.importorskip("optuna", minversion="4.9")

from optuna.trial import TrialState, create_trial

from mnist_bench.records.checksum import seal
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.serial import decode, dump_json
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import TrainingRecord
from mnist_bench.sweep import trials
from mnist_bench.sweep.records import SweepPlan, SweepRecord
from mnist_bench.sweep.results import choose_trials
from mnist_bench.sweep.space import make_space
from mnist_bench.sweep.trials import check_points, make_record, open_sweep, open_tests, run_trials
from mnist_bench.training.runner import train, train_untested

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import ValidationRecord
    from mnist_bench.training.data.dataset import Dataset

SEEDS = [1671, 1672]
POINTS: list[Any] = [{}, {"epochs": 1}, {"learning_rate": 0.3}]


def make_plan(tiny: Dataset, *varied: str, sampler: str = "one-at-a-time", prune: bool = False) -> SweepPlan:
    """Return the plan of a sweep of the perceptron on the tiny set."""
    space = make_space("perceptron", varied or ["epochs=1,2", "learning_rate=0.3"])
    dataset = DatasetRecord(source=tiny.name, digest=tiny.digest)
    return SweepPlan(space=space, sampler=sampler, trials=None, seeds=SEEDS, prune=prune, dataset=dataset)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that is not there yet."""
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def stub_training(
    monkeypatch: pytest.MonkeyPatch, record: TrainingRecord, validation: ValidationRecord
) -> list[TrainingConfig]:
    """Have trainings make records without training; return the list of the configurations asked for.

    A larger learning rate is better, and every seed a little better than the one before.
    """
    asked: list[TrainingConfig] = []

    def make(form: Any, accuracy_field: str | None, config: TrainingConfig, on_epoch: Any = None) -> Any:
        asked.append(config)
        accuracy = min(0.5 + config.learning_rate + (config.seed - 1671) / 100, 1)
        epochs = config.epochs or 1
        columns = {name: [getattr(form.history, name)[0]] * epochs for name in form.history.__dataclass_fields__}
        history = dataclasses.replace(form.history, **columns | {"val_accuracy": [accuracy] * epochs})
        for epoch in range(epochs if on_epoch else 0):
            on_epoch(epoch, type("Figures", (), {"val_accuracy": accuracy}))
        if accuracy_field:
            return dataclasses.replace(
                retrain(form, history=history, **vars(config)), **{accuracy_field: accuracy - 0.1}
            )
        environment = run_as(config, form.environment)
        return dataclasses.replace(form, config=config, environment=environment, history=history)

    monkeypatch.setattr(trials, "train", lambda config, **_: make(record, "test_accuracy", config))
    monkeypatch.setattr(
        trials, "train_untested", lambda config, *, on_epoch=None, **_: make(validation, None, config, on_epoch)
    )
    return asked


def test_a_training_without_the_test_set_is_of_its_own_kind(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in the same bits as `train`, never sees the test set, and its record has a kind of its own."""
    config = TrainingConfig(lab="perceptron", engine="fused", epochs=2)
    full = train(config, dataset=tiny)
    with monkeypatch.context() as patch:
        patch.setattr(
            "keras.Sequential.evaluate", lambda *_, **__: pytest.fail("the test set was touched"), raising=False
        )
        untested = train_untested(config, dataset=tiny)
    assert untested.final_digest == full.final_digest
    assert untested.history.val_accuracy == full.history.val_accuracy
    assert untested.val_accuracy == full.history.val_accuracy[-1]
    assert untested.parameters == full.parameters
    with pytest.raises(RecordError, match="kind is 'validation', expected 'training'"):
        decode(dump_json(untested), TrainingRecord, origin="memory")


def test_a_sweep_trains_every_point_with_every_seed(
    url: str, tiny: Dataset, stub_training: list[TrainingConfig]
) -> None:
    """Validation chooses, and only the chosen points and the lab's own are tested, each once."""
    plan = make_plan(tiny)
    study = open_sweep(url, "s", plan, POINTS, heartbeat=1)
    run_trials(url, "s", tiny, data="some/path", worker=0, heartbeat=1)
    assert [(config.epochs, config.learning_rate, config.seed) for config in stub_training] == [
        (200, 0.1, 1671),
        (200, 0.1, 1672),
        (1, 0.1, 1671),
        (1, 0.1, 1672),
        (200, 0.3, 1671),
        (200, 0.3, 1672),
    ]
    assert {config.data for config in stub_training} == {"some/path"}
    record = make_record(study, None)
    assert [trial.state for trial in record.trials] == ["complete"] * 3
    assert [[training.val_accuracy for training in trial.trainings] for trial in record.trials] == [
        [0.6, pytest.approx(0.61)],
        [0.6, pytest.approx(0.61)],
        [0.8, pytest.approx(0.81)],
    ]
    assert record.tested == []
    chosen = choose_trials(record, 1)
    assert [trial.number for trial in chosen] == [2, 0]
    tests = open_tests(url, "s-test", plan, chosen, heartbeat=1)
    stub_training.clear()
    for _ in range(2):  # the second finds nothing left to do
        run_trials(url, "s-test", tiny, data="some/path", worker=0, heartbeat=1)
    assert [(config.learning_rate, config.seed) for config in stub_training] == [
        (0.3, 1671),
        (0.3, 1672),
        (0.1, 1671),
        (0.1, 1672),
    ]
    record = make_record(study, tests)
    assert [(trial.number, [training.test_accuracy for training in trial.trainings]) for trial in record.tested] == [
        (2, [pytest.approx(0.7), pytest.approx(0.71)]),
        (0, [pytest.approx(0.5), pytest.approx(0.51)]),
    ]
    assert decode(dump_json(record), SweepRecord, origin="memory") == record


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([2], "it has 2 places for the trials [2], of 3 trials"),
        ([2, 3], "it has 2 places for the trials [2, 3], of 3 trials"),
        ([2, -1], "it has 2 places for the trials [2, -1]"),
        ([2, "0"], "chosen: $[1]: Expected `int`, got `str`"),
        (None, "chosen: $: Expected `array`, got `null`"),
    ],
)
def test_chosen_trials_that_were_edited_are_refused(numbers: object, message: str, url: str, tiny: Dataset) -> None:
    """A study of tests must have a place for each trial that it says was chosen."""
    plan = make_plan(tiny)
    study = open_sweep(url, "s", plan, POINTS, heartbeat=1)
    trials = make_record(study, None).trials
    tests = open_tests(url, "s-test", plan, [trials[2], trials[0]], heartbeat=1)
    tests.set_user_attr("identity", tests.user_attrs["identity"] | {"chosen": {"numbers": numbers}})
    with pytest.raises(ValueError, match=re.escape(message)):
        make_record(study, tests)


def test_a_real_training_of_each_kind(url: str, tiny: Dataset) -> None:
    """With nothing stubbed, a fused point and a point that falls back to `epoch` have their records."""
    plan = dataclasses.replace(make_plan(tiny, "optimizer=nadam", "hidden=16", "epochs=1"), seeds=[1])
    points: list[Any] = [{"epochs": 1, "hidden": "16"}, {"epochs": 1, "optimizer": "nadam"}]
    study = open_sweep(url, "s", plan, points, heartbeat=60)
    run_trials(url, "s", tiny, data="digits", worker=0, heartbeat=60)
    first, second = make_record(study, None).trials
    assert (first.reason, second.reason) == (None, None)
    assert [trial.trainings[0].config.engine for trial in (first, second)] == ["fused", "epoch"]
    assert first.trainings[0].parameters == 785 * 16 + 17 * 10
    assert first.trainings[0].dataset.digest == tiny.digest


def test_a_retried_trial_keeps_what_was_trained(url: str, tiny: Dataset, stub_training: list[TrainingConfig]) -> None:
    """The seeds that a lost worker had finished are not trained again."""
    plan = make_plan(tiny)
    study = open_sweep(url, "s", plan, POINTS[:1], heartbeat=1)
    run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    done = study.trials[0].user_attrs
    again = open_sweep(url, "t", plan, [], heartbeat=1)
    attrs = {"slot": 0, "point": {}, "record 1671": done["record 1671"]}
    again.set_user_attr("slots", 1)
    again.enqueue_trial({}, user_attrs=attrs)
    stub_training.clear()
    run_trials(url, "t", tiny, data="x", worker=0, heartbeat=1)
    assert [config.seed for config in stub_training] == [1672]
    (trial,) = make_record(again, None).trials
    assert [training.config.seed for training in trial.trainings] == SEEDS


@pytest.mark.parametrize(
    ("part", "fields", "message"),
    [
        ("config", {"seed": 7}, "record 1671: the answer is of seed 7, not 1671"),
        ("config", {"lab": "mlp"}, "record 1671: the answer is of lab 'mlp', not 'perceptron'"),
        ("config", {"learning_rate": 9.0}, "record 1671: the answer is of learning_rate 9.0, not 0.1"),
        ("dataset", {"source": "mnist", "digest": "f" * 64}, "record 1671: trained on mnist, not on the sweep's tiny"),
    ],
    ids=["seed", "lab", "learning rate", "data"],
)
@pytest.mark.usefixtures("stub_training")
def test_the_record_of_another_training_is_refused(
    url: str, tiny: Dataset, part: str, fields: dict[str, Any], message: str
) -> None:
    """What a worker left in the database is held against the point and the seed: by other workers, and at the end."""
    plan = make_plan(tiny)
    study = open_sweep(url, "s", plan, POINTS[:1], heartbeat=1)
    run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    (trial,) = study.trials
    kept = trial.user_attrs["record 1671"]
    kept = seal({**kept, part: {**kept[part], **fields}})
    again = open_sweep(url, "t", plan, [], heartbeat=1)
    again.set_user_attr("slots", 1)
    again.enqueue_trial({}, user_attrs={"slot": 0, "point": {}, "record 1671": kept})
    run_trials(url, "t", tiny, data="x", worker=0, heartbeat=1)
    (told,) = make_record(again, None).trials
    assert told.state == "failed"
    assert message in (told.reason or "")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.usefixtures("stub_training")
def test_a_record_that_was_changed_in_the_database_is_refused(url: str, tiny: Dataset, how: str) -> None:
    """By the worker that goes on from it, and at the end."""
    study = open_sweep(url, "s", make_plan(tiny), POINTS[:1], heartbeat=1)
    run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    kept = study.trials[0].user_attrs["record 1671"]
    if how == "changed":
        change_leaf(kept, ("history", "loss", 0))
    else:
        kept["checksum"] = {"other": "0" * 64, "form": "ABC", "type": 7}.get(how)
    if how == "missing":
        del kept["checksum"]
    again = open_sweep(url, "t", make_plan(tiny), [], heartbeat=1)
    again.set_user_attr("slots", 1)
    again.enqueue_trial({}, user_attrs={"slot": 0, "point": {}, "record 1671": kept})
    run_trials(url, "t", tiny, data="x", worker=0, heartbeat=1)
    (told,) = make_record(again, None).trials
    assert f"record 1671: {DAMAGES[how]}" in (told.reason or "")
    done = {**study.trials[0].user_attrs, "record 1671": kept}
    ended = open_sweep(url, "u", make_plan(tiny), [], heartbeat=1)
    ended.set_user_attr("slots", 1)
    ended.add_trial(create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=done))
    with pytest.raises(ValueError, match=re.escape(f"study 'u': trial 0, record 1671: {DAMAGES[how]}")):
        make_record(ended, None)


def test_tpe_chooses_points_and_trains_none_twice(url: str, tiny: Dataset, stub_training: list[TrainingConfig]) -> None:
    """A repeated point names the trial whose figures it has."""
    plan = make_plan(tiny, "learning_rate=0.3,0.4", sampler="tpe")
    study = open_sweep(url, "s", plan, [{}, {"learning_rate": 0.4}, None, None, None], heartbeat=1)
    run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    record = make_record(study, None)
    assert all(trial.point is not None and trial.state == "complete" for trial in record.trials)
    assert len({config.learning_rate for config in stub_training}) == len(stub_training) / len(SEEDS)
    repeated = [trial for trial in record.trials if trial.repeats is not None]
    assert len(repeated) >= 1
    for trial in repeated:
        assert trial.trainings == []
        assert record.trials[trial.repeats or 0].point == trial.point


def test_pruning_stops_what_lags_behind(url: str, tiny: Dataset, stub_training: list[TrainingConfig]) -> None:
    """A point below the median is stopped in its first seed; the lab's own point never is."""
    plan = make_plan(tiny, "learning_rate=0.3,0.31,0.32,0.33,0.34,0.01", "epochs=5", prune=True)
    points: list[Any] = [{}, *({"learning_rate": rate, "epochs": 5} for rate in (0.3, 0.31, 0.32, 0.33, 0.34, 0.01))]
    study = open_sweep(url, "s", plan, points, heartbeat=1)
    run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    *rest, last = make_record(study, None).trials
    assert {trial.state for trial in rest} == {"complete"}
    assert (last.state, last.trainings, last.val_accuracy) == ("pruned", [], [pytest.approx(0.51)] * 3)
    assert [config.seed for config in stub_training if config.learning_rate == 0.01] == [1671]


def test_other_data_is_refused(url: str, tiny: Dataset) -> None:
    """A machine with other data does not take part."""
    plan = make_plan(tiny)
    changed = dataclasses.replace(plan, dataset=DatasetRecord(source="mnist", digest=make_digest("0")))
    open_sweep(url, "s", changed, POINTS, heartbeat=1)
    with pytest.raises(ValueError, match="study 's' needs other data than x: mnist, 5feceb66"):
        run_trials(url, "s", tiny, data="x", worker=0, heartbeat=1)
    with pytest.raises(ValueError, match="study 's' is of another sweep: dataset is"):
        open_sweep(url, "s", plan, POINTS, heartbeat=1)


def test_points_are_checked_before_anything_is_made(tiny: Dataset) -> None:
    """A seed out of range is an error of the plan."""
    with pytest.raises(ValueError, match="seed -1 is not allowed"):
        check_points(dataclasses.replace(make_plan(tiny), seeds=[-1]), POINTS)
