"""A model file is read, loaded and refused in one line that says what and where."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from mnist_bench.own.file import ModelFileError, load_model, read_model_file
from mnist_bench.own.model import make_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.own.records import OwnConfig


def test_a_file_is_read_without_being_run(write_model: Callable[..., Path]) -> None:
    """The parent learns name, path and digest, whatever the file would do."""
    path = write_model(rest="raise SystemExit('this ran')\n")
    model = read_model_file(path)
    assert (model.name, model.path) == ("bench_small", str(path))
    assert len(model.digest) == 64


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def build(:\n    pass\n", "line 1: SyntaxError"),
        ("def build():\n    pass\n", "data() is not defined"),
        ("def data():\n    def build(): pass\n", "build() is not defined"),
        ("x = '\0'\n", "null bytes"),
    ],
    ids=["syntax", "no-data", "nested", "null"],
)
def test_a_text_that_is_no_model_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """What is missing is named, in one line."""
    path = tmp_path / "bench.py"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=re.escape(told)) as caught:
        read_model_file(path)
    assert "\n" not in str(caught.value)


def test_a_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """A byte that is no UTF-8, although Python would skip it in a comment."""
    path = tmp_path / "bench.py"
    path.write_bytes(b"def build(): ...\ndef data(): ...\n# caf\xe9\n")
    with pytest.raises(ModelFileError, match=r"bench\.py.*utf-8"):
        read_model_file(path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.py", "does not exist"),
        ("", "is a folder"),
        ("my model.py", "the file's name"),
        ("loop.py", "cannot be read: Too many levels of symbolic links"),
    ],
    ids=["missing", "folder", "name", "loop"],
)
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str, told: str) -> None:
    """A missing file, a folder, and a name that cannot be one of a record."""
    (tmp_path / "loop.py").symlink_to("loop.py")
    if name == "my model.py":
        (tmp_path / name).write_text("def build(): ...\ndef data(): ...\n")
    with pytest.raises(ModelFileError, match=told):
        read_model_file(tmp_path / name)


def test_a_file_is_loaded(configure_model: Callable[..., OwnConfig]) -> None:
    """Its data, its arguments of `fit` and its model are there."""
    config = configure_model(rest="margins = {'accuracy': 0.1}\nbetter = {'loss': 'lower'}\n")
    loaded = load_model(config.model)
    assert loaded.data.samples == 64
    assert loaded.fit_arguments() == {"epochs": 2, "batch_size": 16, "validation_split": 0.25}
    assert (loaded.margins, loaded.better) == ({"accuracy": 0.1}, {"loss": "lower"})
    assert make_model(loaded, 1).count_params() == 6 * 5 + 5 + 5 * 3 + 3


def test_without_fit_the_defaults_hold(configure_model: Callable[..., OwnConfig]) -> None:
    """The ten lines need no `fit`."""
    assert load_model(configure_model(fit="").model).fit_arguments() == {"epochs": 5, "batch_size": 32}


def test_a_helper_next_to_the_file_is_found(configure_model: Callable[..., OwnConfig], tmp_path: Path) -> None:
    """At the head and inside a function; the folder is not importable afterwards."""
    (tmp_path / "own_helper.py").write_text("WIDTH = 6\n")
    (tmp_path / "own_late.py").write_text("EPOCHS = 3\n")
    fit = "import own_helper\n\ndef fit():\n    import own_late\n    return {'epochs': own_late.EPOCHS}\n"
    assert load_model(configure_model(fit=fit).model).fit_arguments()["epochs"] == 3
    assert str(tmp_path) not in sys.path
    for name in ("own_helper", "own_late"):
        del sys.modules[name]


def test_a_changed_file_is_refused(configure_model: Callable[..., OwnConfig]) -> None:
    """What was read is what runs."""
    config = configure_model()
    configure_model(rest="\n# changed\n")
    with pytest.raises(ModelFileError, match="has changed"):
        load_model(config.model)


GENERATOR = "def data():\n    return (iter([1]), np.ones(4)), (np.ones((4, 6)), np.ones(4))\n"
DATASET = "def data():\n    d = tf.data.Dataset.range(3)\n    return (d, d), (d, d)\n"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("def data():\n    return 1 / 0\n", r"line 15, in data\(\): ZeroDivisionError"),
        ("def data():\n    return np.ones((4, 6)), np.ones(4)\n", r"has to return \(x, y\), \(x_test, y_test\)"),
        (GENERATOR, "x is a list_iterator, not a NumPy array"),
        (DATASET, "not a NumPy array"),
        ("def data():\n    return ([], np.ones(4)), ([], np.ones(4))\n", "x holds no array"),
        ("def data():\n    a = np.ones((0, 6))\n    return (a, a), (a, a)\n", r"x has shape \(0, 6\)"),
        ("def data():\n    a = np.float64(3) * np.ones(())\n    return (a, a), (a, a)\n", "is a float64, not a NumPy"),
        (
            "def data():\n    return (np.ones((5, 6)), np.ones(4)), (np.ones((4, 6)), np.ones(4))\n",
            "the numbers of samples differ: x has 5, y has 4",
        ),
        (
            "def data():\n    return (np.ones((4, 6)), np.ones(4)), (np.ones((4, 7)), np.ones(4))\n",
            r"not alike: x float64\(4, 6\) and x_test float64\(4, 7\)",
        ),
        ("def data():\n    a = np.array([[1], 'a'], object)\n    return (a, a), (a, a)\n", "x has dtype object"),
        (
            "def data():\n    a = np.array(['a', 'b'])\n    return (a, a), (a, a)\n",
            "y has dtype <U1: text is allowed in x only",
        ),
        (
            "def data():\n    a = np.array([[1.0], [np.nan]])\n    return (a, a), (a, a)\n",
            "x holds 1 values that are not finite",
        ),
        (
            "def data():\n    a = np.random.rand(4, 6)\n    return (a, a), (a, a)\n",
            "returns other arrays when it is called again",
        ),
    ],
    ids=[
        *("raises", "form", "generator", "dataset", "none", "empty", "scalar", "numbers", "shapes", "object", "text"),
        *("nan", "random"),
    ],
)
def test_data_that_cannot_be_used_is_refused(configure_model: Callable[..., OwnConfig], data: str, told: str) -> None:
    """One line says which array, what it is, and what is allowed."""
    with pytest.raises(ModelFileError, match=told) as caught:
        load_model(configure_model(data=data).model)
    assert "bench_small.py, " in str(caught.value)
    assert "data()" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("def build():\n    return None\n", r"in build\(\): has to return a compiled Keras model, not a NoneType"),
        ("def build():\n    return keras.Sequential([layers.Dense(1)])\n", "a model that is not compiled"),
        ("def build():\n    return layers.Dense(undefined)\n", r"line 8, in build\(\): NameError"),
        ("def build():\n    import sys\n    sys.exit(3)\n", r"line 9, in build\(\): SystemExit"),
        (
            "def build():\n    m = keras.Sequential([keras.Input((7,)), layers.ReLU()])\n    m.compile()\n    return m",
            r"inputs of shape \(None, 7\), data\(\) gives x of shape \(64, 6\)",
        ),
    ],
    ids=["none", "not-compiled", "name", "exit", "inputs"],
)
def test_a_build_that_cannot_be_used_is_refused(
    configure_model: Callable[..., OwnConfig], build: str, told: str
) -> None:
    """One line says what it returned, or on which line it failed."""
    loaded = load_model(configure_model(build=build).model)
    with pytest.raises(ModelFileError, match=told):
        loaded.build()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{'verbose': 1}", "returns 'verbose', which is not allowed: choose from epochs, batch_size"),
        ("{'epochs': 0}", "returns epochs 0: a whole number of 1 or more is allowed"),
        ("{'validation_split': 1.5}", "a number from 0 to below 1"),
        ("None", "not a NoneType"),
        ("{'sample_weight': np.ones(3)}", "3 weights for 64 samples"),
    ],
    ids=["unknown", "epochs", "split", "none", "weights"],
)
def test_arguments_of_fit_are_refused(configure_model: Callable[..., OwnConfig], given: str, told: str) -> None:
    """One line says which argument, and what is allowed."""
    loaded = load_model(configure_model(fit=f"def fit():\n    return {given}\n").model)
    with pytest.raises(ModelFileError, match=told):
        loaded.fit_arguments()


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("margins = {'accuracy': -1}\n", "a positive number is allowed"),
        ("margins = 3\n", "has to be a dict"),
        ("better = {'accuracy': 'up'}\n", "choose from higher, lower"),
        ("fit = 3\n", "fit is no function"),
        ("1 / 0\n", "line 23: ZeroDivisionError"),
    ],
    ids=["margin", "margins", "better", "fit", "raises"],
)
def test_what_else_a_file_says_is_refused(configure_model: Callable[..., OwnConfig], rest: str, told: str) -> None:
    """Margins, directions, and what the top level raises."""
    with pytest.raises(ModelFileError, match=told):
        load_model(configure_model(rest=rest).model)
