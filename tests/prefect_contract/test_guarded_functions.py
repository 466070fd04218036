"""What runs flows, serves and deploys them, or sends requests, under the names that are guarded while a module is imported."""

from __future__ import annotations

import importlib
import re

import pytest
from prefect import Flow
from prefect.client import base

from meta_prefect.prefect_internals.run_guard import CALLS, CALLS_ON_DEPLOYMENTS, CLIENTS

METHODS = [
    (module, kind, method) for module, kind, verbs in (*CALLS, *CALLS_ON_DEPLOYMENTS) for method in sorted(verbs)
]


@pytest.mark.parametrize(("module", "kind", "method"), METHODS, ids=lambda part: part)
def test_what_is_guarded_is_there(module: str, kind: str, method: str) -> None:
    """Otherwise a module that does this at its top level does it whenever its flows are deployed."""
    assert method in vars(getattr(importlib.import_module(module), kind))


def test_all_of_a_flow_that_serves_or_deploys_is_guarded() -> None:
    """Otherwise a new way to do so is let through."""
    guarded = {method for _, kind, method in METHODS if kind == "Flow"}
    assert {name for name in vars(Flow) if re.fullmatch("a?(serve|deploy)", name)} <= guarded


@pytest.mark.parametrize("client", CLIENTS)
def test_requests_go_through_the_guarded_clients(client: str) -> None:
    """Otherwise a module that writes to Prefect at its top level does so whenever its flows are deployed."""
    assert "send" in vars(getattr(base, client))
