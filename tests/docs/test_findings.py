"""The findings about Keras: each page is complete, and each script says of this Keras what its page says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fixtures.interpreters import STUBS

FOLDER = Path(__file__).parents[2] / "docs" / "findings"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
SCRIPTS = sorted(FOLDER.glob("*.py"))
SECTIONS = ["Measured", "What happens, and what was expected", "Cause", "Effect on the lab", "Upstream"]
# The versions that have each finding: from, to (excluded). A nightly is newer than all of them.
HAVE = {
    "slow_step": ("3.7", "9"),
    "frozen_shuffle": ("3.0", "9"),
    "last_batch": ("3.0", "3.2"),
    "lost_losses": ("3.0", "3.7"),
    "repeated_rows": ("3.0", "9"),
}


def read_rows(page: Path) -> list[list[str]]:
    """Return the fields of each row of the page's table, its head included."""
    lines = re.findall(r"^\| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split(" | ") for line in lines if not set(line) <= set("| -")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_complete(page: Path) -> None:
    """All sections, a script with its output, and a table without gaps."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert all((FOLDER.parents[1] / name).is_file() for name in re.findall(r"\$ python (\S+)", text))
    assert "    $ python docs/findings/" in text
    rows = read_rows(page)
    assert len(rows) > 2
    assert all(len(row) == len(rows[0]) and all(field.strip() for field in row) for row in rows)


def test_the_index_names_all() -> None:
    """Each page and each script is linked."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PAGES + SCRIPTS if f"({path.name})" not in text] == []


@pytest.mark.slow
def test_the_scripts_find_what_is_there() -> None:
    """The last line of each says whether the installed Keras has the fault."""
    command = [sys.executable, STUBS / "forking.py", *SCRIPTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    keras = tuple(map(int, version("keras").split(".")[:2]))
    expected = {}
    for name, ends in HAVE.items():
        low, high = (tuple(map(int, text.split("."))) for text in ends)
        expected[name] = f"finding: {'yes' if low <= keras < high else 'no'}"
    *printed, rest = re.split(r"^status (.*)\n", done.stdout, flags=re.MULTILINE)
    assert rest == ""
    assert set(printed[1::2]) == {"0"}, done.stderr[-500:]
    stems = [script.stem for script in SCRIPTS]
    assert dict(zip(stems, (text.splitlines()[-1] for text in printed[::2]), strict=True)) == expected
