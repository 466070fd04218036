"""Signatures of flows at random: annotations, defaults and docstrings, as text."""

from __future__ import annotations

from hypothesis import strategies as st


def one_of(text: str) -> st.SearchStrategy[str]:
    """One of some lines, in which ``¶`` stands for a line break."""
    return st.sampled_from([line.strip().replace("¶", "\n") for line in text.strip().splitlines()])


SIMPLE = one_of("""
    int
    str
    float
    bool
    bytes
    list
    dict
    Any
    None
    object
    date
    Path
    UUID
    Decimal
    datetime.datetime
    timedelta
    Mode
    Count
    Colour
    Size
    Literal[1, 'a', None]
    Annotated[str, StringConstraints(min_length=1)]
    conint(ge=0)
""")
TYPES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("{}[{}]".format, st.sampled_from(["list", "set", "Optional", "t.Sequence", "tuple"]), inner),
        st.builds("dict[str, {}]".format, inner),
        st.builds("Union[{}, {}]".format, inner, inner),
        st.builds("Annotated[{}, Field(description='Told.')]".format, inner),
        st.builds("collections.abc.Callable[[{}], {}]".format, inner, inner),
        inner.map("({}) | None".format),
    ),
    max_leaves=3,
)
LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
).map(repr)
DEFAULTS = LITERALS | one_of("""
    -LIMIT
    LIMIT + 1
    Colour.RED
    Size.M.value
    Size('s')
    START
    date(2026, 2, 3)
    timedelta(days=1)
    Path('a') / 'b'
    UUID(int=3)
    (1, 'a')
    Decimal('1.5')
    f'{LIMIT:>9}-rows'
    Field(default=3, description='Three.')
    Field(ge=1)
    str
""")
DOCSTRINGS = one_of("""
    pass
    '''Work.'''
    '''Work.¶¶    Args:¶        a: The first.¶        b (int): The second.¶    '''
    f'''{1} is no docstring'''
""")


@st.composite
def signatures(draw: st.DrawFn, types: st.SearchStrategy[str], defaults: st.SearchStrategy[str] = DEFAULTS) -> str:
    """The parameters of a function: some with annotations, the later ones with defaults."""
    names = draw(st.lists(st.sampled_from("abcdefgxyz"), unique=True, max_size=4))
    first = draw(st.integers(0, len(names)))
    parts = [
        f"{name}{draw(st.just('') | types.map(': {}'.format))}{f' = {draw(defaults)}' if place >= first else ''}"
        for place, name in enumerate(names)
    ]
    more = draw(st.sampled_from([None, "/", "*", "*args: int", "**kwargs"]))
    if more == "**kwargs":
        parts.append(more)
    elif more and parts and (more == "/" or more.startswith("*a") or len(parts) > 1):
        parts.insert(1 if more in "/*" else len(parts), more)
    return ", ".join(parts)
