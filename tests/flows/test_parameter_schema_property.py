"""Whatever the signature and wherever its types are defined: our schema of parameters is the one that `prefect deploy` stores."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, note, seed, settings
from hypothesis import strategies as st
from made_signatures import DEFAULTS, DOCSTRINGS, SIMPLE, one_of, signatures
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from meta_prefect.errors import FlowImportError
from meta_prefect.flows.catalog import catalog_of
from meta_prefect.interfaces.json_diff import Record

# META_PREFECT_TEST_EXAMPLES=1000 uv run pytest tests/flows -k property
EXAMPLES = int(os.environ.get("META_PREFECT_TEST_EXAMPLES", "40"))
SEED = int(os.environ.get("META_PREFECT_TEST_SEED", "0")) or random.randrange(1, 1_000_000)  # noqa: S311 - no secret
pytestmark = pytest.mark.timeout(400 + EXAMPLES)

HEAD = """
import collections.abc, dataclasses, datetime, enum, functools, os, typing as t
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

import pydantic.v1
from prefect import flow
from pydantic import BaseModel, Field, RootModel, SecretStr, StringConstraints, conint
from typing_extensions import TypedDict

T = TypeVar("T")
LIMIT = 1000
START = date(2026, 1, 1)
Mode = Literal["full", "delta"]
Count = Annotated[int, Field(ge=0)]

def wrapping(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
"""
TYPES_OF_ITS_OWN = '''
class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"

class Size(str, enum.Enum):
    "How large."
    S = "s"
    M = "m"

class Level(enum.IntEnum):
    LOW = 1

@dataclasses.dataclass
class Made:
    number: int
    colours: list[Colour] = dataclasses.field(default_factory=list)

class Item(BaseModel):
    """One line of an order."""
    number: int = Field(ge=1, description="How many.")
    colour: Optional[Colour] = None
    made: Made = Field(default_factory=lambda: Made(1))

class Order(BaseModel):
    model_config = {"title": "An order", "extra": "forbid"}
    items: list[Item] = []
    before: Optional["Order"] = None
    password: Optional[SecretStr] = None

class Page(BaseModel, Generic[T]):
    rows: list[T] = []

class Names(RootModel[list[str]]):
    pass

class Cat(BaseModel):
    kind: Literal["cat"] = "cat"

class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    size: Size = Size.M

class Old(pydantic.v1.BaseModel):
    number: int = 1

class Pair(NamedTuple):
    left: int
    right: str = "x"

class Row(TypedDict, total=False):
    number: t.Required[int]
    name: str

class Plain:
    pass
'''
OWN = one_of("""
    Order
    Item
    Page[int]
    Page[Item]
    Names
    Made
    Pair
    Row
    Level
    SecretStr
    Annotated[Union[Cat, Dog], Field(discriminator='kind')]
    Union[Cat, Dog]
    Old
    Plain
    T
    os.PathLike
    t.Iterable[Order]
    type[Order]
""")
TYPES = st.recursive(
    SIMPLE | OWN | OWN,
    lambda inner: st.one_of(
        st.builds("{}[{}]".format, st.sampled_from(["list", "set", "Optional", "t.Sequence", "tuple"]), inner),
        st.builds("dict[str, {}]".format, inner),
        st.builds("Union[{}, {}]".format, inner, inner),
        st.builds("Annotated[{}, Field(gt=3)]".format, inner),
        inner.map("({}) | None".format),
    ),
    max_leaves=3,
)
DEFAULTS_OF_OWN = one_of("""
    None
    Level.LOW
    Item(number=2)
    Order(items=[Item(number=1)])
    Made(1, [Colour.RED])
    Pair(1)
    {'number': 1}
    Dog()
    Page[int](rows=[1])
    Old(number=2)
    lambda: 1
    Plain()
""")


@st.composite
def modules(draw: st.DrawFn) -> tuple[str, str]:
    """A module with one flow, and the name by which its entrypoint ends."""
    below = draw(st.booleans())
    future = draw(st.booleans())
    # What is defined below can be named in a text alone, or where all annotations are texts; of its defaults there are none yet.
    types = TYPES if future or not below else TYPES.map(repr)
    defaults = DEFAULTS if below else DEFAULTS | DEFAULTS_OF_OWN
    defaults = defaults.filter(lambda text: not below or not any(one in text for one in ("Colour", "Size")))
    decorators = ["@flow", *draw(st.sampled_from([[], ["@wrapping"]]))]
    lines = [f"def work({draw(signatures(types, defaults))}):", f"    {draw(DOCSTRINGS)}", "    return 1"]
    if draw(st.booleans()):
        lines[0] = f"async {lines[0]}"
    entry = draw(st.sampled_from(["work", "work", "Jobs.work"]))
    job = [*decorators, *lines]
    if entry != "work":
        job = ["class Jobs:", *(f"    {line}" for part in ["@staticmethod", *job] for line in part.splitlines())]
    parts = [HEAD, *([] if below else [TYPES_OF_ITS_OWN]), *job, *([TYPES_OF_ITS_OWN] if below else [])]
    return "\n".join(["from __future__ import annotations" if future else "", *parts]), entry


def stored_by_prefect(folder: Path, entrypoint: str) -> Record | None:
    """The schema that `prefect deploy` stores; None where it cannot load the flow."""
    path = list(sys.path)
    with chdir(folder):
        try:
            flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
            return json.loads(json.dumps(parameter_schema(flow).model_dump(mode="json", exclude_unset=True)))
        except Exception as error:  # noqa: BLE001 - whatever a module or Pydantic raises
            note(f"Prefect: {error!r}")
            return None
        finally:  # its loader leaves the folder to import from, and the module
            sys.path[:] = path
            sys.modules.pop("flows", None)


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(made=modules())
@pytest.mark.filterwarnings("ignore")
def test_the_schema_is_what_prefect_stores(made: tuple[str, str]) -> None:
    """Byte for byte, where `Field` says no title or description; and what Prefect cannot load is an error here too."""
    source, name = made
    note(source)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "flows.py").write_text(source)
        theirs = stored_by_prefect(root, f"flows.py:{name}")
        try:
            ours = catalog_of(root, from_source=False).of(f"flows.py:{name}").facts.parameter_schema
        except FlowImportError as error:
            note(f"ours: {error}")
            ours = None
    event("loaded" if theirs is not None else "not loaded")
    assert (ours is None) == (theirs is None)
    assert json.dumps(ours) == json.dumps(theirs)
