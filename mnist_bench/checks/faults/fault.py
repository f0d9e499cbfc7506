"""What a fault is: a name, what it imitates, how strong it may be, and how it is planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ANY", "FIT", "Fault", "collect"]

FIT = ("eager", "graph", "xla", "epoch")
"""The engines that train by Keras's own `fit`."""

ANY = (*FIT, "fused")
"""All engines: the fault is in what they share, such as the initial weights."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: The key in `FAULTS`.
        family: `data`, `model`, `update`, `random`, `figures`, `chance` or `cost`.
        imitates: What goes wrong in the wild, in a clause.
        source: Where such a fault is described: an operator of DeepCrime or DeepMutation, or a tracker's address.
        causes: The keys of `Cause` that name this fault rightly.
        strengths: From the strongest to the weakest that could matter.
        plant: Called with a strength, before anything is built.
        engines: Engines in which it shows.
        unseen: Why the checks cannot see it, at some strength; empty if they should.
        unseen_from: The strongest strength, in the order of the strengths, that the reason is for; all if None.
        lab: The lab whose trainings it harms.
    """

    name: str
    family: str
    imitates: str
    source: str
    causes: tuple[str, ...]
    strengths: tuple[float, ...]
    plant: Callable[[float], None]
    engines: tuple[str, ...] = FIT
    unseen: str = ""
    unseen_from: float | None = None
    lab: str = "mlp"

    def explain_unseen(self, strength: float) -> str:
        """Return why the checks cannot see the fault at a strength; "" if they should."""
        first = self.strengths.index(self.unseen_from) if self.unseen_from is not None else 0
        return self.unseen if strength in self.strengths[first:] else ""

    @property
    def keys(self) -> list[str]:
        """The fault with each strength, as it is planted, such as `step-longer:1.05`."""
        return [f"{self.name}:{strength:g}" for strength in self.strengths]


def collect(
    registry: dict[str, Fault],
    family: str,
    name: str,
    imitates: str,
    *strengths: float,
    causes: tuple[str, ...],
    source: str = "",
    engines: tuple[str, ...] = FIT,
    unseen: str = "",
    unseen_from: float | None = None,
    lab: str = "mlp",
) -> Callable[[Callable[[float], None]], Callable[[float], None]]:
    """Return a decorator that puts the function, which plants a fault, into a family's registry."""

    def register(plant: Callable[[float], None]) -> Callable[[float], None]:
        registry[name] = Fault(
            name, family, imitates, source, causes, strengths, plant, engines, unseen, unseen_from, lab
        )
        return plant

    return register
