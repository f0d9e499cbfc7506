"""The lab's pictures: the right figures on labelled axes, the same bytes for the same records."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from mnist_bench.show.drawing import (
    TRAINING,
    VALIDATION,
    draw_panels,
    draw_svg,
    embed,
    plot_accuracy,
    plot_image,
    plot_loss,
    save_alone,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from mnist_bench.records.training import TrainingRecord


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
    return [(list(it.get_xdata()), list(it.get_ydata())) for it in ax.lines if it.get_color() == colour]


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
    config = dataclasses.replace(record.config, epochs=1)
    plot_loss([dataclasses.replace(record, config=config, history=type(record.history)(**history))], ax)
    assert [line.get_marker() for line in ax.lines][:2] == ["o", "o"]


def test_image(ax: Axes) -> None:
    """The sample is drawn in grey, with its label and its axes named."""
    image = np.arange(784, dtype=np.uint8).reshape(28, 28)
    assert plot_image(image, 4, ax) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), image)
    assert ax.get_title() == "training image 2: a 4"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "row")


def test_svg_is_the_same_for_the_same_records(record: TrainingRecord) -> None:
    """No date and no random identifier: the same records give the same bytes."""
    one, other = (draw_svg(lambda ax: plot_loss([record], ax)) for _ in range(2))
    assert one == other
    assert draw_svg(lambda ax: plot_accuracy([record], ax)) != one


def test_svg_belongs_into_a_page(record: TrainingRecord) -> None:
    """It is one well-formed element that takes the page's text colour and keeps its text as text."""
    svg = draw_svg(lambda ax: plot_loss([record], ax))
    assert svg.startswith("<svg")
    texts = [it.text for it in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - ours
    assert {"perceptron: loss", "epoch", "cross-entropy loss", "validation"} <= set(texts)
    assert "currentColor" in svg
    assert "#010203" not in svg


def test_svg_escapes_text(record: TrainingRecord) -> None:
    """A name from a record cannot become an element."""
    config = dataclasses.replace(record.config, lab="<script>alert(1)</script>")
    svg = draw_svg(lambda ax: plot_loss([dataclasses.replace(record, config=config)], ax))
    assert "<script" not in svg


def test_pictures_of_one_page_share_no_id(record: TrainingRecord) -> None:
    """Each has ids of its own, what refers to one goes with it, and it says in words what it shows."""
    svg = draw_svg(lambda ax: plot_loss([record], ax))
    one, other = embed(svg, "one", "a <loss>"), embed(svg, "other", "the same")
    ids = [set(re.findall(r'id="([^"]+)"', it)) for it in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for text, known in zip((one, other), ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= known
    assert ET.fromstring(one).get("aria-label") == "a <loss>"  # noqa: S314 - ours


def test_panels_have_the_size_that_was_asked_for(record: TrainingRecord) -> None:
    """Each of them, in as many columns."""
    svg = draw_panels([lambda ax: plot_loss([record], ax)] * 3, columns=2, size=(4.0, 2.0))
    assert re.search(r'viewBox="0 0 576 288"', svg)


def test_a_picture_of_its_own_has_a_ground(record: TrainingRecord, tmp_path: Path) -> None:
    """A viewer has no page around it."""
    save_alone(draw_svg(lambda ax: plot_loss([record], ax)), tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").read_text().startswith('<svg color="#222" style="background:#fff"')
