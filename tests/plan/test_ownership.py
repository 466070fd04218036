"""Whose deployment it is, and what that means for a deploy."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import stored
from values import a_context, a_deployment

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.tags import environment_tag, owner, owner_tag
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.plan.holds import Hold, held


def test_the_two_tags() -> None:
    """A deployment is found again by its project and its environment."""
    assert (owner_tag("shop"), environment_tag("prod")) == ("meta-prefect=shop", "env=prod")


@pytest.mark.parametrize(
    ("tags", "project"),
    [
        pytest.param(["env=dev", "meta-prefect=shop"], "shop", id="owned"),
        pytest.param(["env=dev", "shop"], None, id="not owned"),
        pytest.param([], None, id="no tags"),
        pytest.param(["meta-prefect=a=b"], "a=b", id="an equals sign in the name"),
    ],
)
def test_the_owner_is_read_from_the_tags(tags: list[str], project: str | None) -> None:
    """The tag says whose it is."""
    assert owner(tags) == project


@pytest.mark.parametrize("adopt", [False, True])
def test_another_project_s_deployment_is_never_taken(adopt: bool) -> None:
    """Both projects are named; adopting does not help, as somebody deploys it."""
    live = stored(a_deployment(), tags=["meta-prefect=bank", "env=dev"])

    with pytest.raises(ConflictError, match="belongs to the project 'bank', not to 'shop'") as refused:
        diff_deployment(a_deployment(context=a_context(adopt=adopt)), live)
    assert refused.value.where == "deployment add/nightly-dev"


def test_nobody_s_deployment_is_left_alone() -> None:
    """A deployment that somebody made by hand is not overwritten; the error says how to take it over."""
    with pytest.raises(ConflictError, match="that Meta-Prefect does not manage") as refused:
        diff_deployment(a_deployment(), stored(a_deployment(), tags=["mine"]))
    assert refused.value.hint == "Take it over with --adopt, or choose another name."


def test_nobody_s_deployment_is_taken_over_on_demand() -> None:
    """With adopt it becomes ours, and its tags say so from then on."""
    change = diff_deployment(a_deployment(context=a_context(adopt=True)), stored(a_deployment(), tags=["mine"]))

    assert isinstance(change, Update)
    assert [field.path for field in change.fields] == ["tags"]
    assert owner(change.after["tags"]) == "shop"


def test_a_former_name_s_deployment_is_taken_over() -> None:
    """What belongs to a name that the project had before gets the present one, and the plan says from where it comes."""
    context = a_context(renamed_from=("bank", "till"))

    change = diff_deployment(
        a_deployment(context=context), stored(a_deployment(), tags=["meta-prefect=till", "env=dev"])
    )

    assert isinstance(change, Update)
    assert [field.path for field in change.fields] == ["tags"]
    assert owner(change.after["tags"]) == "shop"
    assert change.remarks == ("taken over from the project 'till'",)
    assert diff_deployment(a_deployment(context=context), stored(a_deployment())).remarks == ()


def test_another_environment_s_deployment_of_a_former_name_is_not_taken() -> None:
    """A former name changes nothing about which environment a deployment is for."""
    live = stored(a_deployment(), tags=["meta-prefect=till", "env=prod"])

    with pytest.raises(ConflictError, match="is for 'env=prod', and this deploy for 'env=dev'"):
        diff_deployment(a_deployment(context=a_context(renamed_from=("till",))), live)


def test_what_to_do_about_another_name_is_one_hint() -> None:
    """The line that keeps the name, the line that says it is a former one, and what to do where both are wanted."""
    with pytest.raises(ConflictError) as refused:
        diff_deployment(a_deployment(), stored(a_deployment(), tags=["meta-prefect=bank", "env=dev"]))

    assert refused.value.hint == (
        "In the project file: `project: bank` to keep that name, or `renamed_from: bank` if this project had it before. "
        "To have both on this server, give this deployment another name."
    )


def test_held_deployments_of_a_former_name_are_not_taken_over() -> None:
    """What is left alone stays with the former name, and nothing is said of a change that is not made."""
    context = a_context(renamed_from=("till",))
    live = stored(a_deployment(), tags=["meta-prefect=till", "env=dev"])
    hold = Hold(deployment="add/nightly-dev", by="ada@host", at=context.now, because="frozen")

    assert held(diff_deployment(a_deployment(context=context), live), hold, live.record).remarks == ()


@pytest.mark.parametrize("context", [{}, {"adopt": True}], ids=["as always", "with adopt"])
def test_our_own_is_ours(context: dict[str, Any]) -> None:
    """There is nothing to take over."""
    assert isinstance(diff_deployment(a_deployment(context=a_context(**context)), stored(a_deployment())), Unchanged)
