"""Numbers in texts of users: ASCII digits, and nothing else that Python would take."""

from __future__ import annotations

import pytest

from mnist_bench.records.numbers import read_number, read_whole

NO_NUMBER = [
    "",
    " 5",
    "5 ",
    "5\n",
    "1_0",
    "\u0663",
    "\u0661.5",
    "0x10",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "+-1",
    "9" * 30,
]


@pytest.mark.parametrize("text", [*NO_NUMBER, "1.0", "1e1", "."])
def test_only_a_whole_number_is_read_as_one(text: str) -> None:
    """The message has the text and the bounds."""
    with pytest.raises(ValueError, match=r"is no whole number: it must be 0 or more$"):
        read_whole(text, 0)


@pytest.mark.parametrize(
    ("least", "most", "message"),
    [(8, None, "8 or more"), (None, 6, "6 or less"), (1, 6, "from 1 to 6"), (8, 10_000, "from 8 to 10,000")],
)
def test_a_whole_number_is_within_its_bounds(least: int | None, most: int | None, message: str) -> None:
    """The message says both bounds, where there are two."""
    with pytest.raises(ValueError, match=f"^7 is not allowed: it must be {message}$"):
        read_whole("7", least, most)


@pytest.mark.parametrize("text", [*NO_NUMBER, "1_0.5", ".5", "5.", "1e999", "1e", "e1", "0,5"])
def test_only_a_finite_number_is_read_as_one(text: str) -> None:
    """What Python takes for a number is not what a user means by one."""
    with pytest.raises(ValueError, match="is no number, such as"):
        read_number(text)


def test_numbers_are_read() -> None:
    """With a sign, a fraction and an exponent."""
    assert [read_whole(text) for text in ("0", "+7", "-3", "007", 12)] == [0, 7, -3, 7, 12]
    assert [read_number(text) for text in ("0", "0.15", "1e-3", "-2.5E+1", 0.5)] == [0, 0.15, 0.001, -25, 0.5]
