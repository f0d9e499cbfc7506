"""What the user's surroundings would change in a process of ours: matplotlib's settings and its backend."""

from __future__ import annotations

import os
import os.path

__all__ = ["ignore_matplotlib_settings"]

_NAME = "matplotlibrc"  # as matplotlib asks for the one in the working folder, before any other
_exists = os.path.exists


def ignore_matplotlib_settings() -> None:
    """Have a matplotlib that this process imports later read no settings of the user's.

    Keras imports matplotlib, too. Settings that are a pipe would hang, an endless file would fill the memory, and an
    unknown backend is an error. MPLCONFIGDIR stays, as the folder of matplotlib's cache.
    """
    os.environ.pop("MPLBACKEND", None)  # a notebook's: no window is shown here
    os.environ["MATPLOTLIBRC"] = os.devnull  # read before a file in MPLCONFIGDIR
    os.path.exists = _exists_but_for_settings


def _exists_but_for_settings(path: int | str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> bool:
    """Return whether a path exists; no variable tells matplotlib to pass over the file in the working folder."""
    return path != _NAME and _exists(path)
