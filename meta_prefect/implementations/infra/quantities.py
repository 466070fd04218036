"""Validated amounts of CPU, memory and time."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from meta_prefect.errors import nearest
from meta_prefect.interfaces.short_forms import TEXT, reads
from meta_prefect.schedules.durations import read_duration

_NUMBER_AND_UNIT: Final = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*")

_CPU_UNITS: Final = {"": Decimal(1), "m": Decimal("0.001")}

MEMORY_UNITS: Final = {
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
}
"""Bytes per unit, in Kubernetes' spelling."""

_MEBIBYTE: Final = MEMORY_UNITS["Mi"]


def read_cpu(value: object) -> Decimal:
    """Parse an amount of CPU.

    Args:
        value: A number of CPUs (``0.8``), or text in Kubernetes' notation (``"800m"``, ``"2"``).

    Returns:
        The number of CPUs, exact to a thousandth.

    Raises:
        ValueError: It is not a valid amount, not above zero, or finer than a thousandth of a CPU.
    """
    number, unit = _split(value, "CPU", "a number of CPUs such as 0.8, or text such as '800m'")
    if unit not in _CPU_UNITS:
        raise ValueError(f"{value!r} has no unit of CPU: write a number of CPUs, or thousandths as in '800m'")
    cpus = number * _CPU_UNITS[unit]
    if cpus <= 0:
        raise ValueError(f"CPU must be above 0, not {value!r}")
    if cpus != cpus.quantize(Decimal("0.001")):
        raise ValueError(f"{value!r} is finer than a thousandth of a CPU")
    return cpus


def read_memory(value: object) -> int:
    """Parse an amount of memory.

    Args:
        value: A number of gibibytes (``1.5``), or text with a unit in Kubernetes' notation (``"1536Mi"``, ``"2G"``).

    Returns:
        The number of bytes.

    Raises:
        ValueError: It is not a valid amount, has an unknown unit, is not above zero, or is less than four mebibytes.
    """
    number, unit = _split(value, "memory", "a number of gibibytes such as 1.5, or text such as '1536Mi'")
    if not unit and isinstance(value, str):
        raise ValueError(f"{value!r} has no unit: write '{value.strip()}Gi', or a plain number for gibibytes")
    if unit and unit not in MEMORY_UNITS:
        raise ValueError(f"{value!r} has the unknown unit {unit!r}. {_likely_unit(unit)}")
    amount = int(number * MEMORY_UNITS[unit or "Gi"])
    if number <= 0:
        raise ValueError(f"memory must be above 0, not {value!r}")
    if amount < 4 * _MEBIBYTE:
        raise ValueError(f"{value!r} is less than 4Mi, the least that a container starts with")
    return amount


def _likely_unit(unit: str) -> str:
    # People write 'GB', 'gib' and 'g'; the letter tells which unit they mean.
    letter = unit[0]
    close = [known for known in MEMORY_UNITS if known[0].lower() == letter.lower()]
    return nearest(close[0] if close else unit, close or MEMORY_UNITS)


def _split(value: object, what: str, form: str) -> tuple[Decimal, str]:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is no amount of {what}: write {form}")  # noqa: TRY004 - pydantic shows ValueErrors
    match = _NUMBER_AND_UNIT.fullmatch(str(value).removeprefix("-"))
    if match is None:
        raise ValueError(f"{value!r} is no amount of {what}: write {form}")
    try:
        number = Decimal(match[1])
    except InvalidOperation:  # pragma: no cover - the pattern admits numbers only
        raise ValueError(f"{value!r} is no amount of {what}: write {form}") from None
    return (-number if str(value).startswith("-") else number), match[2]


def cpu_text(value: object) -> str:
    """Format an amount of CPU as Kubernetes does: ``"800m"``, ``"2"``. Raises the errors of :func:`read_cpu`."""
    cpus = read_cpu(value)
    return str(int(cpus)) if cpus == int(cpus) else f"{int(cpus * 1000)}m"


def memory_text(value: object) -> str:
    """Format an amount of memory as Kubernetes does: ``"1536Mi"``, ``"2Gi"``. Raises the errors of :func:`read_memory`."""
    if isinstance(value, str):
        read_memory(value)
        return value.strip().replace(" ", "")
    amount = read_memory(value)
    for unit in ("Gi", "Mi"):
        if amount % int(MEMORY_UNITS[unit]) == 0:
            return f"{amount // int(MEMORY_UNITS[unit])}{unit}"
    return f"{-(-amount // int(_MEBIBYTE))}Mi"


def mebibytes(value: object) -> int:
    """Return an amount of memory in whole mebibytes, rounded up. Raises the errors of :func:`read_memory`."""
    return -(-read_memory(value) // int(_MEBIBYTE))


Cpu = Annotated[str | float, BeforeValidator(cpu_text)]
"""An amount of CPU: a number of CPUs or text such as ``"800m"``; stored in Kubernetes' notation."""

Memory = Annotated[str | float, BeforeValidator(memory_text)]
"""An amount of memory: a number of gibibytes or text such as ``"1536Mi"``; stored in Kubernetes' notation."""


def read_seconds(value: object) -> object:
    """Parse a duration in words into whole seconds; other values are left to validation."""
    return int(read_duration(value).total_seconds()) if isinstance(value, str) else value


Seconds = Annotated[int, Field(ge=0), BeforeValidator(reads(TEXT)(read_seconds))]
"""A duration: whole seconds, or text such as ``10 minutes``."""
