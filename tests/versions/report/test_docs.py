"""docs/results.md and its picture: what is committed is what the committed records give."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.collection import load_collection, make_collection
from mnist_bench.versions.report.docs import draw_picture, format_results, make_stamp, write_docs
from mnist_bench.versions.report.findings import collect_findings
from mnist_bench.versions.report.page import plot_metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.findings import Findings

ROOT = Path(__file__).parents[3]
OLD, NEW = "py311-tf215", "py312-tf216"
AGAIN = "mnist-bench matrix report --docs docs"


@pytest.fixture
def findings(make_versions: Callable[..., dict[str, VersionRecord]], make_ab: Callable[..., AbRecord]) -> Findings:
    """What two versions and a pair come to."""
    pairs = {NEW: make_ab(python_a=OLD, python_b=NEW)}
    return collect_findings(make_collection(make_versions([OLD, NEW]).values(), pairs))


def test_the_committed_results_are_those_of_the_records() -> None:
    """After a new record, a changed word or a changed drawing, one command writes both again."""
    if not (ROOT / "docs" / "design.md").is_file():
        pytest.skip("the docs are in a checkout only")
    folder = ROOT / "baselines" / "versions"
    findings = collect_findings(load_collection([folder]) if list(folder.glob("*.json")) else make_collection([]))
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == format_results(findings), AGAIN
    picture = ROOT / "docs" / "images" / "versions.svg"
    assert picture.exists() == any(sample.lab == "mlp" for sample in findings.trained), AGAIN
    if picture.exists():  # the bytes depend on matplotlib's version, the stamp does not
        assert make_stamp(findings) in picture.read_text(encoding="utf-8"), AGAIN


def test_the_results_have_every_table(findings: Findings) -> None:
    """The verdicts, the bits, accuracy and loss, the cost, the times."""
    text = format_results(findings)
    for line in (
        "| 2.16.2, 3.0.5 | PASS | KNOWN | PASS | PASS | MOVED |",
        "| py312-tf216 |",
        "| mlp by fit | B | 2.16/3.0 |",
        "| mlp by fused | A | 2.15/2.15, 2.16/3.0 |",
        "| mlp | Keras 2.15, TF 2.15 | 7 | 0.97",
        "## Frozen shuffle",
        "It costs the MLP ",
        "| mlp | accuracy | 0.97",
        "| TF 2.16, Keras 3.0 | TF 2.15, Keras 2.15 | same |",
        AGAIN,
    ):
        assert line in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_nothing_measured_is_said() -> None:
    """Without records the page says so, and there is no picture."""
    findings = collect_findings(make_collection([]))
    assert "There are no records in `baselines/versions` yet" in format_results(findings)
    assert draw_picture(findings) is None
    planned = collect_findings(make_collection([VersionRecord(version=find_version(OLD))]))
    assert format_results(planned).count("Not measured.") == 3
    assert "| 2.15.1, 2.15.0 | NOT MEASURED |" in format_results(planned)


def test_the_picture_stands_alone(findings: Findings) -> None:
    """The picture is valid XML on a white background, and says what it was drawn from."""
    picture = draw_picture(findings)
    assert picture is not None
    ET.fromstring(picture)  # noqa: S314 - our own drawing
    assert 'style="background:#fff"' in picture
    assert "without the frozen shuffle" in picture
    assert re.search(r"<desc>[^<]*records [0-9a-f]{16}, drawing [0-9a-f]{16}</desc>", picture)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_captions_are_not_cut_off(findings: Findings, metric: str) -> None:
    """No line of a title is wider than the axes: next to the right-hand panel the picture ends."""
    width, height = plots.measure_rows(1, lines=2)
    figure = Figure(figsize=(width - 1.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    label = "Keras 2.10–2.15\nTF 2.10–2.15, 6 versions"  # noqa: RUF001 - ranges, as in the picture
    trained = [dataclasses.replace(sample, label=label) for sample in findings.trained if sample.lab == "mlp"]
    ax = plot_metric(trained, metric, figure.add_subplot(), mark=findings.mark)
    ax.set_title(ax.get_title(), loc="left", fontsize=10, fontweight="bold")
    figure.canvas.draw()
    assert "◆ with it" in ax.get_title(loc="left")
    assert ax._left_title.get_window_extent().x1 < ax.bbox.x1


def test_a_stamp_changes_with_the_records(
    findings: Findings, make_versions: Callable[..., dict[str, VersionRecord]]
) -> None:
    """A picture of other records has another stamp."""
    others = collect_findings(make_collection(make_versions([OLD, NEW], seeds=6).values()))
    assert make_stamp(others) != make_stamp(findings) == make_stamp(findings)


def test_only_its_own_files_are_replaced(findings: Findings, tmp_path: Path) -> None:
    """The command may write twice; a results.md that somebody else wrote is left alone."""
    names = [tmp_path / "results.md", tmp_path / "images" / "versions.svg"]
    assert write_docs(findings, tmp_path) == write_docs(findings, tmp_path) == names
    names[0].write_text("mine")
    with pytest.raises(FileExistsError, match=r"results\.md exists already"):
        write_docs(findings, tmp_path)
    assert names[0].read_text() == "mine"
