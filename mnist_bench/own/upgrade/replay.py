"""A real regression that only a user's own model shows: the stages of a model of the docs, of both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.own.elsewhere import ask_own_probe, name_case
from mnist_bench.own.file import read_model_file
from mnist_bench.own.records import OwnConfig
from mnist_bench.own.stored import make_side
from mnist_bench.own.upgrade.parity import compare_own_bits
from mnist_bench.records.files import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.replay.regression import Question

__all__ = ["compare_model"]

_CHECKOUT = PACKAGE.parent / "docs" / "models"
_MODELS = _CHECKOUT if _CHECKOUT.is_dir() else PACKAGE / "shipped_models"


def compare_model(question: Question, base: Path, python: Path, _source: str) -> list[CheckResult]:
    """Compare the stages of a model, as `compare --model FILE --only bits` does.

    Args:
        question: Its lab is the name of a model file of the docs.
        base: The interpreter of the good side.
        python: The interpreter of the side that is asked.

    Raises:
        CommandError: A side gives no answer.
        ModelFileError: There is no such model file.
    """
    config = OwnConfig(model=read_model_file(_MODELS / f"{question.lab}.py"), device="cpu")
    before, now = (make_side(ask_own_probe(it, config), str(it)) for it in (base, python))
    result = compare_own_bits(before, now, name_case(config.model)).result
    assert result is not None  # noqa: S101 - of stages alone there always is one
    return [result]
