"""What the tests share: data sets, a record, and worker processes that train nothing."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import re
import shlex
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import pytest
from packaging.version import Version

from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records import files
from mnist_bench.records.training import (
    DatasetRecord,
    EnvironmentRecord,
    History,
    LayerRecord,
    Seconds,
    TrainingConfig,
    TrainingRecord,
    dump_json,
    encode_record,
)
from mnist_bench.records.validation import ValidationRecord
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.ratios import ALPHA, ALPHA_END, ALPHA_HALF, BOUND, judge_looks
from mnist_bench.timing.ab.records import (
    AbRecord,
    Look,
    ProcessTimes,
    Workload,
    collect_looks,
    collect_rounds,
    make_ratio,
)
from mnist_bench.training.backend import without_autotuner, without_tf32
from mnist_bench.training.data.archives import Arrays, digest_arrays
from mnist_bench.training.data.dataset import Dataset, load_dataset
from mnist_bench.versions.records import EpochTimes, Install, VersionRecord, add_training, put
from mnist_bench.versions.releases import MATRIX, VersionSpec, find_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


STUBS = Path(__file__).parent / "fixtures" / "stubs"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the full trainings, by far the longest tests, so that several test processes end together."""
    items.sort(key=lambda item: item.path.name != "test_accuracy.py")


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], Any]:
    """A function that imports a script of benchmarks/ from where it lies."""

    def load(name: str) -> Any:
        path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


class Answer(NamedTuple):
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def prompt_fit() -> Iterator[None]:
    """Have `fit` end an epoch when its work is done, not when tf.data's autotuner next wakes (docs/performance.md).

    No bit depends on it: `test_fit_engines_end_in_the_same_bits` holds the two against each other.
    """
    with without_autotuner():
        yield


@pytest.fixture(scope="module")
def float32() -> Iterator[None]:
    """Have a GPU multiply in float32, not in TF32, which is no match for the oracle."""
    with without_tf32():
        yield


@pytest.fixture(scope="session")
def mnist_path() -> Path:
    """Where the real MNIST lies."""
    named = os.environ.get("MNIST_BENCH_DATA")
    if not named:
        pytest.skip("MNIST_BENCH_DATA does not say where MNIST lies")
    return Path(named)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The stand-in, in full."""
    return load_dataset("digits")


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """600 training and 100 test images that a perceptron learns in an epoch: a noisy pattern for each class."""
    rng = np.random.default_rng(0)
    patterns = 255 * (rng.random((10, 28, 28)) < 0.2)
    labels = rng.integers(0, 10, 700, np.uint8)
    images = (patterns[labels] * rng.random((700, 28, 28))).astype(np.uint8)
    arrays = Arrays(images[:600], labels[:600], images[600:], labels[600:])
    return Dataset(name="tiny", origin="a test", digest=digest_arrays(*arrays), **arrays._asdict())


@pytest.fixture(scope="session")
def record(tiny: Dataset) -> TrainingRecord:
    """A record as a training of two epochs leaves it."""
    return TrainingRecord(
        config=TrainingConfig(lab="perceptron", epochs=2, data="digits"),
        environment=EnvironmentRecord(
            python="3.11.7",
            system="Linux",
            machine="x86_64",
            tensorflow="2.21.0",
            keras="3.15.1",
            numpy="2.4.6",
            backend="tensorflow",
            precision="float32",
            cpu="A CPU",
            instruction_set="avx2",
            cores=2,
            usable_cores=2,
            intra_op_threads=0,
            inter_op_threads=0,
            onednn="default",
            flags={},
            xla=False,
            op_determinism=True,
            device="cpu",
            gpus=[],
            project="0.1.0",
            commit=None,
            numerics_key="0123456789abcdef",
            hardware_key="fedcba9876543210",
        ),
        dataset=DatasetRecord(source="digits", digest=tiny.digest),
        layers=[
            LayerRecord(kind="Dense", units=10, parameters=7850, trainable=7850),
            LayerRecord(kind="Activation", units=10, parameters=0, trainable=0, activation="softmax"),
        ],
        history=History(
            loss=[1.5, 0.5],
            accuracy=[0.75, 0.875],
            val_loss=[1.25, 0.25],
            val_accuracy=[0.8125, 0.9375],
            seconds=[0.5, 0.25],
            val_seconds=[0.125, 0.0625],
        ),
        test_loss=0.375,
        test_accuracy=0.9375,
        initial_digest="0" * 64,
        final_digest="1" * 64,
        seconds=Seconds(imports=2.0, build=0.5, first_epoch=0.5, epoch=0.25, evaluate=0.125),
        created="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(scope="session")
def validation(record: TrainingRecord) -> ValidationRecord:
    """The same training without its test."""
    names = ("config", "environment", "dataset", "history", "final_digest", "created")
    return ValidationRecord(**{name: getattr(record, name) for name in names}, parameters=record.parameters)


@pytest.fixture
def stub_workers(record: TrainingRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have `train_all` start the workers of stub_worker.py; return their folder, with `python` to start them."""
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "record.json").write_text(encode_record(record))
    monkeypatch.setattr(sys, "executable", str(make_interpreter(folder / "python", "worker.py", folder)))
    return folder


@pytest.fixture
def stub_python(record: TrainingRecord, tmp_path: Path) -> Callable[..., Path]:
    """Make an interpreter of stub_abworker.py by its name and behaviour; its files lie beside it."""

    def make(name: str, **behaviour: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "environment.json").write_text(dump_json(record.environment))
        (folder / "behaviour.json").write_text(json.dumps({"speed": 0.5, "jitter": 0.001} | behaviour))
        return make_interpreter(folder / "python", "abworker.py", folder)

    return make


@pytest.fixture
def make_ab(record: TrainingRecord) -> Callable[..., AbRecord]:
    """Make the record of a comparison on a quiet machine, in which B takes `slowdown` times as long as A."""

    def make(*, rounds: int = 6, slowdown: float = 1.0, seed: int = 0, **fields: object) -> AbRecord:
        rng = np.random.default_rng(seed)
        processes = []
        for order in range(2 * rounds):
            side: Literal["a", "b"] = "a" if order % 4 in (0, 3) else "b"
            times = (slowdown if side == "b" else 1.0) * np.exp(0.01 * rng.normal(size=(2, 4)))
            processes.append(ProcessTimes(side=side, order=order, wall=times[0].tolist(), cpu=times[1].tolist()))
        looks = [Look(rounds=rounds // 2, alpha=ALPHA_HALF), Look(rounds=rounds, alpha=ALPHA_END)]
        looks = looks[0 if rounds > 5 else 1 if rounds > 2 else 2 :]
        judgement = judge_looks(collect_rounds(processes), collect_looks(looks))
        workload = Workload(
            lab="mlp",
            engine="epoch",
            dataset=record.dataset,
            samples=12_032,
            batch_size=128,
            warm_ups=2,
            epochs=4,
            device="cpu",
            layout="together",
            as_shipped=False,
        )
        made = AbRecord(
            workload=workload,
            python_a="/a/bin/python",
            python_b="/a/bin/python",
            a=record.environment,
            b=record.environment,
            fault_b=None,
            budget_seconds=40.0,
            seconds=38.0,
            load=0.1,
            bound=BOUND,
            alpha=ALPHA,
            looks=looks,
            processes=processes,
            wall=make_ratio(judgement.wall),
            cpu=make_ratio(judgement.cpu),
            verdict=judgement.speed,
            finding=judgement.finding,
            failure=None,
            calibration=None,
            created=record.created,
        )
        return msgspec.structs.replace(made, **fields)

    return make


def make_interpreter(path: Path, script: str, *arguments: object) -> Path:
    """Write a program that passes all it is given on to a script beside this file."""
    command = shlex.join([sys.executable, str(STUBS / script), *map(str, arguments)])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def make_timing_run() -> Callable[..., dict[str, Any]]:
    """A function of (rounds, engine, ...) that makes a stored run of an epoch and an evaluation of the MLP."""

    def make(
        *data: float,
        engine: str = "graph",
        hardware_key: str = "fedcba9876543210",
        tensorflow: str = "2.21.0",
        controls: float = 0.5,
        when: str | None = None,
    ) -> dict[str, Any]:
        data = data or (0.75, 1.0, 1.5)
        figures = {
            "lab": "mlp",
            "engine": engine,
            "device": "cpu",
            "numerics_key": "0123456789abcdef",
            "hardware_key": hardware_key,
            "tensorflow": tensorflow,
            "keras": "3.15.1",
            "dataset": "digits",
            "dataset_digest": "0" * 64,
            "cpu_seconds": list(data),
            "controls": {name: [controls] * len(data) for name in ("sgemm", "gather", "python")},
            "samples_per_second": 48000.0,
            "gflop_per_second": None,
            "peak_memory_mb": 500.0,
        }
        machine = {"hardware_key": hardware_key, "system": "Linux", "machine": "x86_64", "cpu": "A CPU"}
        machine |= {"instruction_set": "avx2", "cores": 2, "usable_cores": 2, "device": "cpu", "gpu_names": []}
        info = {"system": "Linux", "python_implementation": "CPython", "python_version": "3.11.7"}
        acceptance = {"who": "me", "when": when, "why": "a test", "forced": []}
        rounds = {"test_steady_epoch": list(data), "test_evaluation": [2 * seconds for seconds in data]}
        return {
            "machine_info": {**info, "mnist_bench": machine},
            "commit_info": {"id": "0" * 40, "dirty": False},
            "datetime": "2026-01-01T00:00:00+00:00",
            "benchmarks": [
                {
                    "fullname": f"b.py::{name}[mlp-{engine}-cpu]",
                    "stats": {
                        "min": min(seconds),
                        "max": max(seconds),
                        "median": statistics.median(seconds),
                        "rounds": len(seconds),
                        "data": seconds,
                    },
                    "extra_info": copy.deepcopy(figures),
                }
                for name, seconds in rounds.items()
            ],
            "mnist_bench": {
                "kind": "timings",
                "schema_version": 1,
                "failed": [],
                "acceptance": acceptance if when else None,
            },
        }

    return make


@pytest.fixture
def timing_run(make_timing_run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A stored run of the benchmarks, as JSON holds it."""
    return make_timing_run()


@pytest.fixture
def stub_version(record: TrainingRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have uv make environments of stub_version.py; return its folder, with the interpreter `python`."""
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "record.json").write_text(encode_record(record))
    stub = STUBS / "version.py"
    for name, more in (("python", ""), ("uv", "uv ")):
        command = shlex.join([sys.executable, str(stub), str(folder)])
        (folder / name).write_text(f'#!/bin/sh\nexec {command} {more}"$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "cache"))
    # The checkout of these tests, also where the package that they test was installed from its wheel.
    monkeypatch.setattr(files, "PACKAGE", Path(__file__).parents[1] / "mnist_bench")
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command, run in this process; gives exit status, standard output and standard error."""
    from mnist_bench.cli.app import main

    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as caught:
            main([str(it) for it in arguments])
        captured = capsys.readouterr()
        return Answer(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def make_versions(record: TrainingRecord) -> Callable[..., dict[str, VersionRecord]]:
    """A function that makes the records of these versions: bits that part with Keras 3, and a frozen shuffle there."""

    def make(names: Sequence[str] = MATRIX, *, seeds: int = 7, cost: float = 0.0015) -> dict[str, VersionRecord]:
        return {name: make_version(find_version(name), record, seeds=seeds, cost=cost) for name in names}

    return make


def make_version(spec: VersionSpec, record: TrainingRecord, *, seeds: int, cost: float) -> VersionRecord:
    """Return the record of a version: three checks, two probes, `seeds` trainings of the mlp, and times."""
    frozen = Version(spec.keras or "0") >= Version("3")
    environment = msgspec.structs.replace(
        record.environment, tensorflow=spec.tensorflow, keras=spec.keras or "0", python=f"{spec.python}.1"
    )
    config = msgspec.structs.replace(record.config, lab="mlp", epochs=2)
    bits = "keras3" if frozen else "keras2"
    version = VersionRecord(
        version=spec, environment=environment, dataset=record.dataset, created=record.created, commit="c" * 40
    )
    rng = np.random.default_rng(int(frozen))
    for seed in range(1671, 1671 + seeds):
        worse = cost * frozen + 0.0008 * rng.normal()
        training = msgspec.structs.replace(
            record,
            config=msgspec.structs.replace(config, seed=seed),
            environment=environment,
            test_accuracy=round(0.977 - worse, 4),
            test_loss=round(0.077 + 3 * worse, 4),
            final_digest=f"{bits}-{seed}",
        )
        version = add_training(version, training)
    stages = [Stage(name="initial weights", digest="0" * 64, values=[0.5])]
    stages.append(Stage(name="data order", digest=bits * 8, values=[0.25 if frozen else 0.75]))
    engines = ("epoch", "fused")
    results = {
        "structure/layers[mlp]": Verdict.PASS,
        "contract/new-order[epoch]": Verdict.KNOWN if frozen else Verdict.PASS,
        "arithmetic/oracle[mlp-epoch]": Verdict.PASS,
        "reproducibility/bits[mlp-epoch]": Verdict.PASS,
    }
    checks = [CheckResult(name=name, verdict=it, figure="so much", bound="≤ 1") for name, it in results.items()]
    return put(
        version,
        checks={"epoch": checks},
        probes=[
            ProbeRecord(
                config=msgspec.structs.replace(config, engine=engine),
                environment=environment,
                dataset=record.dataset,
                stages=stages if engine == "epoch" else stages[:1],
            )
            for engine in engines
        ],
        times=[
            EpochTimes(lab="mlp", engine=engine, hardware_key="a", seconds=[3.0, *(1 + 0.1 * rng.random(10)).tolist()])
            for engine in engines
        ],
        imports=[2.5, 2.4, 2.6],
        install=Install(seconds=9.0, bytes=10**9, packages={"numpy": "2.4.6", "keras": spec.keras or "0"}),
    )


@pytest.fixture
def mlp(record: TrainingRecord) -> TrainingRecord:
    """The record of a training as the lab trains the mlp."""
    config = msgspec.structs.replace(record.config, lab="mlp", epochs=20)
    history = History(**{name: [0.5] * 20 for name in History.__struct_fields__})
    return msgspec.structs.replace(record, config=config, history=history, test_accuracy=0.977, test_loss=0.0768)


@pytest.fixture
def probe_file(mlp: TrainingRecord, tmp_path: Path) -> Path:
    """A file with a probe of two stages."""
    stages = [Stage(name=name, digest=name * 9, values=[0.5]) for name in ("forward", "gradient")]
    it = ProbeRecord(config=mlp.config, environment=mlp.environment, dataset=mlp.dataset, stages=stages)
    path = tmp_path / "probes" / "mlp-epoch.json"
    path.parent.mkdir()
    path.write_text(dump_json(it))
    return path


@pytest.fixture(scope="session")
def edit() -> Callable[..., Path]:
    """A function of (path, old, new, name) that writes a changed copy beside a file and returns its path."""

    def write(path: Path, old: str, new: str, *, name: str = "edited.json") -> Path:
        text = path.read_text()
        assert old in text
        copy = path.with_name(name)
        copy.write_text(text.replace(old, new))
        return copy

    return write


@pytest.fixture(scope="session")
def check_refused() -> Callable[[Answer, str], None]:
    """A function of (answer, message): the command refused with this one line on stderr, and printed nothing else."""

    def check(answer: Answer, message: str) -> None:
        assert (answer.status, answer.out) == (2, "")
        assert re.fullmatch(f"mnist-bench: .*{re.escape(message)}.*\n", answer.err), answer.err

    return check
