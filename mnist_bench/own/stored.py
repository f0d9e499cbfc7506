"""What is on record of a user's own model: sides of comparisons, and the stages that `check --save-digests` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.own.records import OwnProbe, OwnSide
from mnist_bench.records.files import is_taken
from mnist_bench.records.serial import load, read_kind
from mnist_bench.versions.folder import check_installed

if TYPE_CHECKING:
    from mnist_bench.own.records import ModelFile

__all__ = ["load_baseline", "load_own_side", "make_side"]


def load_own_side(text: str) -> OwnSide | None:
    """Load the side, or the stages, of a user's own model that a text names; None if it names something else.

    Raises:
        RecordError: The file is no valid record of that kind.
    """
    path = Path(text)
    kind = read_kind(path) if path.suffix == ".json" and path.is_file() else ""
    if kind == OwnSide.kind:
        side = load(path, OwnSide)
        check_installed(path, side.packages, side.environment)
        return side
    return make_side(load(path, OwnProbe), text) if kind == OwnProbe.kind else None


def make_side(probe: OwnProbe, text: str) -> OwnSide:
    """Return the side of which stages are all that was measured."""
    return OwnSide(text=text, environment=probe.environment, packages={}, model=probe.config.model, probe=probe)


def load_baseline(folder: Path, model: ModelFile) -> OwnProbe | None:
    """Load the stages of a model that are the baseline; None if there are none.

    Raises:
        RecordError: The file is no valid record.
        ValueError: It is of another text of the model file.
    """
    path = folder / f"{model.name}.json"
    if not is_taken(path):
        return None
    probe = load(path, OwnProbe)
    if probe.config.model.digest != model.digest:
        raise ValueError(
            f"{path} is of another text of {model.name}.py: what was measured with that cannot be compared; write new "
            f"digests with --save-digests"
        )
    return probe
