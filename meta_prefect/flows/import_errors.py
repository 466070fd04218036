"""Explains why a module of the project could not be loaded, by pointing at lines in the user's own files."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

from meta_prefect.errors import FlowImportError
from meta_prefect.prefect_internals.run_guard import RunOnImport

_FRAMES = 5
_MESSAGE_LINES = 12


def import_failure(
    error: BaseException, root: Path, named: Callable[[str], str | None], what: str, where: str | None
) -> FlowImportError:
    """Build the error for a module that failed to load.

    Args:
        error: What the module raised.
        root: The folder from which the project's own modules are imported.
        named: Returns the display name of a file; None for a file that is not the user's.
        what: The file or module being loaded.
        where: What refers to it.
    """
    frames = [
        _line(name, frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if (name := named(frame.f_code.co_filename)) is not None
    ]
    if isinstance(error, SyntaxError) and error.filename and (name := named(error.filename)) is not None:
        frames.append(_line(name, error.filename, error.lineno or 1))
    raised = "".join(traceback.format_exception_only(error)).strip().splitlines()
    if _is_of_a_text(error):
        raised = [f"an annotation is no type: {(error.text or str(error)).strip()!r}"]
    elif isinstance(error, SyntaxError):
        raised = raised[-1:]  # the source line is already shown
    if len(raised) > _MESSAGE_LINES:
        raised = [*raised[:_MESSAGE_LINES], "..."]
    shown = "\n".join(f"    {line}" for line in (*frames[-_FRAMES:], *raised))
    return FlowImportError(f"{what} failed when it was loaded:\n{shown}", where=where, hint=_hint(error, root))


def _is_of_a_text(error: BaseException) -> TypeGuard[SyntaxError]:
    """Return whether Python failed to parse a string annotation, such as `x: "how many"`, rather than the file."""
    return isinstance(error, SyntaxError) and (error.filename or "<string>") == "<string>"


def _line(name: str, filename: str, number: int) -> str:
    return f"{name}:{number}: {linecache.getline(filename, number).strip()}".rstrip(" :")


def _hint(error: BaseException, root: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        if (root / "src" / top).is_dir() or (root / "src" / f"{top}.py").is_file():
            return f"{top!r} lies in src/: install the project here and where it runs (`pip install -e .`)."
        return f"Install {top!r} where you deploy; the project's own modules are imported from {root}."
    if isinstance(error, RunOnImport):
        return 'Put the call below `if __name__ == "__main__":`.'
    if isinstance(error, SystemExit):
        return 'A module must not exit when it is imported: put such lines below `if __name__ == "__main__":`.'
    if _is_of_a_text(error):
        return 'Write what a parameter is for into the docstring, or as `Annotated[int, Field(description="…")]`.'
    if isinstance(error, SyntaxError):
        return "Fix the syntax error."
    return "A flow's module is imported to deploy it: lines outside of functions run here as well as in the worker."
