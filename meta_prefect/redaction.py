"""Redaction: masks secrets in everything that leaves the process to be read by others.

One rule for the terminal, logs, states, artifacts, the ledger, JSON, events and run parameters. What is *deployed* is not
affected: a deployment contains what the project specifies.

Masked are

* in any text: user and password in URLs of any scheme, secret parts of their queries (``?private_token=…``), values of
  assignments (``DB_PASSWORD=…``, ``"token": "…"``, ``--password …``), authorization headers, keys with a recognizable format
  (``ghp_…``, private keys), and the values passed to :func:`remember`;
* in structured values, also each text under a key that looks like a secret's; see :func:`is_secret_name`.

A key looks like a secret's if one of its words is ``password``, ``secret``, ``token`` or the like, or two of them are ``api
key`` and the like. It does not if its last word says that it is something about a secret (``token_url``, ``secret_name``,
``max_token_count``). ``tokenize``, ``monkey`` and ``primary_key`` do not count, nor does the tag ``key=abc``. Not masked are
references (``{{ prefect.blocks.secret.x }}``, ``secret/git``, ARNs), since that is how secrets are meant to be written; empty
texts, booleans and null; and numbers of tokens.

The mask is ``(hidden)``. Records that are compared later contain a sealed form of the secret instead; see
:mod:`meta_prefect.sealing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

from meta_prefect.sealing import HIDDEN, MARK, seal, without_seals

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_WORDS: Final = _words(
    "password passwords passwd passphrase secret secrets token tokens credential credentials authorization "
    "apikey apitoken authtoken accesstoken secretkey accesskey privatekey dsn"
)
_LAST_WORDS: Final = _words("pwd pass pat")
"""Words that mean a secret as the last word of a longer key: ``DB_PASS``."""

_SECRET_PAIRS: Final = _words(
    "api-key access-key private-key secret-key signing-key encryption-key auth-key account-key storage-key master-key ssh-key "
    "service-key shared-key license-key auth-string connection-string basic-auth webhook-url session-cookie"
)
_ABOUT: Final = _words(
    "name names url urls uri endpoint file files path dir folder type kind count limit limits length len size id ids arn arns "
    "ref reference block blocks ttl expiry expires expiration policy rotation version env enabled required field header "
    "lifetime prefix suffix provider manager store scope scopes issuer audience algorithm format schema index max min minute"
)
"""Last words of keys that describe something about a secret."""

_NUMBERED: Final = frozenset({"token", "tokens"})
_PLAIN: Final = frozenset({"user", "username", "name", "type", "region", "host"})
"""Keys next to a secret that are not secret themselves: ``credentials: {username: …, access_token: …}``."""

_OF_NAMES: Final = frozenset({"schedules", "definitions", "$defs"})
"""Keys that contain user-chosen names, which say nothing about the values under them."""

_QUERY_NAMES: Final = frozenset({"sig", "signature", "key", "auth", "code", "sas"})
"""URL query parameters that are secrets, although these words mean nothing elsewhere."""

_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\$\{?[A-Za-z_]\w*\}?")
_REFERENCE: Final = re.compile(r"(?:secret|[a-z0-9-]*credentials)/[a-z0-9-]+|arn:[\w:/.+=,@*-]+")
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KEY_OF_SECRET: Final = re.compile(r"[a-z0-9][-a-z0-9.]*/[-._a-zA-Z0-9]+")
_SCHEMA_VALUES: Final = frozenset({"default", "const", "enum", "examples", "example"})

_ADDRESS: Final = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s'\"<>`]+")
_PART: Final = re.compile(r"(?P<mark>[?&#;])(?P<name>[^=&#;?\s]{1,80})=(?P<value>[^&#;\s]+)")
_HOOK: Final = re.compile(r"(?P<host>hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/).+")
_ASSIGNED: Final = re.compile(
    r"(?<!\w)(?P<name>[A-Za-z_][\w.-]{0,80})=(?P<value>\"[^\"\n]*\"?|'[^'\n]*'?|\{\{.*?\}\}|[^\s,;&)\]}'\"`]+)"
)
_PAIR: Final = re.compile(
    r"(?P<head>(?P<mark>['\"])(?P<name>[\w. -]{1,80})(?P=mark)\s*:\s*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|[0-9][0-9.]*)"
)
_OPTION: Final = re.compile(
    r"(?P<head>(?<!\w)--(?P<name>[a-zA-Z][\w-]{0,80})\s+)(?P<value>(?=[^\s]*[A-Z0-9])[^\s'\"`]+)"
)
_PYDANTIC: Final = re.compile(r"input_value=.{0,400}?(?=, input_type=\w+\])", re.DOTALL)
_HEADER: Final = re.compile(
    r"(?i)(?P<head>\bauthorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token)\s+)?|\bbearer\s+(?=\S*[0-9._~+/=])(?=\S{12}))"
    r"(?!(?:basic|bearer|token)\b)[\w.~+/=-]{6,}"
)
_SHAPES: Final = re.compile(
    r"\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{10,}|\bpn[ub]_\w{20,}|\bsk-[\w-]{20,}"
    r"|\bAIza[\w-]{30,}|\bdckr_pat_[\w-]{20,}|\bhf_\w{25,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SHORTEST_IN_TEXT: Final = 6
"""Shorter known secrets are masked only as whole values: inside texts they would match innocent words."""

_LONGEST_CACHED: Final = 1000

_known: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Mask values from now on, wherever they occur: those from a secret type, and credentials of the Prefect API."""
    for secret in secrets:
        if secret and not MARK.search(secret):
            _known.add(secret)
            _pattern_of_known.cache_clear()
            _redacted_value.cache_clear()


def known_secrets() -> frozenset[str]:
    """The values that are masked wherever they occur."""
    return frozenset(_known)


def forget(secrets: Iterable[str]) -> None:
    """Stop masking values wherever they occur; rules about keys still apply."""
    _known.difference_update(secrets)
    _pattern_of_known.cache_clear()
    _redacted_value.cache_clear()


def remember_within(value: object) -> None:
    """Mask from now on what secret types contain in a value: pydantic's, and Prefect's fields and blocks based on them.

    Args:
        value: A model, or JSON values containing such types.
    """
    match value:
        case str() | bytes() | None:
            pass
        case Mapping():
            for inner in cast("Mapping[Any, Any]", value).values():
                remember_within(inner)
        case list() | tuple() | set() | frozenset():
            for inner in cast("Iterable[Any]", value):
                remember_within(inner)
        case _ if callable(reveal := getattr(value, "get_secret_value", None)):
            remember(*texts_in(reveal()))
        case _ if hasattr(type(value), "model_fields"):
            remember_within(vars(value))
        case _:
            pass


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case Mapping():
            for inner in cast("Mapping[Any, Any]", value).values():
                yield from texts_in(inner)
        case list() | tuple():
            for inner in cast("Iterable[Any]", value):
                yield from texts_in(inner)
        case _:
            pass


@lru_cache(maxsize=1)
def _pattern_of_known() -> re.Pattern[str] | None:
    longest_first = sorted((one for one in _known if len(one) >= _SHORTEST_IN_TEXT), key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in longest_first)) if longest_first else None


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether a key, variable or parameter of this name contains a secret; see the module's docstring."""
    words = [word.lower() for word in _WORDS.findall(name) if not word.isdigit()]
    if not words or "/" in name or " " in name:
        return False  # a deployment's name may be a key as well
    pairs = [f"{one}-{other.removesuffix('s')}" for one, other in pairwise(words)]
    if pairs and (pairs[-1] in _SECRET_PAIRS or words[-1] in _LAST_WORDS):
        return True
    if words[-1] in _ABOUT:
        return False
    return any(word in _SECRET_WORDS or word.endswith("password") for word in words) or any(
        pair in _SECRET_PAIRS for pair in pairs
    )


def redacted(text: str) -> str:
    """Mask the secrets in a text; idempotent."""
    text = _ADDRESS.sub(_address, text)
    text = _PYDANTIC.sub(f"input_value={HIDDEN}", text)
    text = _ASSIGNED.sub(_assigned, text)
    text = _PAIR.sub(_pair, text)
    text = _OPTION.sub(_pair, text)
    text = _HEADER.sub(rf"\g<head>{HIDDEN}", text)
    text = _SHAPES.sub(HIDDEN, text)
    pattern = _pattern_of_known()
    return text if pattern is None else pattern.sub(HIDDEN, text)


@lru_cache(maxsize=10_000)
def _redacted_value(text: str) -> str:
    """Mask a text in a value. Cached: many deployments share values, and each is masked several times."""
    return redacted(text)


def _address(match: re.Match[str]) -> str:
    whole = match[0]
    scheme, _, rest = whole.partition("://")
    authority = re.match(r"[^/?#]*", rest)
    host = authority[0] if authority else ""
    user, at, place = host.rpartition("@")
    if at:
        host = f"{_userinfo(scheme, user)}@{place}"
    tail = _HOOK.sub(rf"\g<host>{HIDDEN}", f"{place}{rest[authority.end() if authority else 0 :]}")[len(place) :]
    return f"{scheme}://{host}{_PART.sub(_query_part, tail)}"


def _userinfo(scheme: str, userinfo: str) -> str:
    user, colon, password = userinfo.partition(":")
    # Over HTTP, a user without a password is usually a token; elsewhere, as in ssh://git@host, it is a name.
    if scheme.lower().rpartition("+")[2] in ("http", "https"):
        return userinfo if _TEMPLATE.fullmatch(password or user) else HIDDEN
    return f"{user}:{HIDDEN}" if colon and not _TEMPLATE.fullmatch(password) else userinfo


def _query_part(match: re.Match[str]) -> str:
    name = match["name"]
    words = {word.lower() for word in _WORDS.findall(name)}
    if (not is_secret_name(name) and words.isdisjoint(_QUERY_NAMES)) or _is_reference(match["value"]):
        return match[0]
    return f"{match['mark']}{name}={HIDDEN}"


def _assigned(match: re.Match[str]) -> str:
    return f"{match['name']}={_replaced(match)}"


def _pair(match: re.Match[str]) -> str:
    return f"{match['head']}{_replaced(match)}"


def _replaced(match: re.Match[str]) -> str:
    value, name = match["value"], match["name"]
    bare = value.strip("'\"")
    if not bare.strip("….") or not is_secret_name(name) or _is_reference(bare) or "(" in bare[:1]:
        return value
    if bare in ("None", "True", "False", "null", "true", "false") or (bare.isdigit() and _is_numbered(name)):
        return value
    quote = value[0] if value[0] in "'\"" else match["mark"] if "mark" in match.groupdict() else ""
    return f"{quote}{HIDDEN}{quote}"


def _is_reference(text: str) -> bool:
    return bool(_TEMPLATE.search(text) or _REFERENCE.fullmatch(text) or MARK.fullmatch(text) or text == HIDDEN)


def _is_numbered(name: str) -> bool:
    return any(word.lower() in _NUMBERED for word in _WORDS.findall(name))


class _Place(NamedTuple):
    """The position of a value.

    Attributes:
        key: The key directly above it.
        secret: Whether it is the value of a secret.
        field: Whether it is the JSON schema of a field that looks like a secret's.
        named: Whether it is under ``secrets:``, which contains names of what holds secrets.
    """

    key: str = ""
    secret: bool = False
    field: bool = False
    named: bool = False

    @lru_cache(maxsize=10_000)  # noqa: B019 - places are values, and few
    def below(self, key: str) -> _Place:
        """Return the position of the value under a key."""
        named = self.named or key == "secrets"
        if self.key == "properties":
            # The keys of a schema's properties are field names; only a default in them is a value.
            return _Place(key, self.secret, is_secret_name(key), named)
        if key in _PLAIN or self.key in _OF_NAMES:
            return _Place(key, secret=False, field=self.field, named=named)
        secret = self.secret or is_secret_name(key) or (self.field and key in _SCHEMA_VALUES)
        return _Place(key, secret, self.field, named)


_Mark = Callable[[str], str]
"""Creates the replacement of a secret."""


def hidden(value: Any, *keys: str | int) -> Any:
    """Mask the secrets in a JSON value; returns a copy if there are any.

    Args:
        value: The value.
        keys: The path of the value; one may be a path joined by dots.
    """
    return _hidden(value, _place(keys), _unsealed)


def sealed(value: Any, *keys: str | int) -> Any:
    """Seal the secrets in a JSON value for a record; returns a copy if there are any.

    Args:
        value: The value.
        keys: The path of the value; one may be a path joined by dots.
    """
    return _hidden(value, _place(keys), seal)


def _unsealed(secret: str) -> str:
    del secret
    return HIDDEN


def _place(keys: Iterable[str | int]) -> _Place:
    place = _Place()
    for key in keys:
        for part in key.split(".") if isinstance(key, str) else ():
            place = place.below(part)
    return place


def _hidden(value: Any, place: _Place, mark: _Mark) -> Any:
    match value:
        case str():
            return _hidden_text(value if mark is seal else without_seals(value), place, mark)
        case bool() | None:
            return value
        case int() | float():
            return mark(str(value)) if place.secret and not _is_numbered(place.key) else value
        case Mapping():
            found = cast("Mapping[Any, Any]", value)
            named = found.get("name")
            return {
                key: _hidden(inner, place.below(named if key == "value" and isinstance(named, str) else str(key)), mark)
                for key, inner in found.items()
            }
        case list() | tuple():
            return type(cast("Any", value))(_hidden_items(cast("Sequence[Any]", value), place, mark))
        case _:
            return value


def _hidden_text(text: str, place: _Place, mark: _Mark) -> str:
    if not text or text == HIDDEN or (text[0] == "(" and MARK.fullmatch(text)):
        return text
    if text in _known:
        return mark(text)
    if not place.secret or _is_reference(text) or _is_name_of_secret(text, place):
        clean = _redacted_value(text) if len(text) <= _LONGEST_CACHED else redacted(text)
        return text if clean == text else clean.replace(HIDDEN, mark(text))
    return mark(text)


def _is_name_of_secret(text: str, place: _Place) -> bool:
    """Return whether a text names what holds a secret: ``credentials: shop-s3``; ``secrets: {TOKEN: shop/token}``."""
    return bool(
        (place.key == "credentials" and _SLUG.fullmatch(text)) or (place.named and _KEY_OF_SECRET.fullmatch(text))
    )


def _hidden_items(items: Sequence[Any], place: _Place, mark: _Mark) -> Iterator[Any]:
    option = False
    for item in items:
        # as in a command: ["--password", "…"]
        here = place._replace(secret=True) if option and isinstance(item, str) else place
        yield _hidden(item, here, mark)
        option = isinstance(item, str) and item.startswith("--") and "=" not in item and is_secret_name(item)


def without_userinfo(address: str) -> str:
    """Return a URL without user and password, to compare URLs of the same server."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else address
