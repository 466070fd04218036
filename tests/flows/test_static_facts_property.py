"""Whatever the signature and whatever stands around it: what is read of a flow is what importing it gives."""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, note, seed, settings
from hypothesis import strategies as st
from made_signatures import DOCSTRINGS, TYPES, one_of, signatures

from meta_prefect.errors import FlowImportError, FlowNotFoundError
from meta_prefect.flows import ProjectModules
from meta_prefect.flows.catalog import catalog_of
from meta_prefect.flows.static_facts import StaticFacts

# META_PREFECT_TEST_EXAMPLES=1000 uv run pytest tests/flows -k property
EXAMPLES = int(os.environ.get("META_PREFECT_TEST_EXAMPLES", "40"))
SEED = int(os.environ.get("META_PREFECT_TEST_SEED", "0")) or random.randrange(1, 1_000_000)  # noqa: S311 - no secret
pytestmark = pytest.mark.timeout(400 + EXAMPLES)

HEAD = """
import collections.abc, datetime, enum, os, typing as t
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import prefect
from prefect import flow
from pydantic import BaseModel, Field, StringConstraints, conint

START = date(2026, 1, 1)
LIMIT: int = 10**3
Mode = Literal["full", "delta"]
Count = Annotated[int, Field(ge=0, title="How many")]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(str, enum.Enum):
    "How large."
    S = "s"
    M = "m"


class Model(BaseModel):
    colour: Colour = Colour.RED
"""


OPTIONS = one_of("""
    ()
    (name='other')
    (name=f'other-{LIMIT}')
    (description='Told.')
    (name='', retries=2)
    (task_runner=prefect.task_runners.ThreadPoolTaskRunner(max_workers=2))
    (on_failure=[print], log_prints=True)
""")
RETURNS = st.sampled_from(["", " -> None", " -> list[Count]", " -> 'int'", " -> Colour"])
HARMLESS = one_of("""
    TABLE = {Colour.RED: 1}
    other = work.with_options(name='x')
    os.environ.get('HOME')
    def f(x): return work(x)
    if __name__ == '__main__':¶    work()
    class Some:¶    work = 1
    [one for one in Colour]
    later = Size.S
""")
RISKY = one_of("""
    work = work
    work = work.with_options(name='x')
    work.name = 'x'
    work.fn.__doc__ = 'x'
    work.fn.__defaults__ = ()
    same = work; same.description = 'x'
    for same in [work]: same.name = 'x'
    for work in [work.with_options(name='x')]: ...
    vars(work)['name'] = 'x'
    setattr(work, 'name', 'x')
    def f():¶    work.name = 'x'¶f()
    def f():¶    global work¶    work = work.with_options(name='x')¶f()
    globals()['LIMIT'] = 1
    import sys; sys.modules[__name__].work.name = 'x'
    import flows; flows.work.name = 'x'
    try: 1 / 0¶except ZeroDivisionError as LIMIT: ...
    del work
    from prefect import task as flow
    START = None
    date = int
    Mode = int
    Colour.RED._value_ = 'x'
    Colour._member_names_ = []
    Size.__doc__ = 'x'
    Model.model_rebuild()
""")


@st.composite
def modules(draw: st.DrawFn) -> tuple[str, bool]:
    """A module with one flow, and whether all there is certain."""
    is_plain = draw(st.booleans())
    types = (
        TYPES
        if is_plain
        else TYPES | st.sampled_from(["Model", "'Colour'", "list['Colour']", "os.PathLike", "Missing"])
    )
    future = draw(st.sampled_from(["", "from __future__ import annotations"]))
    returns = "" if future else draw(RETURNS)
    after = draw(st.lists(HARMLESS, max_size=2))
    after += [] if is_plain else draw(st.lists(RISKY, max_size=1))
    kind = draw(st.sampled_from(["def", "async def"]))
    lines = [
        future,
        HEAD,
        f"@{draw(st.sampled_from(['flow', 'prefect.flow']))}{draw(st.just('') | OPTIONS)}",
        f"{kind} work({draw(signatures(types))}){returns}:\n    {draw(DOCSTRINGS)}\n    return 1",
        *after,
    ]
    return "\n".join(lines), is_plain


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(made=modules())
@pytest.mark.filterwarnings("ignore")
def test_what_is_read_is_what_importing_gives(made: tuple[str, bool]) -> None:
    """Byte for byte, or nothing is read; plain flows are read."""
    source, is_plain = made
    note(source)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "flows.py").write_text(source)
        read = StaticFacts(ProjectModules(root)).of("flows.py:work")
        try:
            imported = catalog_of(root, from_source=False).of("flows.py:work").facts
        except FlowImportError as error:
            event("cannot be imported")
            note(str(error))
            return
        except FlowNotFoundError:
            imported = None
    event("read" if read else "not read")
    assert read is not None or not is_plain
    if read is not None:
        assert imported is not None
        assert json.dumps(read.model_dump(mode="json")) == json.dumps(imported.model_dump(mode="json"))
