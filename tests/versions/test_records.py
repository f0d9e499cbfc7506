"""A version's record: what is refused, how trainings are added, and how the record reads as a file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import ENVIRONMENT, make_digest, make_stages, retrain
from mnist_bench.checks.known import load_known
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import convert, dump_folded, save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import Predictions
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.folder import load_folder, load_version
from mnist_bench.versions.records import Failure, Install, Planned, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.seeds import check_alike

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord


@pytest.fixture
def empty() -> VersionRecord:
    """The record of a version of which nothing but the environment is known."""
    return VersionRecord(version=find_version("py311-tf221-keras315"), environment=ENVIRONMENT)


def make_predictions(sizes: list[int], *, digest: str = "a" * 64) -> Predictions:
    """Return predictions without errors of a test set with so many images of each class."""
    return Predictions(
        digest=digest, class_sizes=sizes, class_errors=[0] * len(sizes), exact_loss=0.1, exact_accuracy=1.0
    )


def reseed(record: TrainingRecord, seed: int, **fields: Any) -> TrainingRecord:
    """Return the training of another seed."""
    config = dataclasses.replace(record.config, seed=seed)
    return dataclasses.replace(record, config=config, **{"initial_digest": make_digest(f"{seed}"), **fields})


def test_trainings_come_in_by_seed(empty: VersionRecord, record: TrainingRecord) -> None:
    """In whatever order the trainings end, the seeds are in ascending order, and the curves are the first seed's."""
    second, first = reseed(record, 1672, final_digest="2" * 64), reseed(record, 1671, test_loss=None)
    history = dataclasses.replace(record.history, loss=[1.23456789, 0.5])
    first = dataclasses.replace(first, history=history)
    whole = add_training(add_training(empty, second), first)
    (results,) = whole.accuracy
    assert (results.seeds, results.test_loss) == ([1671, 1672], [None, 0.375])
    assert results.final_digests == ["1" * 64, "2" * 64]
    assert results.history.loss == [1.23457, 0.5]
    assert (whole.status, whole.dataset) == ("measured", record.dataset)
    assert add_training(add_training(empty, first), second).accuracy == whole.accuracy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed", "seeds [1671, 1671] are not in ascending order, each once"),
        ("numerics_key", "numerics_key is '4e470d21eeeeaaef', but 'db3e573abd745bcc' in the seeds before"),
        ("dataset", "trained on other data than the record's"),
        ("epochs", "trained for 2 and for 1 epochs"),
        ("learning_rate", "trained with the lab's own settings and with learning_rate 9.0"),
        ("optimizer", "trained with the lab's own settings and with optimizer 'adam'"),
        ("batch_size", "trained with the lab's own settings and with batch_size 64"),
        ("tensorflow", "trained with tensorflow '2.0', the record's is '2.21.0'"),
    ],
)
def test_a_training_that_does_not_belong(
    empty: VersionRecord, record: TrainingRecord, change: str, message: str
) -> None:
    """A seed twice, other data, another environment or another length is refused, and the message says which."""
    other = reseed(record, 1671 if change == "seed" else 1672, final_digest="2" * 64)
    if change == "numerics_key":
        environment = change_environment(record.environment, instruction_set="other")
        other = dataclasses.replace(other, environment=environment)
    if change == "dataset":
        other = dataclasses.replace(other, dataset=dataclasses.replace(record.dataset, digest=make_digest("other")))
    if change == "epochs":
        other = retrain(other, epochs=1)
    if change == "tensorflow":
        other = dataclasses.replace(other, environment=change_environment(record.environment, tensorflow="2.0"))
        empty = dataclasses.replace(empty, environment=record.environment)
    others = {"learning_rate": 9.0, "optimizer": "adam", "batch_size": 64}
    if change in others:
        other = dataclasses.replace(other, config=dataclasses.replace(other.config, **{change: others[change]}))
    with pytest.raises(ValueError, match=re.escape(message)):
        add_training(add_training(empty, record), other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": [1, 2]}, "columns of different lengths"),
        ({"test_accuracy": [1.5]}, "test_accuracy 1.5 is outside 0 to 1"),
        ({"test_loss": [-1.0]}, "test_loss -1.0 is outside 0 to"),
        ({"test_loss": [1e308]}, "test_loss 1e+308 is outside 0 to"),
        ({"epochs": 0}, "0 epochs, 2 in the history"),
        ({"final_digests": [""]}, "perceptron: final_digests '' is no SHA-256: 64 hex digits in lower case"),
        ({"final_digests": ["A" * 64]}, "is no SHA-256: 64 hex digits in lower case"),
        ({"lab": "<b>"}, "lab '<b>' is not allowed"),
        ({"engine": "../x"}, "engine '../x' is not allowed"),
        ({"numerics_key": "$x$"}, "numerics_key '$x$' is not allowed"),
        ({"numerics_key": "zzz"}, "numerics_key 'zzz' is no key: 16 hex digits in lower case"),
        ({"predictions": [make_predictions([10_000])]}, "the class_sizes of seed 1671 are not those of 10 classes"),
        ({"predictions": [make_predictions([0] + [1111] * 9)]}, "are not those of 10 classes, each of 1 to 1000000"),
        ({"predictions": [make_predictions([10**300] * 10)]}, "are not those of 10 classes, each of 1 to 1000000"),
    ],
)
def test_results_that_cannot_be(
    empty: VersionRecord, record: TrainingRecord, fields: dict[str, Any], message: str
) -> None:
    """A file that somebody edited is refused."""
    (results,) = add_training(empty, record).accuracy
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(results, **fields)


def test_predictions_of_several_seeds(empty: VersionRecord, record: TrainingRecord) -> None:
    """All seeds are tested on one test set, and no two have the same predictions, as their weights differ."""
    second = reseed(record, 1672, final_digest="2" * 64)
    (results,) = add_training(add_training(empty, record), second).accuracy
    made = make_predictions([1000] * 10)
    other = dataclasses.replace(made, digest="b" * 64)
    whole = dataclasses.replace(results, predictions=[made, other])
    assert whole.predictions[1] == other
    with pytest.raises(ValueError, match="the seeds 1671 and 1672 have other weights and the same predictions"):
        dataclasses.replace(results, predictions=[made, made])
    sizes = make_predictions([1001] * 10, digest="b" * 64)
    with pytest.raises(ValueError, match="the class_sizes of the seeds 1671 and 1672 differ: not one test set"):
        dataclasses.replace(results, predictions=[made, sizes])
    moved = dataclasses.replace(results, predictions=[None, sizes])
    with pytest.raises(
        ValueError, match=r"perceptron-epoch: tested on class_sizes \[1000, .* and \[1001, .*\]: cannot"
    ):
        check_alike(whole, moved)
    check_alike(results, moved)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 1e308], ids=str)
def test_times_and_sizes_that_cannot_be(empty: VersionRecord, seconds: float) -> None:
    """An import takes time, and an environment neither less than none nor more than a life."""
    with pytest.raises(ValueError, match=r"imports .* is outside"):
        dataclasses.replace(empty, imports=[2.0, seconds])
    with pytest.raises(ValueError, match="bytes -1 is outside"):
        Install(seconds=None, bytes=-1, packages={})
    with pytest.raises(ValueError, match="bytes is 0, which contradicts packages: 1 are installed"):
        Install(seconds=None, bytes=0, packages={"numpy": "2.4.6"})
    if seconds in (-1.0, 1e308):
        with pytest.raises(ValueError, match=r"seconds .* is outside"):
            Install(seconds=seconds, bytes=1, packages={})


def test_the_status_follows_the_failures(empty: VersionRecord) -> None:
    """A record with a failure is failed or partial, a record without is not; any other status is refused."""
    failure = Failure(layer="import", what="seconds", reason="no", lines=[])
    assert empty.status == "planned"
    assert update_record(empty, imports=[1.0]).status == "measured"
    failed = update_record(empty, failures=[failure])
    assert failed.status == "failed"
    assert update_record(failed, failures=[]).status == "measured"
    assert update_record(empty, failures=[dataclasses.replace(failure, layer="probes")]).status == "partial"
    with pytest.raises(ValueError, match="status is 'measured', with 1 failures"):
        VersionRecord(version=empty.version, status="measured", failures=[failure])


def test_the_file_is_read_back_and_is_small(empty: VersionRecord, record: TrainingRecord, tmp_path: Path) -> None:
    """Each list of numbers is one line; strings that look like a list stay as they are."""
    lines = ["[\n  1,\n  2\n]", "3"]
    whole = add_training(empty, record)
    whole = update_record(
        whole,
        imports=[1.5, 2e-3, 3.0],
        failures=[Failure(layer="probes", what="mlp-epoch", reason="no", lines=lines)],
    )
    path = tmp_path / "py311-tf221-keras315.json"
    save(whole, path, folded=True)
    assert load_version(path) == whole
    assert load_folder(tmp_path) == {"py311-tf221-keras315": whole}
    assert '"imports": [1.5, 0.002, 3.0],' in path.read_text()
    assert '"seconds": [0.5, 0.25],' in path.read_text()


def test_the_probe_of_other_data_is_refused(empty: VersionRecord, record: TrainingRecord) -> None:
    """A record is of one data set."""
    text = json.loads(dump_folded(add_training(empty, record)))
    probe = {
        "config": dataclasses.asdict(record.config),
        "environment": dataclasses.asdict(record.environment),
        "dataset": {"source": "mnist", "digest": make_digest("other")},
        "stages": [{"name": "forward", "digest": make_digest("0"), "values": [0.5]}],
    }
    with pytest.raises(RecordError, match="the probe of perceptron is of other data than the record"):
        convert({**text, "probes": [probe]}, VersionRecord, origin="memory")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("accuracy", "accuracy[0] and accuracy[1] are both perceptron-epoch"),
        ("checks", "checks.epoch[0] and checks.epoch[1] are both contract/new-order[epoch]"),
        ("backend", "perceptron-epoch: probed with backend 'jax', the record's is 'tensorflow'"),
        ("device", "perceptron-epoch: probed with device 'gpu', the record's is 'cpu'"),
        ("precision", "perceptron-epoch: probed with precision 'float16', the record's is 'float32'"),
        ("instruction_set", "perceptron-epoch: probed with instruction_set 'avx512', the record's is 'avx2'"),
        ("system", "perceptron-epoch: probed with system 'Windows', the record's is 'Linux'"),
        ("nowhere", "environment: there is none, and accuracy were measured in one"),
        ("planned", "status is 'planned', with imports that were measured"),
        ("engine", "checks.foo: an unknown engine: choose from eager, graph, xla, epoch, fused"),
        ("invented", "checks.epoch[0]: accuracy/seeds[mlp-epoch] is no check of epoch"),
        ("hollow", "checks.epoch[0]: contract/new-order[epoch] has no figure, or no bound"),
        ("strange", "checks.graph[0]: contract/new-order[epoch] is no check of graph"),
        ("accepted", "the probe of perceptron-epoch has an acceptance: only a baseline has one"),
        (
            "no layers",
            "structure/layers[mlp] is PASS, which contradicts its figure '0 parameters': the lab has 118,282",
        ),
        ("known", "checks.fused[0]: contract/new-order is KNOWN, and known_regressions.json does not list it"),
    ],
)
def test_what_contradicts_itself_is_refused(
    empty: VersionRecord, record: TrainingRecord, place: str, message: str
) -> None:
    """Nothing stands twice, the bad one first, and no KNOWN is on no list; the message names both places."""
    check = CheckResult(name="contract/new-order[epoch]", verdict=Verdict.PASS, figure="1", bound="2")
    fields: dict[str, dict[str, Any]] = {
        "accuracy": {"accuracy": add_training(empty, record).accuracy * 2},
        "checks": {"checks": {"epoch": [dataclasses.replace(check, verdict=Verdict.REGRESSED), check]}},
        "nowhere": {"accuracy": add_training(empty, record).accuracy, "environment": None},
        "planned": {"imports": [1.0], "status": "planned"},
        "engine": {"checks": {"foo": [check]}},
        "invented": {"checks": {"epoch": [dataclasses.replace(check, name="accuracy/seeds[mlp-epoch]")]}},
        "hollow": {"checks": {"epoch": [dataclasses.replace(check, figure=" ")]}},
        "strange": {"checks": {"graph": [check]}},
        "no layers": {
            "checks": {"graph": [dataclasses.replace(check, name="structure/layers[mlp]", figure="0 parameters")]}
        },
        "known": {
            "checks": {"fused": [dataclasses.replace(check, name="contract/new-order[fused]", verdict=Verdict.KNOWN)]}
        },
    }
    others = {"backend": "jax", "device": "gpu", "precision": "float16"}
    others |= {"instruction_set": "avx512", "system": "Windows"}
    if place in (*others, "accepted"):
        environment = change_environment(record.environment, **({place: others[place]} if place in others else {}))
        stages = make_stages("perceptron", 2)
        probe = ProbeRecord(config=record.config, environment=environment, dataset=record.dataset, stages=stages)
        if place == "accepted":
            probe = dataclasses.replace(
                probe, acceptance=Acceptance(who="a", when=record.created, why="b", forced=["c"])
            )
        fields[place] = {"probes": [probe], "dataset": record.dataset}
    with pytest.raises(ValueError, match=re.escape(message)):
        update_record(empty, **{"environment": record.environment, **fields[place]})


@pytest.mark.parametrize("value", [0.9, 0.91])
def test_a_defect_that_grew_beyond_the_lists_bound_is_not_known(
    empty: VersionRecord, record: TrainingRecord, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """`apply_known` says KNOWN up to the bound: a record that says so of more was edited, or the list was narrowed."""
    entries = [dataclasses.replace(entry, seen=0.8, bound=0.9) for entry in load_known()]
    monkeypatch.setattr("mnist_bench.versions.records.load_known", lambda: entries)
    name = "contract/new-order[epoch]"
    check = CheckResult(name=name, verdict=Verdict.KNOWN, figure="so much", bound="< 50%", value=value)
    told = "checks.epoch[0]: contract/new-order is KNOWN with value 0.91, and known_regressions.json has 0.9 as its"
    expected = pytest.raises(ValueError, match=re.escape(told)) if value > 0.9 else contextlib.nullcontext()
    with expected:
        update_record(empty, environment=record.environment, checks={"epoch": [check]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": []}, "a plan names labs, probed and seeds"),
        ({"labs": []}, "a plan names labs, probed and seeds"),
        ({"probed": []}, "a plan names labs, probed and seeds"),
        ({"checked": ["graph"]}, "checked and trained by the same engines, or by none"),
    ],
)
def test_a_plan_to_which_nothing_is_missing(fields: dict[str, list[Any]], message: str) -> None:
    """Two environments that are measured together are at least probed: a plan without that was edited."""
    planned = Planned(labs=["mlp"], probed=["epoch"], seeds=[1671], whole=False)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(planned, **fields)


def test_initial_weights_are_kept_where_all_are_known(empty: VersionRecord, record: TrainingRecord) -> None:
    """A record of before the field has none, and says nothing about the seeds that come to it."""
    second, third = (reseed(record, seed, final_digest=make_digest(f"f{seed}")) for seed in (1672, 1673))
    whole = add_training(add_training(empty, record), second)
    assert whole.accuracy[0].initial_digests == [record.initial_digest, make_digest("1672")]
    old = update_record(whole, accuracy=[dataclasses.replace(whole.accuracy[0], initial_digests=[])])
    assert add_training(old, third).accuracy[0].initial_digests == []
    with pytest.raises(ValueError, match="the seeds 1671 and 1673 of two records start from the same weights"):
        add_training(whole, dataclasses.replace(third, initial_digest=record.initial_digest))
    with pytest.raises(ValueError, match="1 initial_digests of 2 seeds"):
        dataclasses.replace(whole.accuracy[0], initial_digests=["1"])
