"""What the tests share: data sets, a record, and worker processes that train nothing."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from mnist_bench.archives import Arrays, digest_arrays
from mnist_bench.data import Dataset, load_dataset
from mnist_bench.records import (
    DatasetRecord,
    EnvironmentRecord,
    History,
    LayerRecord,
    Seconds,
    TrainingConfig,
    TrainingRecord,
    encode_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(NamedTuple):
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


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


@pytest.fixture
def stub_workers(record: TrainingRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have `train_all` start the workers of stub_worker.py; return their folder, with `python` to start them."""
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "record.json").write_text(encode_record(record))
    python = folder / "python"
    stub = Path(__file__).with_name("stub_worker.py")
    command = shlex.join([sys.executable, str(stub), str(folder)])
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return folder


@pytest.fixture
def stub_version(record: TrainingRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have uv make environments of stub_version.py; return its folder, with the interpreter `python`."""
    folder = tmp_path / "stub"
    folder.mkdir()
    (folder / "record.json").write_text(encode_record(record))
    stub = Path(__file__).with_name("stub_version.py")
    for name, more in (("python", ""), ("uv", "uv ")):
        command = shlex.join([sys.executable, str(stub), str(folder)])
        (folder / name).write_text(f'#!/bin/sh\nexec {command} {more}"$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command, run in this process; gives exit status, standard output and standard error."""
    from mnist_bench.cli import main

    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as caught:
            main([str(it) for it in arguments])
        captured = capsys.readouterr()
        return Answer(int(caught.value.code or 0), captured.out, captured.err)

    return run
