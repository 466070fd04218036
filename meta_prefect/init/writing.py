"""Writes new files: all or none, never overwriting."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from meta_prefect.errors import ProcessError
from meta_prefect.local.files import writing

_INSTEAD = "give another folder"


def write_new_files(files: Mapping[Path, str], replaceable: Collection[Path] = ()) -> None:
    """Write files that do not exist yet. If one cannot be written, none is left behind.

    Args:
        files: The text of each, the most important one last: nothing counts until it exists.
        replaceable: Generated files, which may exist; they are replaced, and kept on failure.

    Raises:
        ProcessError: A file already exists, or the file system rejects one.
    """
    made: list[Path] = []
    try:
        for file, text in files.items():
            for folder in reversed([one for one in file.parents if not one.exists()]):
                with writing(folder, instead=_INSTEAD):
                    folder.mkdir()
                made.append(folder)
            if file in replaceable and file.exists():
                _write(file, text)
            else:
                _write_new(file, text)
                made.append(file)
    except BaseException:
        for place in reversed(made):
            place.rmdir() if place.is_dir() else place.unlink()
        raise


def _write_new(file: Path, text: str) -> None:
    with writing(file, instead=_INSTEAD):
        try:
            # The path is reserved for us from here on.
            os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            raise ProcessError(
                "there is a file of this name already", where=str(file), hint="Remove or rename it, and do it again."
            ) from None
    try:
        _write(file, text)
    except BaseException:
        file.unlink()
        raise


def _write(file: Path, text: str) -> None:
    """Write a file completely or, on failure, not at all."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with writing(file, instead=_INSTEAD):
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
