"""Known regressions: a listed one is KNOWN, a listed one that has gone is REGRESSED, all other results stay."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_bench.checks.known import KNOWN_PATH, KnownRegression, apply_known, find_known, load_known
from mnist_bench.checks.layers.contracts import CONTRACTS
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.engines import ENGINES

if TYPE_CHECKING:
    from pathlib import Path

FROZEN = KnownRegression(
    name="frozen shuffle",
    check="contract/new-order",
    engines=["graph", "epoch"],
    package="keras",
    versions=">=3.0,<3.20",
    reason="The order is the same in every epoch.",
    link="https://example.org/1",
)


# What a check without a baseline may say.
GIVEN = [Verdict.PASS, Verdict.KNOWN, Verdict.INCONCLUSIVE, Verdict.UNREADABLE, Verdict.REGRESSED]


def make_result(verdict: Verdict, name: str = "contract/new-order[epoch]") -> CheckResult:
    """Return a result of the contract that the list is about."""
    return CheckResult(name=name, verdict=verdict, figure="100%", bound="< 50%", evidence="its own")


def apply(result: CheckResult, *, engine: str = "epoch", keras: str = "3.5.0") -> CheckResult:
    """Apply the list of one entry to a result."""
    return apply_known(result, engine, {"tensorflow": "2.21.0", "keras": keras}, [FROZEN])


def test_a_listed_regression_is_known() -> None:
    """The result is green, keeps figure and bound, and has the entry's reason and link as evidence."""
    result = apply(make_result(Verdict.REGRESSED))
    assert result == dataclasses.replace(
        make_result(Verdict.KNOWN), evidence=f"frozen shuffle: {FROZEN.reason} {FROZEN.link}"
    )
    assert result.holds


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.8, Verdict.KNOWN), (0.9, Verdict.KNOWN), (0.91, Verdict.REGRESSED), (None, Verdict.REGRESSED)],
)
def test_a_known_regression_has_a_bound(value: float | None, verdict: Verdict) -> None:
    """What has become worse than it was seen is another regression; so is what has no figure."""
    entry = dataclasses.replace(FROZEN, seen=0.8, bound=0.9)
    result = dataclasses.replace(make_result(Verdict.REGRESSED), value=value)
    now = apply_known(result, "epoch", {"keras": "3.5.0"}, [entry])
    assert now.verdict is verdict
    assert ("worse than the known regression 'frozen shuffle'" in now.evidence) is (verdict is Verdict.REGRESSED)
    with pytest.raises(ValueError, match=r"seen 0\.8 is not within bound 0\.7"):
        dataclasses.replace(entry, bound=0.7)


def test_another_backend_is_not_the_entry_s() -> None:
    """With JAX the list says nothing: what holds is not gone, and what fails has regressed."""
    for verdict in (Verdict.PASS, Verdict.REGRESSED):
        result = make_result(verdict)
        assert apply_known(result, "epoch", {"keras": "3.5.0", "backend": "jax"}, [FROZEN]) == result


@pytest.mark.parametrize("verdict", [Verdict.PASS])
def test_a_listed_regression_that_has_gone_has_regressed(verdict: Verdict) -> None:
    """The list is strict: the check fails, and says where to narrow the entry."""
    result = apply(make_result(verdict))
    assert result.verdict is Verdict.REGRESSED
    assert not result.holds
    assert "'frozen shuffle' is gone" in result.evidence
    assert KNOWN_PATH.name in result.evidence


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.UNREADABLE])
def test_a_listed_check_without_an_answer_stays_without(verdict: Verdict) -> None:
    """The list excuses a regression, not a check without an answer."""
    assert apply(make_result(verdict)) == make_result(verdict)


@pytest.mark.parametrize("verdict", GIVEN)
@pytest.mark.parametrize(
    ("name", "engine", "keras"),
    [
        ("contract/new-order[epoch]", "epoch", "2.15.0"),
        ("contract/new-order[epoch]", "epoch", "3.20.0"),
        ("contract/new-order[fused]", "fused", "3.5.0"),
        ("contract/order-by-seed[epoch]", "epoch", "3.5.0"),
        ("structure/new-order[epoch]", "epoch", "3.5.0"),
    ],
    ids=["older", "newer", "engine", "contract", "layer"],
)
def test_what_is_not_listed_stays_as_it_is(verdict: Verdict, name: str, engine: str, keras: str) -> None:
    """Outside its versions, engines and check an entry changes nothing."""
    result = make_result(verdict, name)
    assert apply(result, engine=engine, keras=keras) == result


@pytest.mark.parametrize(
    ("version", "covered"),
    [
        ("2.15.0", False),
        ("3.0.0rc1", True),
        ("3.0.0.dev20231103", True),
        ("3.0", True),
        ("3.5.0+local.1", True),
        ("3.19.9.post1", True),
        ("3.20.0-dev20260101", False),
        ("3.20.0rc0", False),
        ("3.20", False),
        ("nightly", False),
    ],
)
def test_a_version_is_covered(version: str, covered: bool) -> None:  # noqa: FBT001 - parametrised
    """A pre-release is judged like the release it leads to; what is no version is not excused."""
    entry = find_known("contract/new-order", "epoch", {"keras": version}, [FROZEN])
    assert entry == (FROZEN if covered else None)


def test_a_package_that_is_not_there_excuses_nothing() -> None:
    """Without the package's version no entry holds."""
    assert find_known("contract/new-order", "epoch", {"tensorflow": "2.21.0"}, [FROZEN]) is None


def test_the_first_entry_that_covers_is_found() -> None:
    """Several entries may be about one check, each for its versions."""
    older = dataclasses.replace(FROZEN, name="older", versions="<3")
    found = [
        find_known("contract/new-order", "epoch", {"keras": version}, [older, FROZEN]) for version in ("2.9", "3.1")
    ]
    assert found == [older, FROZEN]


def test_the_shipped_list_is_about_what_there_is() -> None:
    """The entries name checks, engines and packages that exist, with reason and link."""
    known = load_known()
    assert known
    assert len({entry.name for entry in known}) == len(known)
    for entry in known:
        layer, _, contract = entry.check.partition("/")
        assert entry.check == "arithmetic/figures" or (layer == "contract" and contract in CONTRACTS)
        assert set(entry.engines) <= set(ENGINES)
        assert entry.package in {"tensorflow", "keras", "numpy"}
        assert entry.reason
        assert entry.link.startswith("https://")


@pytest.mark.parametrize(("keras", "verdict"), [("2.15.0", "REGRESSED"), ("3.0.5", "KNOWN"), ("3.15.1", "KNOWN")])
def test_the_shipped_list_knows_the_frozen_shuffle(keras: str, verdict: str) -> None:
    """The frozen shuffle of Keras 3 is known; the same in Keras 2 would be new."""
    result = apply_known(
        dataclasses.replace(make_result(Verdict.REGRESSED), value=1.0), "epoch", {"keras": keras}, load_known()
    )
    assert result.verdict is Verdict(verdict)


@pytest.mark.parametrize(
    ("keras", "value", "verdict"),
    [
        ("2.15.0", 0.0068, "REGRESSED"),
        ("3.0.5", 0.0068, "KNOWN"),
        ("3.1.1", 0.02, "REGRESSED"),
        ("3.2.0", 0.0068, "REGRESSED"),
    ],
)
def test_the_shipped_list_knows_the_last_batch(keras: str, value: float, verdict: str) -> None:
    """Keras 3.0 and 3.1 weigh a short last batch like a full one; a larger error is another one."""
    wrong = CheckResult(
        name="arithmetic/figures[mlp-graph]",
        verdict=Verdict.REGRESSED,
        figure="test loss",
        bound="≤ 1e-05",
        value=value,
    )
    assert apply_known(wrong, "graph", {"keras": keras}, load_known()).verdict is Verdict(verdict)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("versions", "3 or so", "$[0]: Invalid specifier: '3 or so'"),
        ("versions", 3, "$[0].versions: Expected `str`, got `int`"),
        ("engines", "epoch", "$[0].engines: Expected `array`, got `str`"),
        ("reason", ..., "$[0]: Object missing required field `reason`"),
        ("seeds", 5, "$[0]: Object contains unknown field `seeds`"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, field: str, value: Any, message: str) -> None:
    """One line names the file, the entry and the field."""
    entry = dataclasses.asdict(FROZEN) | {field: value}
    path = tmp_path / "known.json"
    path.write_text(json.dumps([{name: content for name, content in entry.items() if content is not ...}]))
    with pytest.raises(RecordError, match="^" + re.escape(f"{path}: {message}")):
        load_known(path)


def test_no_list_is_no_empty_list(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path / 'none'}: No such file")):
        load_known(tmp_path / "none")


@given(content=st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
@settings(max_examples=25, deadline=None)
def test_any_file_is_a_list_or_named(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a file holds, it is a list of entries or one line that names it."""
    path = tmp_path_factory.getbasetemp() / "known.json"
    path.write_bytes(content)
    try:
        fault = ""
        assert load_known(path) == []
    except RecordError as error:
        fault = str(error)
    assert not fault or fault.startswith(f"{path}: ")
    assert len(fault.splitlines()) <= 1


def test_no_bound_is_out_of_reach() -> None:
    """The frozen shuffle repeats the whole order: a bound of all samples could never be exceeded, and has no place."""
    assert [(entry.name, entry.bound) for entry in load_known() if entry.check == "contract/new-order"] == [
        ("frozen shuffle", None)
    ]
    assert not any(entry.bound is not None and entry.seen == entry.bound for entry in load_known())
