"""Any text as an argument or an option's value: an answer, or one line and status 2, and never an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Commands that read and judge, each with options that take a value; none of them writes, trains or fetches.
COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("compare",): ("--versions", "--margin", "--budget", "--only", "--engine", "--seeds"),
    ("baseline", "show"): ("--folder",),
    ("baseline", "diff"): ("--folder",),
    ("baseline", "list"): ("--folder",),
    ("matrix", "list"): ("--versions",),
    ("timings", "list"): ("--folder",),
    ("timings", "check"): ("--folder", "--bound"),
    ("timings", "history"): ("--folder", "--tensorflow", "--machine"),
    ("check", "--device", "none"): ("--engine", "--seeds", "--jobs"),
    ("run", "none"): ("--engine", "--seeds", "--seed", "--epochs", "--jobs", "--company"),
    ("sweep", "--vary", "none"): ("--engine", "--trials"),
}
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "-", "--", "1e3", "0x10", "+1", "nan", "1_0", "\u0663", "..", "/", "a=b", "\x1b[2J", "\\n"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_any_argument_is_answered_or_refused(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: tuple[str, ...]
) -> None:
    """Status 1 would mean that something has regressed, and 70 that this program has failed."""
    monkeypatch.chdir(tmp_path)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(TEXTS, max_size=2), st.dictionaries(st.sampled_from(COMMANDS[name]), TEXTS, max_size=2))
    def answer(arguments: list[str], options: dict[str, str]) -> None:
        answer = command(*name, *arguments, *(text for pair in options.items() for text in pair))
        assert answer.status in (0, 2, 3, 4), (arguments, options, answer.err)
        assert "Traceback" not in answer.err
        if answer.status == 2:
            assert len(answer.err.strip().splitlines()) == 1, answer.err

    answer()
    assert list(tmp_path.iterdir()) == []
