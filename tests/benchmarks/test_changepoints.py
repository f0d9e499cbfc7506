"""The script that compares libraries on planted steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.checksums import write_record

pytest.importorskip("ruptures")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("changepoints")


def test_what_is_near_the_step_is_found_and_all_else_is_false(script: Any) -> None:
    """One who answers the middle, one who answers nothing, and one who raises."""
    drawn = [np.zeros(8)] * 50
    hits, others, errors = script.judge(lambda _: [4], drawn, 0.1)
    assert (hits, others, errors) == (50, 0, 0)  # the places 3, 4 and 5 are all near
    assert script.judge(lambda _: [4, 7], drawn, 0.1)[1] == 50
    assert script.judge(lambda _: [4], drawn, 0.0) == (0, 50, 0)
    assert script.judge(lambda _: [], drawn, 0.1) == (0, 0, 0)

    def fail(_: object) -> list[int]:
        raise ValueError

    assert script.judge(fail, drawn, 0.1) == (0, 0, 50)


def test_the_table_has_a_row_for_each_library_and_kind(
    script: Any, make_timing_run: Callable[..., Any], tmp_path: Path
) -> None:
    """Simulated series and stored runs; what differs between versions of TensorFlow is taken out."""
    for number in range(8):
        version, level = (("2.15.1", 1.0), ("2.21.0", 3.0))[number % 2]
        content = make_timing_run(
            *(level * (1 + number / 1000 + place / 100) for place in range(3)), tensorflow=version
        )
        write_record(tmp_path / f"{number}.json", content)
    real = script.collect_series(sorted(tmp_path.glob("*.json")))
    assert [len(series) for series in real] == [8, 8]
    assert max(abs(value) for series in real for value in series) < 0.01
    lines = script.format_table(4, real, {"nothing": lambda _: []})
    assert len(lines) == 2 + len(script.SIMULATED) + 1
    assert lines[-1] == "| stored, 8 runs, re-ordered | nothing | 0.00 | 0%, 0% | 0%, 0% | 0%, 0% | 0 of 16 |"
