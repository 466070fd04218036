"""How META_PREFECT__ENV reaches a run: by the pool's template where that is ours, else by the deployment's own `env`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import prefect
import pytest

from meta_prefect.implementations.infra.containers import CONTAINER_TEMPLATE
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE, fitted
from meta_prefect.interfaces.json_diff import Record, merged

_KNOWN = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
TEMPLATES: dict[str, Record] = {
    kind: about["default_base_job_configuration"]
    for package in json.loads(_KNOWN.read_text()).values()
    for kind, about in package.items()
}
THEIRS = TEMPLATES["process"]
OURS = merged(THEIRS, ENVIRONMENT_TEMPLATE)


def with_env(env: Any) -> Record:
    """A template whose `env` is declared in some way."""
    return {"variables": {"properties": {"env": env}}, "job_configuration": {"env": "{{ env }}"}}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_every_default_template_has_a_way(template: Record) -> None:
    """Whatever type of worker Prefect knows, a deployment's `env` carries it, beside the deployment's own variables."""
    variables = {"meta_env": "dev", "env": {"A": "1"}}
    assert fitted(variables, template, {}) == ({"env": {"A": "1", "META_PREFECT__ENV": "dev"}}, ())


@pytest.mark.parametrize(
    ("variables", "template", "additions", "live", "expected"),
    [
        pytest.param({"meta_env": "dev"}, OURS, ENVIRONMENT_TEMPLATE, {}, {"meta_env": "dev"}, id="ours"),
        pytest.param({"meta_env": "dev"}, {}, {}, {}, {"env": {"META_PREFECT__ENV": "dev"}}, id="not known yet"),
        pytest.param({"image": "x"}, THEIRS, {}, {}, {"image": "x"}, id="no builder of ours"),
        pytest.param(
            {"meta_env": "dev", "env": {"META_PREFECT__ENV": "x"}},
            THEIRS,
            {},
            {},
            {"env": {"META_PREFECT__ENV": "x"}},
            id="the deployment's own wins",
        ),
        pytest.param(
            {"meta_env": "dev", "env.META_PREFECT__ENV": "x"},
            THEIRS,
            {},
            {},
            {"env.META_PREFECT__ENV": "x"},
            id="dotted too",
        ),
        pytest.param(
            {"meta_env": "dev", "image": "i:1"},
            TEMPLATES["docker"],
            CONTAINER_TEMPLATE,
            {},
            {"image": "i:1", "env": {"META_PREFECT__ENV": "dev", "META_PREFECT__IMAGE": "i:1"}},
            id="and the image",
        ),
        pytest.param(
            {"meta_env": "dev"},
            TEMPLATES["docker"],
            CONTAINER_TEMPLATE,
            {},
            {"env": {"META_PREFECT__ENV": "dev"}},
            id="the worker's own image",
        ),
        pytest.param(
            {"meta_env": "dev"},
            OURS,
            {},
            {"env": {"META_PREFECT__ENV": "dev", "B": "2"}},
            {"env": {"META_PREFECT__ENV": "dev"}},
            id="it stays on the way that it goes",
        ),
        pytest.param(
            {"meta_env": "prod"},
            OURS,
            {},
            {"env": {"META_PREFECT__ENV": "dev"}},
            {"meta_env": "prod"},
            id="unless it changes",
        ),
        pytest.param(
            {"meta_env": "dev"},
            OURS,
            {},
            {"meta_env": "dev", "env": {"META_PREFECT__ENV": "dev"}},
            {"meta_env": "dev"},
            id="both ways are one too many",
        ),
        pytest.param(
            {"meta_env": "dev"},
            {**OURS, "job_configuration": {"env": "{{ env }}"}},
            {},
            {},
            {"env": {"META_PREFECT__ENV": "dev"}},
            id="declared, and put nowhere",
        ),
    ],
)
def test_the_way(variables: Record, template: Record, additions: Record, live: Record, expected: Record) -> None:
    """The template's own variable where it has one that the job uses, else `env`; never both."""
    assert fitted(variables, template, additions, live) == (expected, ())


@pytest.mark.parametrize(
    "template",
    [
        pytest.param({"variables": {}, "job_configuration": {}}, id="nothing declared"),
        pytest.param(with_env({"type": "string"}), id="a text"),
        pytest.param(with_env({"type": "array"}), id="a list"),
        pytest.param({**with_env({"type": "object"}), "job_configuration": {"command": "x"}}, id="put nowhere"),
    ],
)
def test_no_way(template: Record) -> None:
    """Where a template has no `env` of Prefect's kind, the variable is left out, and named."""
    assert fitted({"meta_env": "dev", "x": 1}, template, {}) == ({"x": 1}, ("META_PREFECT__ENV",))
