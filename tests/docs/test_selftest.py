"""The page of the self-test is what its records say, and what other pages quote of it is on the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mnist_bench.cli.selftest.page import write_page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_records_say(tmp_path: Path) -> None:
    """Written anew from the records that are committed, it is the same page."""
    for name in ("selftest.json", "selftest-trainings.json", "replay.json"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    write_page(tmp_path / "selftest.md", tmp_path)
    assert (tmp_path / "selftest.md").read_text() == (ROOT / "docs" / "selftest.md").read_text()


def test_the_readme_quotes_the_page() -> None:
    """Each share in the README's sentence on planted faults stands in the first paragraph of the page."""
    first = (ROOT / "docs" / "selftest.md").read_text().splitlines()[2]
    (quoted,) = re.findall(
        r"\n([^\n]*faults that are planted on purpose.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL
    )
    shares = re.findall(r"\d+%", quoted)
    assert len(shares) == 4
    assert [share for share in shares if share not in first] == []
