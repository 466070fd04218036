"""In which environments a schedule creates runs."""

from __future__ import annotations

import pytest
from values import a_context, a_deployment

from deployer_flows import local_run_deployer
from meta_prefect.implementations.schedule import scheduler


@pytest.mark.parametrize(
    ("active", "own", "expected"),
    [
        pytest.param(("prod", "qa"), None, {"dev": False, "qa": True, "prod": True}, id="in-some-environments"),
        pytest.param((), None, {"dev": False, "qa": False, "prod": False}, id="in-none"),
        pytest.param(True, None, {"dev": True, "qa": True, "prod": True}, id="always"),
        pytest.param(None, None, {"dev": None, "qa": None, "prod": None}, id="left-to-the-operator"),
        pytest.param(("prod",), True, {"dev": True, "qa": True, "prod": True}, id="its-own-word-comes-first"),
        pytest.param(("prod",), False, {"dev": False, "qa": False, "prod": False}, id="its-own-no-comes-first"),
    ],
)
def test_a_schedule_is_active_where_it_should_be(
    active: bool | tuple[str, ...] | None, own: bool | None, expected: dict[str, bool | None]
) -> None:
    """What the schedule says itself comes first, then the environments of the recipe; without either the operator decides."""
    builder = scheduler.model_validate({"schedule": {"cron": "@daily", "active": own}, "active": active})
    found = {
        environment: builder.update_deployment(a_deployment(context=a_context(environment=environment))).schedules
        for environment in expected
    }

    assert {environment: [one.active for one in made or ()] for environment, made in found.items()} == {
        environment: [state] for environment, state in expected.items()
    }


@pytest.mark.parametrize(
    ("variables", "active_in"),
    [({}, ("prod",)), ({"active_in": ["staging", "prod"]}, ("staging", "prod")), ({"active_in": None}, None)],
    ids=["by-default", "a-variable", "left to operators"],
)
def test_the_recipe_takes_the_environments_as_a_variable(
    variables: dict[str, list[str] | None], active_in: tuple[str, ...] | None
) -> None:
    """Schedules are active in ``prod`` only, unless the entry lists other environments, or leaves it to the operators."""
    given = local_run_deployer.variables_model.model_validate({"name": "nightly", "schedule": "@daily", **variables})
    (chosen,) = (one for one in local_run_deployer.builders(given, "dev") if isinstance(one, scheduler))

    assert chosen.active == active_in
