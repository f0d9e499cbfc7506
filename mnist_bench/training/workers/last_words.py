"""What a process that failed has said last, as one line."""

from __future__ import annotations

import re

__all__ = ["find_last_words"]

_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"[A-Za-z_][\w.]*(:|$)")  # the line of a traceback that names the exception, after the frames
_MOST_LINES = 12  # of a message; what is longer is output that follows a traceback
_MOST_CHARACTERS = 400


def find_last_words(text: str) -> str:
    """Return the last line of a text; of a traceback at its end, the exception with its whole message.

    A message may have several lines, the last of which does not say what it is about.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    begun = max((place for place, line in enumerate(lines) if line.strip() == _TRACEBACK), default=len(lines))
    named = next((place for place in range(begun + 1, len(lines)) if _ERROR.match(lines[place])), len(lines))
    said = lines[named:] if 0 < len(lines) - named <= _MOST_LINES else lines[-1:]
    line, half = " ".join(" ".join(said).split()), _MOST_CHARACTERS // 2
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:half]} ... {line[-half:]}"
