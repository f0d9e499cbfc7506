"""The page of a run: complete in one file, truthful about its data, and safe with any text."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from fixtures.pages import Page
from fixtures.records import retrain, shorten_labs
from mnist_bench.checks.sheet.facts import Fact
from mnist_bench.records.environment import Gpu, change_environment
from mnist_bench.show.drawing import TRAINING, VALIDATION, draw_svg
from mnist_bench.show.page import RUN_MARK, plot_accuracy, plot_image, plot_loss, write_run_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from mnist_bench.records.training import TrainingRecord

pytestmark = pytest.mark.usefixtures("short_labs")


IMAGE = np.arange(784, dtype=np.uint8).reshape(28, 28)


def write_page(folder: Path, *records: TrainingRecord) -> Page:
    """Write the page of these records and read it."""
    path = write_run_page(records, folder, image=IMAGE, label=4)
    assert path == folder / "index.html"
    return Page(path.read_text(encoding="utf-8"))


def as_mnist(record: TrainingRecord) -> TrainingRecord:
    """Return the record as one of MNIST."""
    return dataclasses.replace(record, dataset=dataclasses.replace(record.dataset, source="mnist"))


def as_lab(record: TrainingRecord, lab: str) -> TrainingRecord:
    """Return the record as one of another lab."""
    return retrain(record, lab=lab)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page of `page` lies."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def page(folder: Path, record: TrainingRecord) -> Page:
    """The page of two labs on the stand-in, of which one falls below its threshold."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_labs(patch)
        return write_page(folder, record, as_lab(record, "mlp"))


@pytest.mark.usefixtures("page")
def test_pictures_lie_beside_the_page(folder: Path) -> None:
    """The sample and two curves for each lab are files, each picture on its own background."""
    names = ["mlp-accuracy", "mlp-loss", "perceptron-accuracy", "perceptron-loss", "sample"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["index.html", *(f"{name}.svg" for name in names)])
    for name in names:
        svg = (folder / f"{name}.svg").read_text(encoding="utf-8")
        assert svg.startswith('<svg color="#222" style="background:#fff"')


def test_the_page_needs_nothing_else(page: Page) -> None:
    """The page loads nothing: it has no script, and only its own parts and data as addresses."""
    assert page.loads
    assert [address for address in page.loads if not address.startswith("data:")] == []
    assert [link for link in page.links if not link.startswith("#")] == []
    assert not {"script", "iframe", "object", "embed", "img"} & set(page.tags)
    assert page.tags.count("svg") == 5


def test_the_page_has_a_row_a_training(page: Page) -> None:
    """The table has the figures of each record, and the lab sheet's only on MNIST."""
    head, *rows = page.rows
    columns = "model, verdict, test accuracy, threshold, test loss, parameters, epochs, s/epoch, engine, seed"
    assert head == columns.split(", ")
    assert rows == [
        ["perceptron", "PASS", "0.9375", "≥ 0.92", "0.3750", "7,850", "2", "0.250", "epoch", "1671"],
        ["mlp", "REGRESSED", "0.9375", "≥ 0.97", "0.3750", "118,282", "2", "0.250", "epoch", "1671"],
    ]
    assert "1 of 2 trainings fell below the lab's accuracy threshold." in page.text


def test_the_page_says_that_the_stand_in_is_not_mnist(page: Page) -> None:
    """The page warns that the figures are not MNIST's."""
    assert "Not MNIST." in page.text
    assert "cannot be compared with the lab sheet's" in page.text


def test_the_page_says_where_it_ran(page: Page, record: TrainingRecord) -> None:
    """The page has versions, processor and both keys."""
    environment = record.environment
    for text in (
        "TensorFlow 2.21.0, Keras 3.15.1 (tensorflow, float32), Python 3.11.7, on cpu; 2026-01-01",
        "A CPU, avx2, 2 of 2 cores",
    ):
        assert text in page.text
    assert environment.numerics_key in page.text
    assert environment.hardware_key in page.text


def test_mnist_stands_beside_the_lab_sheet(tmp_path: Path, record: TrainingRecord) -> None:
    """On MNIST the page has no warning, but the sheet's accuracy to compare with."""
    page = write_page(tmp_path, as_mnist(record))
    assert "Not MNIST" not in page.text
    assert dict(zip(*page.rows, strict=True))["lab sheet"] == "0.9257"
    assert "The training reaches the lab's accuracy threshold." in page.text


def test_a_training_that_diverged_has_a_page(tmp_path: Path, record: TrainingRecord) -> None:
    """A training without a test loss and without a median of seconds has a row, too."""
    seconds = dataclasses.replace(record.seconds, epoch=None)
    bad = dataclasses.replace(record, test_loss=None, seconds=seconds)
    row = dict(zip(*write_page(tmp_path, bad).rows, strict=True))
    assert (row["test loss"], row["s/epoch"]) == ("not finite", "0.500")


def test_text_of_a_record_stays_text(tmp_path: Path, record: TrainingRecord) -> None:
    """A processor and a GPU with the names of elements make no elements."""
    evil = "</dd><script>alert(1)</script>"
    gpu = Gpu(name=evil, compute_capability=evil, driver=evil)
    environment = change_environment(record.environment, cpu=evil, gpus=[gpu], tensorflow=evil, device=evil)
    page = write_page(tmp_path, dataclasses.replace(record, environment=environment))
    assert "script" not in page.tags
    assert page.text.count(evil) >= 6


def test_a_page_replaces_that_of_an_earlier_run(tmp_path: Path, record: TrainingRecord) -> None:
    """The page shows the given records only; a page of somebody else's is left alone."""
    page = tmp_path / "index.html"
    page.write_text(f"{RUN_MARK} old")
    assert "old" not in write_page(tmp_path, record).text.split()
    page.write_text("somebody's")
    with pytest.raises(FileExistsError, match=r"index\.html exists already"):
        write_page(tmp_path, record)
    assert page.read_text() == "somebody's"


def test_the_same_records_give_the_same_page(tmp_path: Path, record: TrainingRecord) -> None:
    """The page depends on no clock, path or random number."""
    pages = [write_run_page([record], tmp_path / name, image=IMAGE, label=4).read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_a_walk_s_facts_stand_beside_the_sheet_s(tmp_path: Path, record: TrainingRecord) -> None:
    """Facts of one line have a row each; without a walk the page has no such table."""
    facts = [
        Fact(section=1, name="Shape", ours="(2,)", sheet="(2,)", exact=True),
        Fact(section=2, name="Loss", ours="0.3", sheet="0.2", note="within <3> seeds"),
        Fact(section=2, name="epoch 1/2", ours="accuracy 0.9", form="epoch"),
        Fact(section=3, name="Layer", ours="none", sheet="Dense", exact=True),
    ]
    path = write_run_page([record], tmp_path, image=IMAGE, label=4, facts=facts)
    page = Page(path.read_text(encoding="utf-8"))
    start = page.rows.index(["section", "what", "here", "the sheet"])
    assert page.rows[start + 1 :] == [
        ["1", "Shape", "(2,)", "the same"],
        ["2", "Loss", "0.3within <3> seeds", "0.2"],
        ["3", "Layer", "none", "Dense"],
    ]
    assert "Compared with the lab sheet" not in write_page(tmp_path, record).text


@pytest.fixture
def ax() -> Axes:
    """Fresh axes."""
    return Figure().add_subplot()


def with_losses(record: TrainingRecord, **losses: Any) -> TrainingRecord:
    """Return the record with other losses, the test loss among them."""
    test_loss = losses.pop("test_loss", record.test_loss)
    history = dataclasses.replace(record.history, **losses)
    return dataclasses.replace(record, history=history, test_loss=test_loss)


def find_curves(ax: Axes, colour: str) -> list[tuple[list[float], list[float]]]:
    """Return x and y of each curve of a colour."""
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines if line.get_color() == colour]


def find_legend(ax: Axes) -> list[str]:
    """Return the texts of the legend."""
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("plot", "name", "ylabel", "test"),
    [
        (plot_accuracy, "accuracy", "accuracy", "test, after the last epoch: 0.9375"),
        (plot_loss, "loss", "cross-entropy loss", "test, after the last epoch: 0.3750"),
    ],
    ids=["accuracy", "loss"],
)
def test_curves(record: TrainingRecord, ax: Axes, plot: Callable[..., Axes], name: str, ylabel: str, test: str) -> None:
    """Training and validation by epoch, from 1, and the test's line; axes, title and legend say what is what."""
    assert plot([record], ax) is ax
    assert find_curves(ax, TRAINING) == [([1, 2], getattr(record.history, name))]
    assert find_curves(ax, VALIDATION) == [([1, 2], getattr(record.history, f"val_{name}"))]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", ylabel)
    assert ax.get_title() == f"perceptron: {name}"
    assert find_legend(ax) == ["training (running mean)", "validation", test]
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_many_records_share_a_legend(record: TrainingRecord, ax: Axes) -> None:
    """Each has its curves, the legend has each kind once, and the test's line is at the mean."""
    plot_accuracy([record, dataclasses.replace(record, test_accuracy=0.8375)], ax)
    assert len(find_curves(ax, TRAINING)) == len(find_curves(ax, VALIDATION)) == 2
    assert find_legend(ax) == ["training (running mean)", "validation", "test, after the last epoch: 0.8875"]


def test_a_loss_that_is_no_number_is_a_gap(record: TrainingRecord, ax: Axes) -> None:
    """A training that diverged is drawn as far as it went, with no line for a test loss that it has not."""
    plot_loss([with_losses(record, loss=[1.5, None], val_loss=[None, None], test_loss=None)], ax)
    ((_, training),) = find_curves(ax, TRAINING)
    np.testing.assert_array_equal(training, [1.5, np.nan])
    assert find_legend(ax) == ["training (running mean)", "validation"]
    assert ax.get_ylim()[0] == 0


def test_a_single_epoch_can_be_seen(record: TrainingRecord, ax: Axes) -> None:
    """A curve of one point has a mark."""
    history = {name: getattr(record.history, name)[:1] for name in record.history.__dataclass_fields__}
    plot_loss([retrain(record, epochs=1, history=type(record.history)(**history))], ax)
    assert [line.get_marker() for line in ax.lines][:2] == ["o", "o"]


def test_image(ax: Axes) -> None:
    """The sample is drawn in grey, with its label and its axes named."""
    image = np.arange(784, dtype=np.uint8).reshape(28, 28)
    assert plot_image(image, 4, ax) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), image)
    assert ax.get_title() == "training image 2: a 4"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "row")


def test_the_plots_escape_text(record: TrainingRecord) -> None:
    """A name from a record cannot become an element."""
    svg = draw_svg(lambda ax: plot_loss([record], ax).set(title="<script>alert(1)</script>"))
    assert "<script" not in svg
    with pytest.raises(ValueError, match="lab '<script>' is not allowed"):
        dataclasses.replace(record, config=dataclasses.replace(record.config, lab="<script>"))
