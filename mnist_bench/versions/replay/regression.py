"""What a real regression is: what happened, a public address, and a bad and a good side to install."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mnist_bench.records.fields import check_names

__all__ = ["Kind", "Measure", "Question", "RealSide", "Regression", "Told"]

Measure: TypeAlias = Literal["checks", "bits", "time", "model"]
"""How a side is asked: the fast checks in it alone; or the bits or the time of a lab, or the stages of a model of
the docs, against the good side."""

Kind: TypeAlias = Literal["defect", "import", "difference"]
"""A defect; an installation that cannot be imported; or other results, of which neither are wrong."""

Told: TypeAlias = Literal["itself", "change", "related"]
"""What the address of a regression tells of: the regression itself; the change that brought or mended it, which does
not speak of it; or something related."""


@dataclass(frozen=True, kw_only=True)
class RealSide:
    """An environment that can be made anywhere.

    Attributes:
        requirements: As `compare` reads them: a requirement list, or `nightly`.
        python: The version of its Python.
        variables: Variables of its processes, such as TF_ENABLE_ONEDNN_OPTS.
    """

    requirements: str
    python: str
    variables: dict[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the requirements and the variables in one line, without the Python."""
        return ", ".join([self.requirements, *(f"{name}={value}" for name, value in self.variables.items())])


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a side.

    Attributes:
        by: How.
        lab: A key of `LABS`, or the name of a model.
        engine: A key of `ENGINES`.
        side: The side.
        base: The side that it is compared with; None where it is asked alone.
    """

    by: Measure
    lab: str
    engine: str
    side: RealSide
    base: RealSide | None = None


@dataclass(frozen=True, kw_only=True)
class Regression:
    """One real regression.

    Attributes:
        name: The key in `REGRESSIONS`.
        what: What went wrong, in a clause.
        source: A public address.
        bad: A side that has it.
        good: A side that does not.
        check: The check that should see it, without a case.
        began: The version that has it first.
        kind: What it is.
        told: What the address tells of: no public report was found where that is not the regression itself.
        mended: The version that has it no more; empty if there is none yet.
        by: How the sides are asked.
        lab: A key of `LABS`, or the name of a model.
        engine: A key of `ENGINES`.
        unseen: Why the suite does not see it; empty if it should.
        note: What else a reader of the outcome should know.
    """

    name: str
    what: str
    source: str
    bad: RealSide
    good: RealSide
    check: str
    began: str
    kind: Kind = "defect"
    told: Told = "itself"
    mended: str = ""
    by: Measure = "checks"
    lab: str = "mlp"
    engine: str = "graph"
    unseen: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty name, and a source that is no address."""
        check_names(name=self.name, lab=self.lab, engine=self.engine)
        if not self.source.startswith("https://"):
            raise ValueError(f"{self.name}: the source {self.source!r} is no address")

    @property
    def questions(self) -> tuple[Question, Question]:
        """What is asked of the bad side, and of the good one; the good one is compared with itself."""
        base = None if self.by == "checks" else self.good
        bad, good = (
            Question(by=self.by, lab=self.lab, engine=self.engine, side=side, base=base)
            for side in (self.bad, self.good)
        )
        return bad, good
