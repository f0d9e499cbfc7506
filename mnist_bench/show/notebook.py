"""Notebooks: the lab, as a student would write it today without this project; and a class on planted bugs, with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mnist_bench.records.files import PACKAGE, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CLASS", "PARAMETERS", "make_notebook", "write_notebook"]

PARAMETERS = "parameters"
"""The tag of the cell with the parameters, which tools such as papermill look for."""

CLASS = PACKAGE / "templates" / "class.md"
"""The text of the notebook for a class."""

_TEXT = PACKAGE / "templates" / "notebook.md"
_CODE = re.compile(r"^```python\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_SEED = re.compile(r"^SEED = \d+$", re.MULTILINE)


def make_notebook(*, seed: int, source: Path | None = None) -> Any:
    """Return a text as a notebook, an `nbformat.NotebookNode` without outputs; the cells are the same every time.

    Args:
        seed: The value of the notebook's parameter `SEED`.
        source: The text; None for the lab.

    Raises:
        ModuleNotFoundError: nbformat is not installed.
    """
    v4 = _load_nbformat().v4
    text, found = _SEED.subn(f"SEED = {seed}", (source or _TEXT).read_text(encoding="utf-8"))
    assert found == 1  # noqa: S101 - the template is our own
    cells: list[Any] = []
    # Splitting at a pattern with a group gives in turn the text between the matches and the text of the group.
    for place, part in enumerate(_CODE.split(text)):
        if not part.strip():
            continue
        options: dict[str, Any] = {"id": f"cell-{len(cells):02}"}  # nbformat's own are random
        if _SEED.search(part):
            options["metadata"] = {"tags": [PARAMETERS]}
        make_cell = v4.new_code_cell if place % 2 else v4.new_markdown_cell
        cells.append(make_cell(part.strip(), **options))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def write_notebook(path: Path, *, seed: int, source: Path | None = None) -> None:
    """Write a text as a notebook to a new file.

    Args:
        path: The file, whose name ends in `.ipynb`.
        seed: The value of the notebook's parameter `SEED`.
        source: As for `make_notebook`.

    Raises:
        FileExistsError: The file exists: nothing is overwritten.
        ModuleNotFoundError: nbformat is not installed.
        ValueError: The name has another ending, or the seed is not allowed.
    """
    if path.suffix != ".ipynb":
        raise ValueError(f"notebook {str(path)!r}: its name must end in .ipynb")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed!r} is not allowed: it must be in 0 to {2**32 - 1}")
    if path.exists():
        raise FileExistsError(f"{path} exists already: choose another name")
    text = _load_nbformat().writes(
        make_notebook(seed=seed, source=source)
    )  # also checks the notebook against nbformat's schema
    write_atomically(path, f"{text}\n".encode())


def _load_nbformat() -> Any:
    try:
        import nbformat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: a notebook needs nbformat: pip install 'mnist-bench[notebook]'") from error
    return nbformat
