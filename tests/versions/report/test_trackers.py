"""Figures in other tools' JSON, checked against schemas that were written from those tools' documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mnist_bench.versions.report.export import UNITS, Figure
from mnist_bench.versions.report.trackers import FORMATS, check_format, format_bencher, format_github_action_benchmark

FIGURES = [
    Figure(benchmark="a", measure="environment-size", value=1.5, low=None, high=None, about="all its files"),
    Figure(benchmark="a/mlp-epoch/mnist", measure="test-loss", value=0.075, low=0.0725, high=0.0781, about="of 7"),
    Figure(benchmark="a/mlp-epoch/mnist", measure="test-error", value=0.0, low=0.0, high=0.0, about="of 7"),
]


def check_schema(name: str, document: Any) -> None:
    """Check a document against the schema of that format."""
    path = Path(__file__).parents[2] / "schemas" / f"{name}.schema.json"
    jsonschema.validate(document, json.loads(path.read_text()), cls=jsonschema.Draft202012Validator)


def test_github_action_benchmark() -> None:
    """An entry a figure, in their order; a range where there are several values."""
    entries = json.loads(format_github_action_benchmark(FIGURES))
    assert entries == [
        {"name": "a/environment-size", "unit": "MB", "value": 1.5, "extra": "all its files"},
        {
            "name": "a/mlp-epoch/mnist/test-loss",
            "unit": "nats",
            "value": 0.075,
            "range": "0.0725 to 0.0781",
            "extra": "of 7",
        },
        {
            "name": "a/mlp-epoch/mnist/test-error",
            "unit": "% of the test images",
            "value": 0.0,
            "range": "0 to 0",
            "extra": "of 7",
        },
    ]


def test_bencher() -> None:
    """The measures of a benchmark stand together, with both ends or none."""
    ends = {"lower_value": 0.0, "upper_value": 0.0}
    assert json.loads(format_bencher(FIGURES)) == {
        "a": {"environment-size": {"value": 1.5}},
        "a/mlp-epoch/mnist": {
            "test-loss": {"value": 0.075, "lower_value": 0.0725, "upper_value": 0.0781},
            "test-error": {"value": 0.0, **ends},
        },
    }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_fits_its_schema(name: str) -> None:
    """With every measure, and every figure once."""
    about = "mean of 7 seeds"
    figures = [Figure(benchmark="b", measure=measure, value=2.0, low=1.0, high=3.0, about=about) for measure in UNITS]
    document = json.loads(FORMATS[name]([*FIGURES, *figures]))
    check_schema(name, document)
    names = [entry["name"] for entry in document] if isinstance(document, list) else list(document)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("github-action-benchmark", lambda document: document.clear()),
        ("github-action-benchmark", lambda document: document[0].pop("unit")),
        ("github-action-benchmark", lambda document: document[0].update(value="1.5")),
        ("github-action-benchmark", lambda document: document[0].update(value=None)),
        ("github-action-benchmark", lambda document: document[0].update(range=0.5)),
        ("bencher", lambda document: document.clear()),
        ("bencher", lambda document: document["a"].clear()),
        ("bencher", lambda document: document["a"]["environment-size"].pop("value")),
        ("bencher", lambda document: document["a"]["environment-size"].update(value=None)),
        ("bencher", lambda document: document["a"]["environment-size"].update(lower_value=1.0)),
        ("bencher", lambda document: document["a"].update({"Test loss": {"value": 1.0}})),
        ("bencher", lambda document: document.update({"a" * 1025: document["a"]})),
    ],
    ids=[
        *("none", "no-unit", "text", "null", "range"),
        *("empty", "no-measure", "no-value", "no-number", "one-end", "no-slug", "long-name"),
    ],
)
def test_the_schemas_see_what_is_broken(name: str, change: Any) -> None:
    """A document of the format fits; one thing changed, and it does not."""
    document = json.loads(FORMATS[name](FIGURES))
    check_schema(name, document)
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        check_schema(name, document)


def test_an_unknown_format_is_named() -> None:
    """With those that there are."""
    assert check_format("bencher") == "bencher"
    with pytest.raises(ValueError, match="unknown format 'asv': choose from github-action-benchmark, bencher"):
        check_format("asv")
