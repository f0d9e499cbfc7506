"""The records of a user's own model: their published schema, and what they refuse."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.sides import change_training, draw, make_side
from mnist_bench.own.records import OwnSide
from mnist_bench.records.checksum import seal
from mnist_bench.records.environment import change_environment
from mnist_bench.records.schema import make_schema
from mnist_bench.records.serial import decode, dump_json

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord

SCHEMA = Path(__file__).parents[2] / "docs" / "own.schema.json"


def test_the_published_schema_is_current() -> None:
    """docs/own.schema.json is that of a side, with its stages and trainings."""
    command = (
        "from mnist_bench.own.records import OwnSide; from mnist_bench.records.schema import make_schema; "
        "from mnist_bench.records.serial import dump_json; print(dump_json(make_schema(OwnSide)), end='')"
    )
    how = f'make it anew: python -c "{command}" > docs/own.schema.json'
    assert SCHEMA.read_text(encoding="utf-8") == dump_json(make_schema(OwnSide)), how


def test_a_side_is_read_as_it_was_written(record: TrainingRecord) -> None:
    """JSON keeps every field, and fits the schema."""
    side = make_side(record.environment, "a", draw(2))
    text = dump_json(side)
    assert decode(text, OwnSide, origin="a test") == side
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    validator.validate(seal(json.loads(text)))
    assert not validator.is_valid(seal({**json.loads(text), "surplus": 1}))
    assert not validator.is_valid(json.loads(text))


def test_a_timed_seed_was_trained(record: TrainingRecord) -> None:
    """A side that has timed a seed it lacks is refused."""
    side = make_side(record.environment, "a", draw(2))
    with pytest.raises(ValueError, match=r"timed seeds \[1, 1671\] are not among the seeds \[1671, 1672\]"):
        dataclasses.replace(side, timed=[1, 1671])


@pytest.mark.parametrize("part", ["training", "probe"])
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tensorflow": "2.8.0"}, "tensorflow '2.8.0', the side's is '2.21.0'"),
        ({"instruction_set": "sse"}, "instruction_set 'sse', the side's is 'avx2'"),
    ],
)
def test_a_side_is_of_one_environment(record: TrainingRecord, part: str, fields: dict[str, str], told: str) -> None:
    """A part that was measured elsewhere is refused by its name."""
    side = make_side(record.environment, "a", draw(2))
    other = change_environment(record.environment, **fields)
    first, second = side.trainings
    probe = side.probe
    assert probe is not None
    parts: dict[str, dict[str, Any]] = {
        "training": {"trainings": [change_training(first, environment=other), second]},
        "probe": {"probe": dataclasses.replace(probe, environment=other)},
    }
    with pytest.raises(ValueError, match=f"the own {part} of seed 1671 ran with {told}"):
        dataclasses.replace(side, **parts[part])
