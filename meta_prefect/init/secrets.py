"""Replaces likely secrets by references, since the generated files will be committed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from meta_prefect.init.found import Found, FoundDeployment, Remark
from meta_prefect.interfaces.json_diff import is_mapping
from meta_prefect.project.naming import slug
from meta_prefect.redaction import hidden, remember, without_userinfo

_RESOLVED_IN_A_RUN: Final = ("job_variables", "pull")
"""The variables in which a block reference is resolved; in parameters it is not."""

_NOTHING: Final = object()


def without_secrets(found: Found) -> tuple[Found, frozenset[str]]:
    """Replace the secrets in what was found.

    Returns:
        The same with references and remarks instead of secrets, and the names of the Secret blocks they refer to.
    """
    names: dict[str, str] = {}
    deployments = tuple(_without_secrets(one, names) for one in found.deployments)
    return replace(found, deployments=deployments), frozenset(names.values())


def _without_secrets(found: FoundDeployment, names: dict[str, str]) -> FoundDeployment:
    taken = _Taken(found.place, names)
    opened = {key: _with_tokens_apart(value) if key == "pull" else value for key, value in found.variables.items()}
    kept = {key: taken.out_of(value, hidden(value, key), (key,)) for key, value in opened.items()}
    emptied = [key for key, value in kept.items() if value is _NOTHING or (value != opened[key] and not value)]
    variables = {key: value for key, value in kept.items() if key not in emptied}
    return replace(found, variables=variables, remarks=(*found.remarks, *taken.remarks))


class _Taken:
    """Extracts the secrets from the variables of one deployment and collects a remark for each.

    Args:
        place: Where the deployment was found.
        names: The names of the Secret blocks so far, by secret value.
    """

    def __init__(self, place: str, names: dict[str, str]) -> None:
        self._place = place
        self._names = names
        self.remarks: list[Remark] = []

    def out_of(self, value: Any, seen: Any, keys: tuple[str, ...]) -> Any:
        """Return a value in which every part that redaction would hide is replaced; ``keys`` are its path."""
        if value == seen:
            return value
        if is_mapping(value):
            kept = {key: self.out_of(inner, seen[key], (*keys, key)) for key, inner in value.items()}
            return {key: inner for key, inner in kept.items() if inner is not _NOTHING}
        if isinstance(value, list):
            pairs = enumerate(zip(cast("list[Any]", value), seen, strict=True))
            items = [self.out_of(inner, shown, (*keys, str(index))) for index, (inner, shown) in pairs]
            return [inner for inner in items if inner is not _NOTHING]
        remember(str(value))
        if keys[0] in _RESOLVED_IN_A_RUN:
            return self._reference(str(value), keys)
        self._remark(
            keys,
            "looks like a secret and is left out of the file, so that a deploy removes it: let the flow load it from a "
            "Secret block first",
        )
        return _NOTHING

    def _reference(self, secret: str, keys: tuple[str, ...]) -> str:
        if secret not in self._names:
            wanted = slug(next(key for key in reversed(keys) if not key.isdigit())) or "secret"
            taken = self._names.values()
            numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
            self._names[secret] = wanted if wanted not in taken else next(one for one in numbered if one not in taken)
        name = self._names[secret]
        self._remark(
            keys,
            "looks like a secret, and a reference stands in its place: before you deploy, save the value as the Secret block "
            f"{name!r} (in the Prefect UI under Blocks, or with `Secret(value=…).save({name!r})`)",
        )
        return f"{{{{ prefect.blocks.secret.{name} }}}}"

    def _remark(self, keys: tuple[str, ...], text: str) -> None:
        self.remarks.append(Remark(self._place, ".".join(keys), text))


def _with_tokens_apart(value: Any) -> Any:
    """Move the token out of a repository's URL in pull steps, to where a step expects it."""
    if isinstance(value, list):
        return [_with_tokens_apart(inner) for inner in cast("list[Any]", value)]
    if not is_mapping(value):
        return value
    step = {key: _with_tokens_apart(inner) for key, inner in value.items()}
    address = step.get("repository")
    if isinstance(address, str) and hidden(address) != address:
        step["repository"] = without_userinfo(address)
        if not {"access_token", "credentials"} & step.keys():
            step["access_token"] = address.partition("://")[2].partition("@")[0].rpartition(":")[2]
    return step
