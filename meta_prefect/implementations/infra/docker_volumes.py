"""Volumes of Docker containers, in the syntax of ``docker run --volume``.

Prefect's Docker worker supports only ``ro`` and ``rw``, and fails each run with another option. For those, Docker's API has
mounts, which the worker accepts among the container's arguments.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator

from meta_prefect.errors import nearest
from meta_prefect.interfaces.json_diff import Record

_FORM: Final = re.compile(r"(?:(?P<source>[A-Za-z]:\\[^:]*|[^:]+):)?(?P<target>/[^:]*)(?::(?P<options>[^:]*))?")
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_FOLDER: Final = re.compile(r"/|[A-Za-z]:\\|\\\\")
_RELATIVE: Final = re.compile(r"\.\.?(?:[/\\].*)?")

_ACCESS: Final = ("ro", "rw")
_LABELS: Final = ("z", "Z")
_COPY: Final = ("nocopy",)
_PROPAGATION: Final = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_CONSISTENCY: Final = ("consistent", "cached", "delegated")
_GROUPS: Final = (_ACCESS, _LABELS, _COPY, _PROPAGATION, _CONSISTENCY)


class Volume(NamedTuple):
    """One volume.

    Attributes:
        text: The text as written.
        source: The name of a volume or a folder on the worker's host; None for an anonymous volume.
    """

    text: str
    source: str | None
    target: str
    options: tuple[str, ...]

    @property
    def mount(self) -> Record | None:
        """The equivalent mount in Docker's API; None if the worker accepts it as a volume."""
        if {*self.options} <= {*_ACCESS}:
            return None
        chosen = {name: group for group in _GROUPS for name in self.options if name in group}
        propagation = [name for name, group in chosen.items() if group is _PROPAGATION]
        consistency = [name for name, group in chosen.items() if group is _CONSISTENCY]
        mount: Record = {"Source": self.source, "Target": self.target, "ReadOnly": "ro" in self.options}
        if self.source is not None and _FOLDER.match(self.source):
            # As with a volume, a missing folder is created.
            options = {"CreateMountpoint": True, **({"Propagation": propagation[0]} if propagation else {})}
            mount |= {"Type": "bind", "BindOptions": options}
        else:
            mount |= {"Type": "volume", "VolumeOptions": {"NoCopy": "nocopy" in self.options}}
        return mount | ({"Consistency": consistency[0]} if consistency else {})


def read_volume(text: str) -> Volume:
    """Parse a volume.

    Raises:
        ValueError: It is not a volume, or Prefect's worker cannot handle it.
    """
    if "{{" in text:
        return Volume(text, None, text, ())  # known only in the run
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no volume: write 'name-or-path:/path/in/the/container', ':ro' after it to read only"
        )
    source, options = match["source"], () if match["options"] is None else tuple(match["options"].split(","))
    volume = Volume(text, source, match["target"], options)
    folder = source is not None and _FOLDER.match(source) is not None
    relative = source is not None and _RELATIVE.fullmatch(source) is not None
    if source is not None and not (folder or relative or _NAME.fullmatch(source)):
        raise ValueError(
            f"{text!r}: {source!r} is neither the name of a volume (letters, digits, '_', '.' and '-') nor a folder ('/srv/data')"
        )
    _check_options(volume, folder=folder, relative=relative)
    return volume


def _check_options(volume: Volume, *, folder: bool, relative: bool) -> None:
    known = [name for group in _GROUPS for name in group]
    for option in volume.options:
        if option not in known:
            raise ValueError(f"{volume.text!r}: volumes have no option {option!r}. {nearest(option, known)}".strip())
        if option in _LABELS:
            raise ValueError(
                f"{volume.text!r}: Prefect's Docker worker does not pass on the option {option!r}: label the folder on its host, "
                "or set container={'security_opt': ['label=disable']}"
            )
        if option in _COPY and (folder or relative):
            raise ValueError(f"{volume.text!r}: {option!r} is for named volumes, not for folders")
        if option in (*_PROPAGATION, *_CONSISTENCY) and not folder:
            raise ValueError(f"{volume.text!r}: {option!r} is for folders, named from the root")
    for group in _GROUPS:
        if len(both := [option for option in volume.options if option in group]) > 1:
            raise ValueError(f"{volume.text!r}: either {' or '.join(map(repr, both))}")
    if volume.source is None and volume.options:
        raise ValueError(f"{volume.text!r}: a volume without a name has no options")


def _check(volumes: tuple[str, ...]) -> tuple[str, ...]:
    for volume in volumes:
        read_volume(volume)
    return volumes


Volumes = Annotated[tuple[str, ...], AfterValidator(_check)]
"""Volumes and folders of the worker's host: ``name-or-path:/path/in/the/container``, followed by options."""
