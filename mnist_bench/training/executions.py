"""Executions of several steps in one call, which some versions of Keras cannot do; known without loading Keras."""

from __future__ import annotations

__all__ = ["loses_losses"]

_SPELLS_OUT = ((3, 0), (3, 7))  # releases of Keras: from, to


def loses_losses(keras: str) -> bool:
    """Return whether a version of Keras loses losses when one call runs several steps: see `engines.check_steps`."""
    return _SPELLS_OUT[0] <= tuple(map(int, keras.split(".")[:2])) < _SPELLS_OUT[1]
