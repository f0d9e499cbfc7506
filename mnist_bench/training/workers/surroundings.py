"""What the user's surroundings would change in a process of ours: matplotlib's settings, its backend and its clock."""

from __future__ import annotations

import os
import re
import stat

__all__ = ["ignore_matplotlib_settings", "refuse_bad_settings"]

_NAME = "matplotlibrc"  # matplotlib reads the one in the working folder before any other, whatever the variables say


def ignore_matplotlib_settings() -> None:
    """Have a matplotlib that this process imports later read no settings that variables name.

    Keras imports matplotlib, too. MPLCONFIGDIR stays, as the folder of matplotlib's cache.
    """
    os.environ.pop("MPLBACKEND", None)  # a notebook's: no window is shown here, and an unknown backend is an error
    os.environ["MATPLOTLIBRC"] = os.devnull  # read before a file in MPLCONFIGDIR


def refuse_bad_settings() -> None:
    """Refuse what would be an error, or no end, far from here.

    Raises:
        ValueError: The settings of matplotlib in the working folder are a pipe or a device, whose end it would await;
            or SOURCE_DATE_EPOCH, which it reads as it is imported, is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not re.fullmatch("[0-9]{1,11}", epoch):
        raise ValueError(f"SOURCE_DATE_EPOCH is {epoch[:40]!r}: seconds since 1970, in up to 11 digits, or not set")
    try:
        mode = os.stat(_NAME).st_mode  # noqa: PTH116 - a module of the measured side
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(
            f"./{_NAME} is a pipe or a device, whose end matplotlib would wait for: work in another folder"
        )
