"""Baselines are found where they belong, refused where they are not right, and superseded but never lost."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import platform
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import read_content, write_record
from fixtures.records import make_digest, rekey, retrain
from mnist_bench.checks import baselines
from mnist_bench.checks.baselines import (
    AccuracyBaseline,
    Reference,
    accept_accuracy,
    accept_probe,
    accuracy_path,
    cut_reference,
    find_probe,
    find_reference,
    list_baselines,
    probe_path,
)
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records import files
from mnist_bench.records.acceptance import Acceptance, make_acceptance
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import dump_record, load
from mnist_bench.records.strict import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

ACCEPTANCE = Acceptance(who="a@b", when="2026-01-01T00:00:00+00:00", why="the first", forced=[])
ACCURACIES = {1: 0.9258, 2: 0.9251, 3: 0.9263}


def train(record: TrainingRecord, accuracies: dict[int, float] = ACCURACIES, **changes: Any) -> list[TrainingRecord]:
    """Return the records of trainings that reached these accuracies, by seed."""
    return [
        dataclasses.replace(
            retrain(record, seed=seed, **changes),
            test_accuracy=accuracy,
            test_loss=1 - accuracy,
            final_digest=make_digest(str(seed)),
            initial_digest=make_digest(f"initial {seed}"),
        )
        for seed, accuracy in accuracies.items()
    ]


@pytest.fixture
def probe(record: TrainingRecord) -> ProbeRecord:
    """A probe of two stages."""
    stages = [Stage(name=name, digest="0" * 64, values=[0.5]) for name in ("forward", "gradient")]
    return ProbeRecord(config=record.config, environment=record.environment, dataset=record.dataset, stages=stages)


@pytest.fixture
def baseline(record: TrainingRecord, tmp_path: Path) -> Path:
    """The file of an accuracy baseline: of the perceptron on the digits, with three seeds."""
    return accept_accuracy(train(record), tmp_path, ACCEPTANCE)


def find(record: TrainingRecord, folder: Path, *, engine: str = "epoch") -> Reference | None:
    """Find the reference that a record would be compared with."""
    return find_reference(folder, "digits", "perceptron", engine, digest=record.dataset.digest)


def edit(path: Path, damage: Callable[[dict[str, Any]], object]) -> None:
    """Change a file by hand."""
    fields = read_content(path)
    damage(fields)
    write_record(path, fields)


def test_accepted_records_are_the_reference(record: TrainingRecord, tmp_path: Path) -> None:
    """Every seed's accuracy and loss is kept, with where it was trained and who accepted it."""
    path = accept_accuracy(train(record), tmp_path, ACCEPTANCE)
    assert path == tmp_path / "accuracy" / "digits" / "perceptron.json"
    assert find(record, tmp_path) == Reference(
        engine="epoch",
        epochs=2,
        seeds=[1, 2, 3],
        test_accuracy=[0.9258, 0.9251, 0.9263],
        test_loss=[1 - accuracy for accuracy in ACCURACIES.values()],
        environment=record.environment,
        acceptance=ACCEPTANCE,
        initial_digests=[make_digest(f"initial {seed}")[:16] for seed in "123"],
        final_digests=[make_digest(seed)[:16] for seed in "123"],
        epoch_losses={"1": [1.5] * 3},  # of epochs 1, 5 and 20, those that there are
    )
    assert path.read_text() == dump_record(load(path, AccuracyBaseline), folded=True)


def test_nothing_is_there_where_nothing_was_accepted(
    record: TrainingRecord, probe: ProbeRecord, tmp_path: Path
) -> None:
    """A missing folder, file or reference of the engine is no baseline, not an error."""
    assert find(record, tmp_path / "none") is None
    accept_accuracy(train(record), tmp_path, ACCEPTANCE)
    assert find(record, tmp_path, engine="fused") is None
    assert find_probe(tmp_path, probe) is None


def test_a_new_reference_supersedes_and_keeps_the_old(record: TrainingRecord, baseline: Path) -> None:
    """The last reference of an engine is in force; earlier ones stay in the file, unchanged."""
    (old,) = load(baseline, AccuracyBaseline).references
    again = dataclasses.replace(ACCEPTANCE, why="the second")
    assert accept_accuracy(train(record, {7: 0.93}), baseline.parents[2], again) == baseline
    accept_accuracy(train(record, {8: 0.94}, engine="fused"), baseline.parents[2], ACCEPTANCE)
    kept, new, fused = load(baseline, AccuracyBaseline).references
    assert kept == old
    assert (new.seeds, new.acceptance.why) == ([7], "the second")
    assert find(record, baseline.parents[2]) == new
    assert find(record, baseline.parents[2], engine="fused") == fused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: vars(retrain(record, lab="mlp")), "lab: 'perceptron' and 'mlp'"),
        (lambda record: vars(retrain(record, engine="xla")), "engine: 'epoch' and 'xla'"),
        (lambda record: {"dataset": dataclasses.replace(record.dataset, source="mnist")}, "dataset: "),
        (
            lambda record: {"environment": change_environment(record.environment, instruction_set="other")},
            "numerics key: 'db3e573abd745bcc' and '4e470d21eeeeaaef'",
        ),
        (
            lambda record: {"environment": change_environment(record.environment, tensorflow="2.12.0")},
            "tensorflow: '2.21.0' and '2.12.0'",
        ),
    ],
    ids=["lab", "engine", "dataset", "numerics", "tensorflow"],
)
def test_records_that_do_not_belong_together_are_refused(
    record: TrainingRecord, tmp_path: Path, change: Callable[[TrainingRecord], dict[str, Any]], message: str
) -> None:
    """If one record differs, the error names the field, and nothing is written."""
    *some, last = train(record)
    last = dataclasses.replace(last, **change(last))
    with pytest.raises(ValueError, match=re.escape(f"records of one reference differ in their {message}")):
        accept_accuracy([*some, last], tmp_path, ACCEPTANCE)
    assert list(tmp_path.iterdir()) == []


def test_records_of_other_epochs_are_refused(record: TrainingRecord, tmp_path: Path) -> None:
    """A training of one epoch cannot be a seed of a reference of two epochs."""
    short = retrain(record, epochs=1)
    with pytest.raises(ValueError, match="differ in their epochs: 2 and 1"):
        accept_accuracy([*train(record), short], tmp_path, ACCEPTANCE)


def test_a_diverged_training_is_no_reference(record: TrainingRecord, tmp_path: Path) -> None:
    """The error names lab and seed."""
    *some, last = train(record)
    with pytest.raises(ValueError, match="perceptron: the training of seed 3 diverged"):
        accept_accuracy([*some, dataclasses.replace(last, test_loss=None)], tmp_path, ACCEPTANCE)


def test_a_seed_counts_once(record: TrainingRecord, tmp_path: Path) -> None:
    """The same training twice is refused, and the seed named."""
    with pytest.raises(ValueError, match="seeds: 2 occurs twice"):
        accept_accuracy([*train(record), *train(record, {2: 0.925})], tmp_path, ACCEPTANCE)


def set_fields(**fields: Any) -> Callable[[dict[str, Any]], object]:
    """Return a function that sets fields of a document."""
    return lambda document: document.update(fields)


def set_in_reference(**fields: Any) -> Callable[[dict[str, Any]], object]:
    """Return a function that sets fields of a document's first reference."""
    return lambda document: document["references"][0].update(fields)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (set_fields(schema_version=0), "schema_version is 0, this version reads 1"),
        (lambda document: document.pop("schema_version"), "$: Object missing required field `schema_version`"),
        (set_fields(kind="probe"), "kind is 'probe', expected 'accuracy-baseline'"),
        (set_fields(lab=3), "$.lab: Expected `str`, got `int`"),
        (set_fields(notes=""), "$: Object contains unknown field `notes`"),
        (set_fields(references=[]), "$: references: the list is empty"),
        (
            lambda document: document["references"][0].pop("acceptance"),
            "$.references[0]: Object missing required field",
        ),
        (set_in_reference(epochs=0), "$.references[0]: epochs: 0 is less than 1"),
        (
            set_in_reference(test_accuracy=[0.9, 0.9, 0.9, 0.9]),
            "$.references[0]: columns are empty or differ in length: {'seeds': 3, 'test_accuracy': 4,",
        ),
        (
            set_in_reference(seeds=[], test_accuracy=[], test_loss=[]),
            "$.references[0]: columns are empty or differ in length: {'seeds': 0,",
        ),
        (set_in_reference(seeds=[1, 2, 1]), "$.references[0]: seeds: 1 occurs twice"),
        (set_in_reference(seeds=[1, 2, 3.5]), "$.references[0].seeds[2]: Expected `int`"),
        (set_in_reference(test_loss=[1, 1, None]), "$.references[0].test_loss[2]: Expected `float`"),
        (
            set_in_reference(test_loss=[1, -1, 1]),
            "$.references[0]: test_loss of seed 2: -1.0 is outside 0 to 3.5e+38",
        ),
        (
            set_in_reference(test_accuracy=[0.9, 0.9, 92.5]),
            "$.references[0]: test_accuracy of seed 3: 92.5 is outside 0 to 1",
        ),
        (
            set_in_reference(test_accuracy=[-0.1, 0.9, 0.9]),
            "$.references[0]: test_accuracy of seed 1: -0.1 is outside 0 to 1",
        ),
        (set_in_reference(test_loss=[1, 1, float("nan")]), "not JSON: JSON is malformed"),
        (set_fields(lab="mlp"), "lab is 'mlp', expected 'perceptron'"),
        (set_fields(dataset="mnist"), "dataset is 'mnist', expected 'digits'"),
        (set_fields(dataset_digest="0" * 64), f"dataset_digest is '{'0' * 64}', expected '"),
        (set_fields(dataset_digest="0"), "$: dataset_digest '0' is no SHA-256: 64 hex digits in lower case"),
    ],
)
def test_a_baseline_edited_by_hand_is_named(
    record: TrainingRecord, baseline: Path, damage: Callable[[dict[str, Any]], object], message: str
) -> None:
    """One line names file and field; the file is neither judged by nor added to."""
    edit(baseline, damage)
    content = baseline.read_bytes()
    for use in (
        lambda: find(record, baseline.parents[2]),
        lambda: accept_accuracy(train(record), baseline.parents[2], ACCEPTANCE),
    ):
        with pytest.raises(ValueError, match="^" + re.escape(f"{baseline}: {message}")) as caught:
            use()
        assert len(str(caught.value).splitlines()) == 1
    assert baseline.read_bytes() == content


@pytest.mark.parametrize("size", [0, 1, 100, -2])
def test_a_truncated_baseline_is_named(record: TrainingRecord, baseline: Path, size: int) -> None:
    """A file cut off at any length is an error that names it."""
    baseline.write_bytes(baseline.read_bytes()[:size])
    with pytest.raises(RecordError, match=re.escape(f"{baseline}: not JSON: Input data was truncated")):
        find(record, baseline.parents[2])


def test_no_reference_is_made_of_one_training_twice(record: TrainingRecord, tmp_path: Path) -> None:
    """Two seeds that start from, or end in, the same weights count once, and so are refused."""
    for name, event in (("initial_digest", "start from"), ("final_digest", "end in")):
        records = [dataclasses.replace(training, **{name: make_digest("0")}) for training in train(record)]
        with pytest.raises(ValueError, match=f"perceptron-epoch: the seeds 1 and 2 {event} the same weights"):
            accept_accuracy(records, tmp_path, ACCEPTANCE)


def test_a_reference_of_one_training_twice_is_refused(baseline: Path) -> None:
    """A file edited by hand may hold what no acceptance wrote."""
    (reference,) = load(baseline, AccuracyBaseline).references
    for name, event in (("initial_digests", "start from"), ("final_digests", "end in")):
        with pytest.raises(ValueError, match=f"epoch: the seeds 1 and 3 {event} the same weights"):
            dataclasses.replace(reference, **{name: ["a", "b", "a"]})
        with pytest.raises(ValueError, match=f"{name}: 2 of 3 seeds"):
            dataclasses.replace(reference, **{name: ["a", "b"]})


def test_a_reference_is_cut_to_its_first_seeds(baseline: Path) -> None:
    """Each of the first seeds keeps all of its figures."""
    (reference,) = load(baseline, AccuracyBaseline).references
    few = cut_reference(dataclasses.replace(reference, class_errors=[[1, 2], [3, 4], [5, 6]]), 2)
    columns = (few.seeds, few.test_accuracy, few.class_errors, few.initial_digests, few.final_digests)
    assert columns == (
        [1, 2],
        [0.9258, 0.9251],
        [[1, 2], [3, 4]],
        reference.initial_digests[:2],
        reference.final_digests[:2],
    )
    assert (few.test_loss, few.epoch_losses) == (reference.test_loss[:2], {"1": [1.5] * 2})


def test_no_reference_is_made_of_bad_figures(baseline: Path) -> None:
    """What JSON could not hold never becomes a reference."""
    (reference,) = load(baseline, AccuracyBaseline).references
    for bad in (float("nan"), float("inf"), -0.5):
        with pytest.raises(ValueError, match=f"test_accuracy of seed 1: {bad!r} is outside"):
            dataclasses.replace(reference, test_accuracy=[bad, 0.5, 0.5])
        with pytest.raises(ValueError, match=f"test_loss of seed 3: {bad!r} is outside"):
            dataclasses.replace(reference, test_loss=[0.5, 0.5, bad])


def test_a_probe_lies_by_its_numerics_key(probe: ProbeRecord, tmp_path: Path) -> None:
    """A probe is found by a probe of the same key, and by no other."""
    path = accept_probe(probe, tmp_path, ACCEPTANCE)
    assert path == tmp_path / "digests" / "digits" / "perceptron-epoch" / "db3e573abd745bcc.json"
    assert path == probe_path(tmp_path, probe)
    assert find_probe(tmp_path, probe) == dataclasses.replace(probe, acceptance=ACCEPTANCE)
    environment = change_environment(probe.environment, instruction_set="other")
    assert find_probe(tmp_path, dataclasses.replace(probe, environment=environment)) is None


def test_a_probe_supersedes_and_keeps_the_old(probe: ProbeRecord, tmp_path: Path) -> None:
    """Each earlier probe is kept byte for byte next to the new one, under a name that is no baseline."""
    contents = []
    for digest in "abc":
        stages = [dataclasses.replace(probe.stages[0], digest=make_digest(digest))]
        path = accept_probe(dataclasses.replace(probe, stages=stages), tmp_path, ACCEPTANCE)
        contents.append(path.read_bytes())
    assert load(path, ProbeRecord).stages[0].digest == make_digest("c")
    assert [path.with_name(f"{path.stem}.superseded-{n}").read_bytes() for n in (1, 2)] == contents[:2]
    assert list(list_baselines(tmp_path)) == [path]


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("config", "engine", "graph", "engine is 'graph', expected 'epoch'"),
        ("environment", "keras", "3.0.0", "numerics_key is 'addc76dd2e5afa75', expected 'db3e573abd745bcc'"),
        ("config", "lab", "mlp", "probes that differ in their lab cannot be compared: 'mlp' and 'perceptron'"),
        ("config", "seed", 7, "probes that differ in their seed cannot be compared: 7 and 1671"),
        ("config", "epochs", 5, "probes that differ in their epochs cannot be compared: 5 and 2"),
        ("dataset", "digest", "0" * 64, "probes that differ in their dataset digest cannot be compared: '000"),
    ],
)
def test_a_probe_of_something_else_is_named(
    probe: ProbeRecord, tmp_path: Path, part: str, field: str, value: Any, message: str
) -> None:
    """A file that does not fit its place is an error with its name, not a difference of bits."""
    path = accept_probe(probe, tmp_path, ACCEPTANCE)
    edit(path, lambda document: document[part].update({field: value}))
    edit(path, lambda document: document.update(environment=rekey(document["environment"])))
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}: {message}")):
        find_probe(tmp_path, probe)


def test_baselines_of_both_kinds(baseline: Path, probe: ProbeRecord) -> None:
    """Both kinds are listed in order, accuracies first; other files are ignored."""
    folder = baseline.parents[2]
    path = accept_probe(probe, folder, ACCEPTANCE)
    (folder / "README.md").write_text("no baseline")
    (folder / "other.json").write_text("{}")
    assert list(list_baselines(folder)) == [baseline, path]
    assert [type(load(path, *baselines.FORMS)) for path in list_baselines(folder)] == [AccuracyBaseline, ProbeRecord]
    with pytest.raises(RecordError, match=re.escape(f"{folder / 'other.json'}: $: Object missing required field")):
        load(folder / "other.json", *baselines.FORMS)


@pytest.mark.parametrize("place", [".", "accuracy", "accuracy/digits"])
def test_a_file_in_the_place_of_a_folder_is_an_error(record: TrainingRecord, tmp_path: Path, place: str) -> None:
    """The file is named, and stays unchanged."""
    path = tmp_path / "baselines" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "baselines"))):
        accept_accuracy(train(record), tmp_path / "baselines", ACCEPTANCE)
    assert path.read_text() == "a file"


def test_a_folder_that_cannot_be_written_is_an_error(
    record: TrainingRecord, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's content stays as it was."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(baseline.parent))

    content = baseline.read_bytes()
    monkeypatch.setattr(files, "_put", refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(PermissionError, match=re.escape(str(baseline.parent))):
        accept_accuracy(train(record), baseline.parents[2], ACCEPTANCE)
    assert baseline.read_bytes() == content
    assert list(baseline.parent.iterdir()) == [baseline]


def test_an_acceptance_says_who_when_and_why() -> None:
    """An acceptance names this user on this machine, and the time in UTC."""
    acceptance = make_acceptance("new hardware", ["the working tree was dirty"])
    assert acceptance.who == f"{getpass.getuser()}@{platform.node()}"
    age = dt.datetime.now(dt.timezone.utc) - dt.datetime.fromisoformat(acceptance.when)
    assert dt.timedelta(0) <= age < dt.timedelta(minutes=1)
    assert (acceptance.why, acceptance.forced) == ("new hardware", ["the working tree was dirty"])
    assert make_acceptance("new hardware").forced == []


@pytest.mark.parametrize("why", ["", " \n"])
def test_no_acceptance_without_a_reason(why: str) -> None:
    """An acceptance without a reason is refused: a reviewer needs it."""
    with pytest.raises(ValueError, match="a baseline needs a reason"):
        make_acceptance(why)


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1234"), OSError("No username set")])
def test_a_user_without_a_name_can_accept(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """In a container a user may have none; which error says so depends on the version of Python."""

    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert make_acceptance("a reason").who == f"unknown@{platform.node()}"


@pytest.mark.parametrize("checkout", [True, False], ids=["checkout", "wheel"])
def test_the_shipped_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout: bool) -> None:  # noqa: FBT001
    """The baselines lie next to the package in a checkout, and within the package in a wheel."""
    package = tmp_path / "mnist_bench"
    (tmp_path / "baselines" if checkout else package).mkdir()
    monkeypatch.setattr(files, "PACKAGE", package)
    assert baselines.find_folder() == (tmp_path / "baselines" if checkout else package / "shipped_baselines")


def test_the_shipped_baselines_are_valid() -> None:
    """Every shipped file can be read and lies where it belongs."""
    folder = baselines.find_folder()
    for path in list_baselines(folder):
        record = load(path, *baselines.FORMS)
        if isinstance(record, AccuracyBaseline):
            assert accuracy_path(folder, record.dataset, record.lab) == path
        else:
            assert probe_path(folder, record) == path
