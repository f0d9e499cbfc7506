"""Records go to JSON and back unchanged; for a wrong record the error names file and field."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.checksums import write_record
from mnist_bench.records.checksum import seal
from mnist_bench.records.config import Case, TrainingConfig
from mnist_bench.records.environment import (
    DatasetRecord,
    EnvironmentRecord,
    Gpu,
    change_environment,
    digest_arrays,
    make_environment_record,
)
from mnist_bench.records.fields import check_range
from mnist_bench.records.schema import make_schema
from mnist_bench.records.serial import decode, dump_json, dump_record, load_record, save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import History, LayerRecord, Seconds, TrainingRecord, check_seeds, check_trainings

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = Path(__file__).parents[2] / "docs" / "record.schema.json"
NAN, INFINITY = float("nan"), float("inf")

texts = st.text(max_size=20)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)
counts = st.integers(1, 10**6)
durations = st.floats(0, 1e9)
shares = st.floats(0, 1)
losses = st.none() | st.floats(0, 3.4e38)
configs = st.builds(
    TrainingConfig,
    lab=names,
    engine=names,
    seed=st.integers(0, 2**32 - 1),
    epochs=st.just(3),
    batch_size=counts,
    learning_rate=durations,
    validation_split=shares,
    data=texts,
    device=texts,
    deterministic=st.booleans(),
)
environments = st.fixed_dictionaries(
    {
        name: {"int": counts, "bool": st.booleans(), "str | None": st.none() | texts}.get(kind, texts)
        for name, kind in EnvironmentRecord.__annotations__.items()
    }
    | {
        "commit": st.none() | st.from_regex(r"[0-9a-f]{40}(\+dirty)?", fullmatch=True),
        "flags": st.dictionaries(texts, texts, max_size=3),
        "gpus": st.lists(st.builds(Gpu, name=texts, compute_capability=texts, driver=st.none() | texts), max_size=2),
    }
).map(make_environment_record)
histories = st.fixed_dictionaries(
    {
        name: st.lists(
            losses if "loss" in name else shares if "accuracy" in name else durations, min_size=3, max_size=3
        )
        for name in History.__dataclass_fields__
    }
).map(lambda columns: History(**columns))
layers = st.builds(
    LayerRecord, kind=texts, units=counts, parameters=counts, trainable=counts, activation=st.none() | texts
)
training_records = st.builds(
    TrainingRecord,
    config=configs,
    environment=environments,
    dataset=st.builds(DatasetRecord, source=names, digest=digests),
    layers=st.lists(layers, max_size=3),
    history=histories,
    test_loss=losses,
    test_accuracy=shares,
    initial_digest=digests,
    final_digest=digests,
    seconds=st.builds(
        Seconds,
        imports=durations,
        build=durations,
        first_epoch=durations,
        epoch=st.none() | durations,
        evaluate=durations,
    ),
    created=st.datetimes(
        min_value=dt.datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        max_value=dt.datetime(2026, 12, 1),  # noqa: DTZ001
        timezones=st.just(dt.timezone.utc),
    ).map(lambda time: time.isoformat(timespec="seconds")),
)


def change(record: TrainingRecord, place: str, value: Any) -> str:
    """Return the record's JSON with one field changed; a value that is `...` takes it away."""
    fields = json.loads(dump_json(record))
    *folders, name = place.split(".")
    inner = fields
    for folder in folders:
        inner = inner[folder]
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return json.dumps(fields)


@given(record=training_records)
@settings(max_examples=25, deadline=None)
def test_round_trip(record: TrainingRecord) -> None:
    """Any record comes back equal from its JSON, and its JSON comes back the same."""
    text = dump_json(record)
    again = decode(text, TrainingRecord, origin="memory")
    assert again == record
    assert dump_json(again) == text


def test_json_has_one_form(record: TrainingRecord) -> None:
    """Keys are sorted at every level, the text ends in one newline, and kind and schema version are there."""
    text = dump_json(record)
    fields = json.loads(text)
    assert text == json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert (fields["schema_version"], fields["kind"]) == (1, "training")


def test_text_of_any_language_survives() -> None:
    """JSON is UTF-8 without escapes."""
    assert dump_json({"b": "ü", "a": "数"}) == '{\n  "a": "数",\n  "b": "ü"\n}\n'


def test_saves_and_loads(record: TrainingRecord, tmp_path: Path) -> None:
    """A file holds the record's JSON, gives the record back, and is not overwritten."""
    path = tmp_path / "folder" / "it.json"
    save(record, path)
    assert path.read_text(encoding="utf-8") == dump_record(record)
    assert load_record(path) == record
    with pytest.raises(FileExistsError):
        save(record, path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("schema_version", 2, "schema_version is 2, this version reads 1"),
        ("schema_version", "1", "$.schema_version: Expected `int`, got `str`"),
        ("schema_version", ..., "$: Object missing required field `schema_version`"),
        ("kind", "timing", "kind is 'timing', expected 'training'"),
        ("kind", ..., "$: Object missing required field `kind`"),
        ("final_digest", ..., "$: Object missing required field `final_digest`"),
        ("history.val_loss", ..., "$.history: Object missing required field `val_loss`"),
        ("environment.keras", 3, "$.environment.keras: Expected `str`, got `int`"),
        ("history.accuracy", [0.5, "0.5"], "$.history.accuracy[1]: Expected `float`, got `str`"),
        ("config.seed", 1.5, "$.config.seed: Expected `int`, got `float`"),
        ("config.deterministic", 1, "$.config.deterministic: Expected `bool`, got `int`"),
        ("test_accuracy", None, "$.test_accuracy: Expected `float`, got `null`"),
        ("layers", {}, "$.layers: Expected `array`, got `object`"),
        ("dataset", None, "$.dataset: Expected `object`, got `null`"),
        ("surplus", 1, "$: Object contains unknown field `surplus`"),
        ("config.momentum", 0.9, "$.config: Object contains unknown field `momentum`"),
        ("test_accuracy", -0.5, "$: test_accuracy -0.5 is outside 0 to 1"),
        ("test_accuracy", 1.5, "$: test_accuracy 1.5 is outside 0 to 1"),
        ("test_loss", -1, "$: test_loss -1.0 is outside 0 to 3.5e+38"),
        ("history.loss", [0.5], "$.history: columns of different lengths: {'loss': 1, 'accuracy': 2,"),
        ("history.loss", [0.5, -1.0], "$.history: loss -1.0 is outside 0 to 3.5e+38"),
        ("history.val_accuracy", [0.5, 1.25], "$.history: val_accuracy 1.25 is outside 0 to 1"),
        ("history.val_seconds", [0.5, -2], "$.history: val_seconds -2.0 is outside 0 to 1e+09"),
        ("seconds.epoch", -1, "$.seconds: epoch -1.0 is outside 0 to 1e+09"),
        ("seconds.imports", -1, "$.seconds: imports -1.0 is outside 0 to 1e+09"),
        ("test_loss", 1e308, "$: test_loss 1e+308 is outside 0 to 3.5e+38"),
        ("history.seconds", [0.5, 1e308], "$.history: seconds 1e+308 is outside 0 to 1e+09"),
        ("layers", [{"kind": "", "units": 1, "parameters": -1, "trainable": 0}], "$.layers[0]: units, parameters, tra"),
        ("layers", [{"kind": "", "units": -1, "parameters": 1, "trainable": 0}], "$.layers[0]: units, parameters, tra"),
        ("created", "", "$: created '' is no time in UTC such as 2026-01-31T23:59:59+00:00"),
        ("created", "yesterday", "$: created 'yesterday' is no time in UTC"),
        ("created", "2026-02-30T00:00:00+00:00", "$: created '2026-02-30T00:00:00+00:00' is no time in UTC"),
        ("created", "2026-01-01T00:00:00+02:00", "$: created '2026-01-01T00:00:00+02:00' is no time in UTC"),
        ("created", "0001-01-01T00:00:00+00:00", "$: created '0001-01-01T00:00:00+00:00' is before 1970"),
        ("created", "2999-01-01T00:00:00+00:00", "$: created '2999-01-01T00:00:00+00:00' is in the future"),
        ("environment.commit", "<b>", "$.environment: commit '<b>' is no commit: 7 to 64 hex digits in lower case"),
        ("environment.commit", "0123456+dirt", "$.environment: commit '0123456+dirt' is no commit"),
        ("environment.cores", 0, "$.environment: cores 0 is outside 1 to 1e+06"),
        ("environment.cores", 10**400, "$.environment: cores 1000000"),
        ("environment.inter_op_threads", -1, "$.environment: threads -1 is outside 0 to 1e+06"),
        ("environment.numerics_key", "../../x", "$.environment: numerics_key is '../../x', but "),
        ("environment.hardware_key", "/etc/x", "$.environment: hardware_key is '/etc/x', but "),
        ("dataset.source", "..", "$.dataset: source '..' is not allowed"),
        ("dataset.source", "a\nb", "$.dataset: source 'a\\nb' is not allowed"),
        ("dataset.digest", "<b>", "$.dataset: digest '<b>' is no SHA-256"),
        ("config.lab", "$x$", "$: lab '$x$' is not allowed"),
        ("config.engine", "a/b", "$: engine 'a/b' is not allowed"),
        ("config.engine", "x" * 65, "$: engine 'xxx"),
        ("config.epochs", 3, "$: 3 epochs configured, 2 in the history"),
        ("config.epochs", None, "$: None epochs configured, 2 in the history"),
    ],
)
def test_a_wrong_field_is_named(record: TrainingRecord, tmp_path: Path, place: str, value: Any, message: str) -> None:
    """One line says which field of which file is wrong, and how."""
    path = tmp_path / "wrong.json"
    write_record(path, json.loads(change(record, place, value)))
    with pytest.raises(RecordError, match="^" + re.escape(f"{path}: {message}")) as caught:
        load_record(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "not JSON: Input data was truncated"),
        (lambda _: b"", "not JSON: Input data was truncated"),
        (lambda text: text + text, "not JSON: JSON is malformed: trailing characters"),
        (lambda text: text.replace(b"0.9375,", b"NaN,"), "not JSON: JSON is malformed: invalid character"),
        (lambda text: text.replace(b"0.9375,", b"Infinity,"), "not JSON: JSON is malformed: invalid character"),
        (lambda text: text.replace(b"0.375", b"1e999"), "$.test_loss: Number out of range"),
        (lambda text: text.replace(b"A CPU", b"\xff"), "$.environment.cpu: Invalid UTF-8|not JSON: .*(utf|UTF)-8"),
        (lambda _: b"\x93NUMPY", "not JSON: "),
        (lambda _: b"[]", "$: Expected `object`, got `array`"),
        (lambda _: b'{"a": ' + b"[" * 100_000, "not JSON: .*recursion"),
    ],
    ids=["half", "empty", "twice", "nan", "inf", "overflow", "utf-8", "binary", "list", "nested"],
)
def test_a_damaged_file_is_named(
    record: TrainingRecord, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    """Whatever a file holds, the error is one line that names it."""
    path = tmp_path / "damaged.json"
    path.write_bytes(damage(dump_json(record).encode()))
    pattern = message if "|" in message or ".*" in message else re.escape(message)
    with pytest.raises(RecordError, match=f"^{re.escape(str(path))}: ({pattern})") as caught:
        load_record(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, and a folder in its place, are errors of a record, too."""
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path / 'none'}: No such file")):
        load_record(tmp_path / "none")
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path}: Is a directory")):
        load_record(tmp_path)


@pytest.mark.parametrize("bad", [NAN, INFINITY, -0.5], ids=["nan", "inf", "negative"])
@pytest.mark.parametrize("field", ["test_accuracy", "test_loss"])
def test_no_record_is_made_of_bad_figures(record: TrainingRecord, field: str, bad: float) -> None:
    """Figures that JSON cannot hold, or that no training gives, never become a record."""
    with pytest.raises(ValueError, match=f"{field} {bad!r} is outside 0 to"):
        dataclasses.replace(record, **{field: bad})


@pytest.mark.parametrize("bad", [NAN, INFINITY, -0.5], ids=["nan", "inf", "negative"])
@pytest.mark.parametrize("field", Seconds.__dataclass_fields__)
def test_no_bad_seconds(record: TrainingRecord, field: str, bad: float) -> None:
    """A duration is finite and not negative."""
    with pytest.raises(ValueError, match=f"^{field} {bad!r} is outside 0 to 1e"):
        dataclasses.replace(record.seconds, **{field: bad})


@pytest.mark.parametrize("bad", [NAN, INFINITY, -0.5], ids=["nan", "inf", "negative"])
@pytest.mark.parametrize("field", History.__dataclass_fields__)
def test_no_bad_history(record: TrainingRecord, field: str, bad: float) -> None:
    """Each column of the history holds figures within their range."""
    with pytest.raises(ValueError, match=f"^{field} {bad!r} is outside 0 to"):
        dataclasses.replace(record.history, **{field: [0.5, bad]})


def test_records_are_frozen(record: TrainingRecord) -> None:
    """A record cannot be changed, and takes no positional arguments."""
    with pytest.raises(AttributeError, match="cannot assign to field"):
        record.test_accuracy = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        TrainingConfig("mlp")  # type: ignore[misc]


def test_the_defaults_are_the_labs() -> None:
    """The defaults of a configuration are the lab sheet's."""
    config = TrainingConfig(lab="mlp")
    assert (config.batch_size, config.learning_rate, config.validation_split) == (128, 0.1, 0.2)
    assert (config.seed, config.epochs, config.data, config.deterministic) == (1671, None, "auto", True)


def test_a_record_shows_itself(record: TrainingRecord) -> None:
    """One line in a terminal and a table in a notebook say what was trained, on what, and what came of it."""
    assert repr(record) == (
        "<TrainingRecord perceptron by epoch, seed 1671, 2 epochs on digits: test accuracy 0.9375, loss 0.3750>"
    )
    assert "loss not finite" in repr(dataclasses.replace(record, test_loss=None))
    html = record._repr_html_()
    for cell in ("perceptron, 7,850 parameters", "0.9375", "0.3750", "0.250", "digits", "111111111111"):
        assert f"<td>{cell}</td>" in html
    seconds = dataclasses.replace(record.seconds, epoch=None)
    assert "<td>-</td>" in dataclasses.replace(record, seconds=seconds)._repr_html_()


def test_a_record_from_elsewhere_cannot_put_html_into_a_notebook(record: TrainingRecord) -> None:
    """Text in a record stays text."""
    environment = change_environment(record.environment, tensorflow="<script>alert(1)</script>")
    html = dataclasses.replace(record, environment=environment)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_published_schema_is_current() -> None:
    """docs/record.schema.json is that of the records."""
    command = (
        "from mnist_bench.records.schema import make_schema; from mnist_bench.records.serial import dump_json; "
        "print(dump_json(make_schema()), end='')"
    )
    how = f'make it anew: python -c "{command}" > docs/record.schema.json'
    assert SCHEMA.read_text(encoding="utf-8") == dump_json(make_schema()), how


def test_the_schema_holds_of_records_and_of_nothing_else(record: TrainingRecord) -> None:
    """A record's JSON is valid; without a field, with an additional or with a wrong one it is not."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(dump_record(record)))
    validator.validate(seal(json.loads(change(record, "test_loss", None))))
    optional = {"predictions", "company"}  # those of earlier versions of this package lack them
    wrong = [(name, ...) for name in TrainingRecord.__dataclass_fields__ if name not in optional]
    wrong += [("schema_version", 2), ("kind", "timing"), ("surplus", 1), ("environment.cpu", None)]
    for place, value in wrong:
        assert not validator.is_valid(seal(json.loads(change(record, place, value)))), place
    assert not validator.is_valid(json.loads(dump_json(record))), "no checksum"


def test_digest_arrays() -> None:
    """The digest is that of the bytes in C order, whatever the memory's order, so it tells weights apart."""
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(3, np.float32)]
    digest = digest_arrays(weights)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert digest_arrays([np.asfortranarray(weights[0]), weights[1]]) == digest
    assert digest_arrays(weights[::-1]) != digest
    assert digest_arrays([np.nextafter(weights[0], np.float32(1)), weights[1]]) != digest


def test_a_record_has_an_epoch(record: TrainingRecord) -> None:
    """A training of no epoch is none, although configuration and history agree."""
    config = dataclasses.replace(record.config, epochs=0)
    history = History(**{name: [] for name in History.__dataclass_fields__})
    with pytest.raises(ValueError, match="a training has at least one epoch"):
        dataclasses.replace(record, config=config, history=history)


def test_a_case_is_a_value_with_a_name() -> None:
    """A lab and an engine, whose hyphens could never be parted again once they are text."""
    case = TrainingConfig(lab="mlp", engine="fused").case
    assert case == Case("mlp", "fused") == ("mlp", "fused")
    assert f"{case}" == str(case) == "mlp-fused"


def test_seeds_that_end_in_the_same_weights_are_refused() -> None:
    """The seed had no effect: two such trainings are one, and both are named."""
    check_seeds("mlp", [1, 2, 3], initial="abc", final="abc")
    check_seeds("mlp", [1, 2])  # nothing is known
    check_seeds("mlp", [1, 1], final="aa")  # a seed that occurs twice is refused elsewhere
    with pytest.raises(ValueError, match="mlp: the seeds 1 and 3 end in the same weights"):
        check_seeds("mlp", [1, 2, 3], initial="abc", final="aba")
    with pytest.raises(ValueError, match="mlp: the seeds 2 and 3 of two records start from the same weights"):
        check_seeds("mlp", [1, 2, 3], initial="abb", final="abc", told=" of two records")


def test_trainings_of_two_seeds_with_the_same_weights_are_refused(record: TrainingRecord) -> None:
    """Initial weights count, too: a seed that reaches the order alone is half a seed."""
    second = dataclasses.replace(
        record, config=dataclasses.replace(record.config, seed=2), initial_digest="2" * 64, final_digest="3" * 64
    )
    check_trainings("mlp", [record, second])
    for name, event in (("initial_digest", "start from"), ("final_digest", "end in")):
        with pytest.raises(ValueError, match=f"{event} the same weights"):
            check_trainings("mlp", [record, dataclasses.replace(second, **{name: getattr(record, name)})])


@pytest.mark.parametrize("figure", [10**400, -(10**400), float("inf"), float("nan"), -1], ids=lambda it: f"{it}"[:9])
def test_a_figure_that_no_float_holds_is_outside_every_range(figure: float) -> None:
    """JSON has whole numbers that are larger than every float."""
    told = f"{figure}" if len(f"{figure}") <= 40 else f"{figure}"[:40] + "..."
    with pytest.raises(ValueError, match=re.escape(f"x {told} is outside 0 to 1.79769e+308")):
        check_range("x", figure)
