"""What the user's surroundings would change in a process of ours: matplotlib's settings and its backend."""

from __future__ import annotations

import os
import stat

__all__ = ["ignore_matplotlib_settings", "refuse_endless_settings"]

_NAME = "matplotlibrc"  # matplotlib reads the one in the working folder before any other, whatever the variables say


def ignore_matplotlib_settings() -> None:
    """Have a matplotlib that this process imports later read no settings that variables name.

    Keras imports matplotlib, too. MPLCONFIGDIR stays, as the folder of matplotlib's cache.
    """
    os.environ.pop("MPLBACKEND", None)  # a notebook's: no window is shown here, and an unknown backend is an error
    os.environ["MATPLOTLIBRC"] = os.devnull  # read before a file in MPLCONFIGDIR


def refuse_endless_settings() -> None:
    """Refuse settings of matplotlib in the working folder that are a pipe or a device: it would wait for their end.

    Raises:
        ValueError: They are.
    """
    try:
        mode = os.stat(_NAME).st_mode  # noqa: PTH116 - a module of the measured side
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(
            f"./{_NAME} is a pipe or a device, whose end matplotlib would wait for: work in another folder"
        )
