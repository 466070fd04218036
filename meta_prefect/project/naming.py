"""Derives a project's name if its file does not set one."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import cast

from meta_prefect.errors import ProjectFileError
from meta_prefect.files import read_regular

_SECTION = re.compile(r'\s*\[\s*(?P<kind>[\w.-]+)(?:\s+"(?P<name>[^"]*)")?\s*\]')
_URL = re.compile(r"\s*url\s*=\s*(?P<url>.*)", re.IGNORECASE)


def slug(text: str) -> str:
    """Convert text to lowercase letters, digits and single hyphens, which tags, artifact keys and URLs all accept.

    Returns:
        For example ``sales-reports`` for ``Sales_Reports``; empty if nothing usable remains.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def project_name(root: Path) -> tuple[str, bool]:
    """Derive the name of the project in a folder, and whether every copy of the folder would get the same one.

    The name comes from pyproject.toml, else from the git remote, else from the folder. In a subfolder of a repository, the
    subfolder's path is appended to the remote's name, so that two projects in one repository have different names.


    Raises:
        ProjectFileError: pyproject.toml cannot be read. (Ignoring that would change the name, and with it the deployments'
            owner.)
    """
    if name := slug(_name_in_pyproject(root / "pyproject.toml") or ""):
        return name, True
    if name := slug(_name_of_remote(root) or ""):
        return name, True
    return slug(root.name) or "project", False


def _name_in_pyproject(file: Path) -> str | None:
    try:
        content = read_regular(file).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectFileError(f"it cannot be read: {error}", where=file.name) from None
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ProjectFileError(
            f"not valid TOML: {error}", where=file.name, hint="Fix it, or set `project:` in the project file."
        ) from None
    table = tables.get("project")
    name = cast("dict[str, object]", table).get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) else None


def _name_of_remote(root: Path) -> str | None:
    """Read the repository's name from git's own files: running git could prompt for credentials or run hooks."""
    for top in (root, *root.parents):
        if (top / ".git").exists():
            break
    else:
        return None
    try:
        urls = _remote_urls(_text(_git_config(top / ".git")))
    except OSError:
        return None
    url = urls.get("origin") or next(iter(urls.values()), "")
    name = _last_segment(url)
    return "-".join((name, *root.relative_to(top).parts)) if name else None


def _git_config(git: Path) -> Path:
    """Return the configuration file of a repository; in a worktree or submodule, ``.git`` is a file that points elsewhere."""
    if git.is_file():
        git = git.parent / _text(git).removeprefix("gitdir:").strip()
        common = git / "commondir"
        if common.is_file():
            git = git / _text(common).strip()
    return git / "config"


def _text(file: Path) -> str:
    return read_regular(file).decode(errors="replace")


def _remote_urls(config: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    remote: str | None = None
    for line in config.splitlines():
        if section := _SECTION.match(line):
            remote = section["name"] if section["kind"].lower() == "remote" else None
        elif remote is not None and (setting := _URL.match(line)):
            urls.setdefault(remote, setting["url"].strip().strip('"'))
    return urls


def _last_segment(url: str) -> str:
    """Extract the repository's name from ``https://host/org/name.git``, ``git@host:org/name`` or ``/path/name/.git``."""
    path = re.split(r"[?#]", url)[0].rstrip("/").removesuffix("/.git").rstrip("/")
    return re.split(r"[/:\\]", path)[-1].removesuffix(".git")
