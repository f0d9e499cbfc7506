"""Records that the tests of several commands read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.checksums import write_record
from fixtures.versions import begin_version
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.records import update_record
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """A folder of five versions' records, of which the last three do not draw a new order; py312-tf217 is missing."""
    folder = tmp_path / "versions"
    folder.mkdir()
    names = ["py311-tf214", "py311-tf215", "py312-tf216", "py312-tf218", "py312-tf219"]
    for place, name in enumerate(names):
        verdict = Verdict.PASS if place < 2 else Verdict.KNOWN
        check = CheckResult(name="contract/new-order[epoch]", verdict=verdict, figure="1", bound="0")
        version = update_record(begin_version(find_version(name)), checks={"epoch": [check]})
        write_record(folder / f"{name}.json", version)
    return folder
