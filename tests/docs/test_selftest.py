"""The page of the self-test is what its records say, and what other pages quote of it is on the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mnist_bench.checks.faults.registry import FAULTS, PLACES
from mnist_bench.checks.selftest.records import SelftestRecord
from mnist_bench.cli.selftest.page import write_page
from mnist_bench.records.serial import load

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_records_say(tmp_path: Path) -> None:
    """Written anew from the records that are committed, it is the same page."""
    for name in ("selftest.json", "selftest-trainings.json", "replay.json"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    write_page(tmp_path / "selftest.md", tmp_path)
    assert (tmp_path / "selftest.md").read_text() == (ROOT / "docs" / "selftest.md").read_text()


def test_no_reason_is_for_a_fault_that_is_seen() -> None:
    """A reason for staying unseen that is not needed would hide a miss; what differs by chance may need one or not."""
    record = load(ROOT / "docs" / "selftest.json", SelftestRecord)
    planted = {it.key: it for it in record.outcomes if it.key in PLACES and FAULTS[it.fault].family != "chance"}
    seen = [key for key, it in planted.items() if it.first and FAULTS[it.fault].explain_unseen(it.strength)]
    assert seen == []


def test_the_readme_quotes_the_page() -> None:
    """Each share in the README's sentence on planted faults stands in the first paragraph of the page."""
    first = (ROOT / "docs" / "selftest.md").read_text().splitlines()[2]
    (quoted,) = re.findall(
        r"\n([^\n]*faults that are planted on purpose.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL
    )
    shares = re.findall(r"\d+%", quoted)
    assert len(shares) == 4
    assert [share for share in shares if share not in first] == []
