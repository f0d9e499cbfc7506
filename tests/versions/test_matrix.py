"""The matrix: what is missing is measured and saved at once, failures are results, and no record is lost."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from fixtures.checksums import DAMAGES, damage_record, edit_record, write_record
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.training.workers.pool import train_all
from mnist_bench.versions import matrix, measurement
from mnist_bench.versions.folder import load_version
from mnist_bench.versions.matrix import add_version, find_spec, list_matrix, run_version, work_folder
from mnist_bench.versions.measurement import MeasurementSetup
from mnist_bench.versions.plan import (
    LAYERS,
    MeasurementPlan,
    check_plan,
    choose_engine,
    find_due,
    find_gaps,
    find_missing,
)
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import MATRIX, VersionSpec, find_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

# The Keras and the TensorFlow of the stub's fingerprint.
SPEC = VersionSpec(name="mine", python="3.11", tensorflow="2.21.0", keras="3.15.1", pins=[])
PLAN = MeasurementPlan(labs=("mlp",), seeds=2, epochs=2, checked=("epoch",), probed=("epoch",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for records, which does not exist yet."""
    return tmp_path / "versions"


@pytest.fixture
def setup(stub_version: Path, tiny: Dataset, folder: Path) -> MeasurementSetup:
    """The setup for measuring the stub's version."""
    del stub_version
    return MeasurementSetup(
        folder=work_folder(folder),
        dataset=dataclasses.replace(tiny, name="digits"),
        source="digits",
        jobs=1,
        tell=lambda _: None,
    )


@pytest.fixture
def run(setup: MeasurementSetup, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VersionRecord]:
    """A function that runs one version to its end and returns the record on disk."""
    monkeypatch.setattr(measurement, "_IMPORTS", 1)

    def go(plan: MeasurementPlan = PLAN, spec: VersionSpec = SPEC, **options: Any) -> VersionRecord:
        for _ in run_version(spec, plan, setup, folder, **options):
            pass
        return load_version(folder / f"{spec.name}.json")

    return go


def test_every_layer_is_measured(run: Callable[..., VersionRecord], folder: Path) -> None:
    """Every layer is in the record, shortened; the raw records stay out of git; a second run has nothing to do."""
    plan = dataclasses.replace(PLAN, checked=("epoch", "graph"), probed=("epoch", "fused"))
    record = run(plan)
    assert (record.status, find_missing(record, plan)) == ("measured", {}), record.failures
    assert record.commit == read_commit(matrix.PACKAGE)
    assert record.install is not None
    assert record.install.packages == {"numpy": "2.4.6", "tensorflow": "2.21.0"}
    assert record.imports == [1.5]
    names = {engine: [check.name for check in checks] for engine, checks in record.checks.items()}
    assert names == {
        "epoch": name_fast_checks(["mlp"], "epoch"),
        "graph": [name for name in name_fast_checks(["mlp"], "graph") if "graph" in name],
    }
    assert record.checks["epoch"][0].evidence == ""
    assert [probe.config.case for probe in record.probes] == [("mlp", "epoch"), ("mlp", "fused")]
    assert [(results.case, results.seeds, results.epochs) for results in record.accuracy] == [
        (("mlp", "epoch"), [1671, 1672], 2)
    ]
    assert (folder / ".work" / ".gitignore").read_text() == "*\n"
    before = (folder / "mine.json").stat().st_mtime_ns
    assert run(plan) == record
    assert (folder / "mine.json").stat().st_mtime_ns == before


class FakeCluster:
    """A cluster that is the pool of this machine; it notes which environment it was to have, and how to find it."""

    def __init__(self, python: Path) -> None:
        """Take the interpreter that a worker would have."""
        self.python, self.expected, self.find = str(python), None, None

    def train(self, configs: Any, *, expected: Any, find_python: Any) -> Any:
        """Train as the pool does."""
        self.expected, self.find = expected, find_python
        yield from train_all(configs, python=self.python)


def test_a_cluster_trains_the_accuracy_layer(
    setup: MeasurementSetup, folder: Path, stub_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers make the version's environment; the rest is measured here, and the record is the same."""
    monkeypatch.setattr(measurement, "_IMPORTS", 1)
    cluster = FakeCluster(stub_version / "python")
    here = dataclasses.replace(setup, cluster=cluster)  # type: ignore[arg-type]
    for _ in run_version(SPEC, PLAN, here, folder):
        pass
    record = load_version(folder / f"{SPEC.name}.json")
    assert (record.status, find_missing(record, PLAN)) == ("measured", {}), record.failures
    assert cluster.expected == record.environment
    assert cluster.find.args == (SPEC,)  # type: ignore[attr-defined]


def test_the_worse_verdict_is_kept(run: Callable[..., VersionRecord]) -> None:
    """A check that needs no engine is recorded once, unless it fails by another engine."""
    checks = run(dataclasses.replace(PLAN, layers=("checks",), checked=("epoch", "graph", "fused"))).checks
    found = {
        engine: [check.verdict.value for check in checks[engine] if check.layer == "structure"] for engine in checks
    }
    assert found == {"epoch": ["PASS"] * 3, "graph": [], "fused": ["REGRESSED"]}


def test_no_checks_are_a_failure(run: Callable[..., VersionRecord], stub_version: Path) -> None:
    """An empty answer is not measured, and is not asked for for ever."""
    (stub_version / "no-checks").touch()
    record = run(dataclasses.replace(PLAN, layers=("checks",)))
    assert [(failure.what, failure.reason) for failure in record.failures] == [
        ("epoch", "the process gave no result of this check")
    ]
    assert find_missing(dataclasses.replace(record, failures=[], status="measured", checks={"epoch": []}), PLAN)[
        "checks"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"lab": "mlp"', '"lab": "perceptron"', "the answer is of lab 'perceptron', not 'mlp'"),
        ('"epochs": 2', '"epochs": 5', "the answer is of epochs 5, not 2"),
        ('"numpy": "2.4.6"', '"numpy": "2.5.0"', "probed with numpy '2.5.0', here '2.4.6'"),
    ],
    ids=["lab", "epochs", "numpy"],
)
def test_a_probe_of_another_question_is_refused(
    run: Callable[..., VersionRecord], setup: MeasurementSetup, folder: Path, old: str, new: str, message: str
) -> None:
    """A file in the work folder is no answer because of its name: nothing is measured for ever."""
    run(dataclasses.replace(PLAN, layers=("probes",)))
    path = setup.folder / "mine" / "probes" / "mlp-epoch.json"
    edit_record(path, old, new)
    (folder / "mine.json").unlink()
    with pytest.raises(ValueError, match=f"mlp-epoch.json: cannot go on: {message}"):
        run(dataclasses.replace(PLAN, layers=("probes",)))


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
@pytest.mark.parametrize("name", ["mine.json", ".work/mine/probes/mlp-epoch.json"])
def test_no_version_goes_on_from_a_changed_record(
    run: Callable[..., VersionRecord], folder: Path, name: str, how: str
) -> None:
    """Neither from its own record nor from one of the work folder; both stay as they are."""
    run(dataclasses.replace(PLAN, layers=("probes",)))
    damage_record(folder / name, how)
    damaged = (folder / name).read_bytes()
    if name != "mine.json":
        (folder / "mine.json").unlink()
    with pytest.raises(RecordError, match=re.escape(f"{folder / name}: {DAMAGES[how]}")):
        run(dataclasses.replace(PLAN, layers=("probes",)))
    assert (folder / name).read_bytes() == damaged


def test_another_lab_is_no_answer(run: Callable[..., VersionRecord], stub_version: Path) -> None:
    """An interpreter that probes and checks something else has failed."""
    (stub_version / "other-lab").touch()
    record = run(dataclasses.replace(PLAN, layers=("checks", "probes")))
    reasons = {failure.what: failure.reason for failure in record.failures}
    assert reasons["epoch"] == "the process gave no result of this check"
    assert reasons["mlp-epoch"].endswith("mlp-epoch, seed 1671: the answer is of lab 'dropout', not 'mlp'")


def test_again_keeps_the_old_record_until_there_is_a_new_one(
    run: Callable[..., VersionRecord], setup: MeasurementSetup, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while it installs leaves the version as it was."""
    old = run(dataclasses.replace(PLAN, layers=("install",)))

    def killed(_spec: VersionSpec) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measurement, "make_environment", killed)
    with pytest.raises(KeyboardInterrupt):
        next(run_version(SPEC, PLAN, setup, folder, again=True))
    assert load_version(folder / "mine.json") == old


def test_again_keeps_what_was_measured_where_nothing_can_be_measured_now(
    run: Callable[..., VersionRecord], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that could be measured once is worth more than the news that it cannot be made today."""
    old = run()

    def fail(_spec: VersionSpec) -> None:
        raise CommandError("uv pip install ended with exit code 1: no such version", [])

    monkeypatch.setattr(measurement, "make_environment", fail)
    with pytest.raises(ValueError, match="no such version: the record that was measured before stays"):
        run(again=True)
    assert load_version(folder / "mine.json") == old
    assert list(folder.glob("*.superseded-*")) == []


def test_a_file_that_keeps_records_out_of_git_is_not_replaced(run: Callable[..., VersionRecord], folder: Path) -> None:
    """The user may have written it, or linked it to a file elsewhere."""
    (folder / ".work").mkdir(parents=True)
    (folder / "mine").write_text("mine")
    (folder / ".work" / ".gitignore").symlink_to(folder / "mine")
    run(PLAN)
    assert (folder / "mine").read_text() == "mine"


def test_more_seeds_are_added(run: Callable[..., VersionRecord], setup: MeasurementSetup, folder: Path) -> None:
    """Seeds in the record are not trained again, even if their raw records are gone."""
    run(dataclasses.replace(PLAN, layers=("accuracy",)))
    raw = setup.folder / "mine" / "accuracy"
    for path in raw.iterdir():
        path.unlink()
    record = run(dataclasses.replace(PLAN, layers=("accuracy",), seeds=3))
    assert record.accuracy[0].seeds == [1671, 1672, 1673]
    assert [path.name for path in raw.iterdir()] == ["mlp-epoch-seed1673.json"]
    assert list(folder.glob("*.superseded-*")) == []


def test_more_seeds_of_one_lab_are_no_lack_of_the_others(run: Callable[..., VersionRecord]) -> None:
    """The further seeds belong to the lab that they were asked for, and a version with fewer lacks nothing."""
    both = dataclasses.replace(PLAN, labs=("mlp", "dropout"))
    before = run(both)
    after = run(dataclasses.replace(PLAN, labs=("mlp",), seeds=4))
    assert after.planned is not None
    assert (after.planned.seeds, after.planned.further) == ([1671, 1672], {"mlp": [1673, 1674]})
    assert {results.lab: len(results.seeds) for results in after.accuracy} == {"mlp": 4, "dropout": 2}
    for base, new in ((before, after), (after, before), (after, after)):
        due = find_due(base, new)
        assert due is not None
        assert not [name for side in (base, new) for name, _ in find_gaps(side, due) if name.startswith("accuracy/")]
    fewer = dataclasses.replace(after, accuracy=before.accuracy)
    due = find_due(before, fewer)
    assert due is not None
    assert dict(find_gaps(fewer, due))["accuracy/seeds[mlp-epoch]"] == "2 of 4 seeds are missing, such as 1673"


def test_a_layer_without_trainings_plans_no_seeds(run: Callable[..., VersionRecord]) -> None:
    """The default number of seeds is that of the trainings: a run of other layers leaves theirs as planned."""
    before = run(PLAN)
    after = run(dataclasses.replace(PLAN, layers=("checks",), checked=("epoch", "graph"), seeds=7))
    assert before.planned is not None
    assert after.planned is not None
    assert (after.planned.seeds, after.planned.checked) == (before.planned.seeds, ["epoch", "graph"])


def test_an_environment_that_is_no_more_takes_nothing_from_what_was_measured(
    run: Callable[..., VersionRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages of a nightly are withdrawn one day: its record stays as it is, and lacks what was not measured."""
    before = run(PLAN)

    def fail(_spec: VersionSpec) -> None:
        raise CommandError("uv pip install ended with exit code 1: no such version", [])

    monkeypatch.setattr(measurement, "make_environment", fail)
    more = dataclasses.replace(PLAN, seeds=9)
    assert run(more) == before
    assert list(find_missing(before, more)) == ["accuracy"]


def test_a_run_that_is_broken_off_goes_on(
    setup: MeasurementSetup, folder: Path, run: Callable[..., VersionRecord]
) -> None:
    """What was measured is on disk after each piece, and a training without a line in the record is not repeated."""
    few = dataclasses.replace(PLAN, layers=("install", "accuracy"))
    steps = run_version(SPEC, few, setup, folder)
    while not next(steps).accuracy:
        pass
    steps.close()
    assert load_version(folder / "mine.json").accuracy[0].seeds == [1671]
    first = setup.folder / "mine" / "accuracy" / "mlp-epoch-seed1671.json"
    before = first.stat().st_mtime_ns
    assert run(few).accuracy[0].seeds == [1671, 1672]
    assert first.stat().st_mtime_ns == before


def test_another_environment_is_not_continued(
    run: Callable[..., VersionRecord], stub_version: Path, folder: Path
) -> None:
    """Neither the record nor the raw trainings of another NumPy are taken."""
    run(dataclasses.replace(PLAN, layers=("install", "accuracy")))
    stub = stub_version / "record.json"
    edit_record(stub, '"numpy": "2.4.6"', '"numpy": "2.5.0"')
    with pytest.raises(ValueError, match=r"mine: its record was measured with numpy '2\.4\.6', here '2\.5\.0'"):
        run(dataclasses.replace(PLAN, seeds=3))
    (folder / "mine.json").unlink()
    with pytest.raises(ValueError, match=r"seed1671\.json: cannot resume: trained with numpy '2\.4\.6', here '2\.5"):
        run()


@pytest.mark.parametrize(
    ("breaks", "layer", "what", "left"),
    [
        ("pip", "install", ["environment"], set()),
        ("environment", "import", ["seconds"], {"install"}),
        ("checks", "checks", ["epoch"], {"install", "import", "probes", "accuracy"}),
        ("probes", "probes", ["mlp-epoch"], {"install", "import", "checks", "accuracy"}),
    ],
)
def test_what_fails_is_a_result(
    run: Callable[..., VersionRecord], stub_version: Path, breaks: str, layer: str, what: list[str], left: set[str]
) -> None:
    """A failure is recorded with its last lines, other layers go on if they can, and only --retry tries again."""
    (stub_version / "breaks").write_text(breaks)
    record = run()
    assert [(failure.layer, failure.what) for failure in record.failures] == [(layer, text) for text in what]
    assert record.status == ("failed" if layer in ("install", "import") else "partial")
    for failure in record.failures:
        assert failure.reason.endswith("ended with exit code 1: ~/a: no such thing")
        assert failure.lines == ["one line", "~/a: no such thing"]
    layers = {
        "install": record.install,
        "import": record.imports,
        **{name: getattr(record, name) for name in LAYERS[2:]},
    }
    assert {name for name, value in layers.items() if value} == left
    (stub_version / "breaks").unlink()
    assert run() == record
    again = run(retry=True)
    assert (again.status, find_missing(again, PLAN)) == ("measured", {})


def test_another_release_than_named_is_a_failure(run: Callable[..., VersionRecord]) -> None:
    """The release that was named must be installed: a figure under a wrong name is worse than none."""
    record = run(spec=dataclasses.replace(SPEC, keras="3.0.5"))
    assert record.failures[0].layer == "import"
    assert record.failures[0].reason == "keras 3.15.1 is installed, not 3.0.5"
    assert not record.accuracy


def test_a_training_that_fails_leaves_the_others(
    run: Callable[..., VersionRecord], stub_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first seed trains and the next two die, one by one; the record names the two, and keeps the rest."""
    (stub_version / "go").touch()  # for seed 1 not to wait
    monkeypatch.setattr("mnist_bench.versions.plan.FIRST_SEED", 0)
    record = run(dataclasses.replace(PLAN, layers=("accuracy",), seeds=5))
    reasons = {failure.what: failure.reason for failure in record.failures}
    assert set(reasons) == {"mlp-epoch seed 2", "mlp-epoch seed 3"}
    assert reasons["mlp-epoch seed 2"] == "mlp, seed 2: its worker process was killed by SIGKILL"
    assert (record.status, record.accuracy[0].seeds) == ("partial", [0, 1, 4])


def test_another_precision_is_no_measurement(
    run: Callable[..., VersionRecord], stub_version: Path, record: TrainingRecord
) -> None:
    """A version is measured as the lab computes, in float32 on TensorFlow, or not at all."""
    environment = change_environment(record.environment, precision="float16")
    save(dataclasses.replace(record, environment=environment), stub_version / "record.json", overwrite=True)
    measured = run()
    assert [(failure.layer, failure.reason.partition(":")[0]) for failure in measured.failures] == [
        ("import", "TensorFlow 2.21.0, Keras 3.15.1, backend tensorflow, precision float16, data")
    ]
    assert not measured.checks


def test_the_engine_is_one_that_this_keras_trains_by(
    run: Callable[..., VersionRecord], stub_version: Path, record: TrainingRecord
) -> None:
    """Keras 3.0 to 3.6 cannot train by `epoch`: `graph`, of the same bits, is measured, and nothing has failed."""
    environment = change_environment(record.environment, keras="3.6.0")
    save(dataclasses.replace(record, environment=environment), stub_version / "record.json", overwrite=True)
    plan = dataclasses.replace(PLAN, layers=("probes", "accuracy"))
    measured = run(plan, spec=dataclasses.replace(SPEC, keras="3.6.0"))
    assert (measured.status, find_missing(measured, plan)) == ("measured", {}), measured.failures
    assert [probe.config.case for probe in measured.probes] == [("mlp", "graph")]
    assert [(results.engine, results.seeds) for results in measured.accuracy] == [("graph", [1671, 1672])]


@pytest.mark.parametrize(
    ("keras", "engine"),
    [
        (["2.15.0", "3.9.0"], "epoch"),
        (["3.6.0", "3.9.0"], "graph"),
        (["3.0.5", "3.6.0"], "graph"),
        (["3.7.0"], "epoch"),
        (["any", "2.15.0"], "epoch"),
    ],
)
def test_the_engine_is_one_that_all_can_train_by(keras: list[str], engine: str) -> None:
    """Keras 3.0 to 3.6 cannot train an epoch in one call."""
    assert choose_engine(*keras) == engine


def test_an_answer_that_is_none_is_a_failure(run: Callable[..., VersionRecord], stub_version: Path) -> None:
    """A command that succeeds and prints something else has not measured anything."""
    for python in stub_version.glob("python"):
        python.write_text(python.read_text().replace('"$@"', '"$@" | sed s/figure/figur/ ; exit 0'))
    record = run(dataclasses.replace(PLAN, layers=("checks",)))
    assert record.failures[0].layer == "checks"
    assert "the answer cannot be read: " in record.failures[0].reason
    assert "$: Object contains unknown field `figur`" in record.failures[0].reason


def test_again_supersedes(run: Callable[..., VersionRecord], setup: MeasurementSetup, folder: Path) -> None:
    """A new record is made, with new raw records; the old ones are kept under numbered names."""
    few = dataclasses.replace(PLAN, layers=("accuracy",), seeds=1)
    first = run(few)
    run(few, again=True)
    run(few, again=True)
    kept = folder / "mine.superseded-1"
    assert load(kept, VersionRecord) == first
    assert (folder / "mine.superseded-2").exists()
    assert (setup.folder / "mine.superseded-1" / "accuracy" / "mlp-epoch-seed1671.json").exists()
    assert list(list_matrix(folder)) == [*MATRIX, "mine"]


def test_what_does_not_belong_is_refused(
    run: Callable[..., VersionRecord], setup: MeasurementSetup, folder: Path
) -> None:
    """Another version of the same name, other data, or a second run at the same time: no record is touched."""
    run(dataclasses.replace(PLAN, layers=("accuracy",), seeds=1))
    text = (folder / "mine.json").read_text()
    with pytest.raises(ValueError, match=r"mine\.json: the record of .*2\.21\.0.* --again"):
        run(spec=dataclasses.replace(SPEC, python="3.12"))
    with pytest.raises(ValueError, match="mine: its record is of digits, not of mnist: another --out"):
        list(run_version(SPEC, dataclasses.replace(PLAN, seeds=9), _of_other_data(setup), folder))
    with FileLock(setup.folder / "mine.lock"), pytest.raises(ValueError, match="mine: another run is measuring it"):
        run()
    assert (folder / "mine.json").read_text() == text


def _of_other_data(setup: MeasurementSetup) -> MeasurementSetup:
    return dataclasses.replace(setup, dataset=dataclasses.replace(setup.dataset, name="mnist"))


def test_an_environment_that_exists(setup: MeasurementSetup, stub_version: Path) -> None:
    """The environment is measured as it is: nothing is installed, and making it took no seconds."""
    given = dataclasses.replace(setup, python=stub_version / "python")
    *_, record = run_version(SPEC, dataclasses.replace(PLAN, layers=("import",)), given, setup.folder)
    assert record.install is not None
    assert record.install.seconds is None
    assert not (stub_version / "uv.log").exists()


def test_a_version_of_the_users_own(folder: Path) -> None:
    """It has an empty record, is listed after the built-in versions, and is found by its name."""
    path = add_version(SPEC, folder)
    assert json.loads(path.read_text())["status"] == "planned"
    assert list(list_matrix(folder)) == [*MATRIX, "mine"]
    assert find_spec("mine", folder) == SPEC
    assert find_spec("py312-tf219", folder) == find_version("py312-tf219")
    with pytest.raises(FileExistsError, match=r"mine\.json exists already"):
        add_version(SPEC, folder)
    with pytest.raises(ValueError, match="'py311-tf218-keras36' is the name of a built-in version"):
        add_version(dataclasses.replace(SPEC, name="py311-tf218-keras36"), folder)
    with pytest.raises(ValueError, match="unknown version"):
        find_spec("../versions/mine", folder)


def test_an_interpreter_says_what_a_new_version_is(setup: MeasurementSetup, stub_version: Path, folder: Path) -> None:
    """A name that nothing else has stands for what is installed; a version of the matrix remains that version."""
    python = stub_version / "python"
    spec = find_spec("mine", folder, python)
    assert spec == dataclasses.replace(SPEC, python="3.11")
    *_, record = run_version(spec, dataclasses.replace(PLAN, layers=("import",)), setup, folder)
    assert (record.version, record.failures) == (spec, [])
    assert find_spec("py312-tf219", folder, python) == find_version("py312-tf219")
    with pytest.raises(ValueError, match=r"name '\.\./mine' is not allowed"):
        find_spec("../mine", folder, python)
    (stub_version / "breaks").write_text("environment")
    assert find_spec("mine", folder, python) == spec
    with pytest.raises(ValueError, match="ended with exit code 1"):
        find_spec("other", folder, python)


def test_a_damaged_record_is_named(folder: Path) -> None:
    """The message names the file and the field."""
    folder.mkdir()
    write_record(folder / "mine.json", VersionRecord(version=SPEC))
    edit_record(folder / "mine.json", "2.21.0", "new")
    with pytest.raises(RecordError, match=r"mine\.json: \$\.version: tensorflow 'new' is not a version"):
        list_matrix(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layers": ("install", "fun")}, "unknown layer 'fun': choose from install, import, checks"),
        ({"labs": ("cnn",)}, "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ({"labs": ()}, "unknown lab ''"),
    ],
)
def test_what_cannot_be_planned(fields: dict[str, Any], message: str) -> None:
    """An unknown layer or lab is named, with those to choose from."""
    with pytest.raises(ValueError, match=message):
        check_plan(MeasurementPlan(**fields))
