"""What all tests share: their order, the data sets, the command."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from fixtures.checksums import write_record
from mnist_bench.records.environment import FAULT_VARIABLE, digest_arrays
from mnist_bench.training.backend import without_autotuner, without_tf32
from mnist_bench.training.data.archives import Arrays
from mnist_bench.training.data.dataset import Dataset, Prepared, load_dataset, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["fixtures.records", "fixtures.ab", "fixtures.timings", "fixtures.versions", "fixtures.own"]

SPARED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, the full trainings and the slow, so that several test processes end together."""

    def is_short(item: pytest.Item) -> bool:
        return item.path.parts[-2:] != ("suite", "test_accuracy.py") and not item.get_closest_marker("slow")

    items.sort(key=is_short)


@pytest.fixture(scope="session", autouse=True)
def lean_processes() -> Iterator[None]:
    """Have Keras import neither matplotlib nor scikit-learn in the processes that tests start; here Keras has both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "fixtures" / "site"), prepend=os.pathsep)
        yield


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as this process.

    Keras's `clear_session` has it look at every object, for each model. What a test makes is collected as ever.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Spare the collector TensorFlow, too, after the first test that has imported it."""
    if "tensorflow" in sys.modules and not item.session.stash.get(SPARED, False):
        item.session.stash[SPARED] = True
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], Any]:
    """A function that imports a script of benchmarks/ from where it lies, together with the scripts that it imports."""

    def load(name: str) -> Any:
        folder = Path(__file__).parents[1] / "benchmarks"
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(folder))
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def unplanted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function of the methods of Keras's model that planted faults replace: they are put back after the test."""

    def keep(*names: str) -> None:
        from mnist_bench.training.backend import load_keras

        model = load_keras().Model
        monkeypatch.setenv(FAULT_VARIABLE, "")
        for name in names:
            monkeypatch.setattr(model, name, getattr(model, name))

    return keep


@pytest.fixture(scope="module")
def prompt_fit() -> Iterator[None]:
    """Have `fit` end an epoch when its work is done, not when tf.data's autotuner next wakes (docs/performance.md).

    No bit depends on the autotuner: `test_fit_engines_end_in_the_same_bits` compares trainings with and without.
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
        pytest.skip("MNIST_BENCH_DATA is not set: the real MNIST is not here to be read")
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
    return Dataset(name="tiny", origin="a test", digest=digest_arrays(arrays), **arrays._asdict())


@pytest.fixture(scope="module")
def prepared(tiny: Dataset) -> Prepared:
    """The tiny set, as the lab prepares it."""
    return prepare(tiny)


@pytest.fixture(scope="session")
def edit() -> Callable[..., Path]:
    """A function of (path, old, new, name) that writes a changed copy next to a file and returns its path."""

    def write(path: Path, old: str, new: str, *, name: str = "edited.json") -> Path:
        text = path.read_text()
        assert old in text
        copy = path.with_name(name)
        return write_record(copy, json.loads(text.replace(old, new)))

    return write


class Answer(NamedTuple):
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """A function that runs the command in this process and returns exit status, standard output and standard error."""
    from mnist_bench.cli.app import main

    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def check_refused() -> Callable[[Answer, str], None]:
    """A function of (answer, message): the command refused with this one line on stderr, and printed nothing else."""

    def check(answer: Answer, message: str) -> None:
        assert (answer.status, answer.out) == (2, "")
        assert re.fullmatch(f"mnist-bench: .*{re.escape(message)}.*\n", answer.err), answer.err

    return check
