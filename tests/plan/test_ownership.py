"""Whose deployment it is, and what that means for a deploy."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import last_entry, stored
from values import a_context, a_deployment

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.tags import environment_tag, owner, owner_tag
from meta_prefect.plan.changes import Unchanged, Update
from meta_prefect.plan.diff import diff_deployment
from meta_prefect.plan.holds import Hold, held
from meta_prefect.plan.ownership import refusal_of_unmanaged


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


@pytest.mark.parametrize("adopt", [False, True], ids=["without --adopt", "with it"])
def test_a_plan_shows_what_taking_over_means(adopt: bool) -> None:
    """What nobody manages is compared field by field, and the change says that it needs a deploy that adopts."""
    change = diff_deployment(a_deployment(context=a_context(adopt=adopt)), stored(a_deployment(), tags=["mine"]))

    assert isinstance(change, Update)
    assert [field.path for field in change.fields] == ["tags"]
    assert change.after["tags"] == ["env=dev", "meta-prefect=shop", "mine"]
    assert change.takes_over == "Meta-Prefect does not manage it"
    assert ("--adopt" in change.remarks[0]) is not adopt


def test_the_refusal_says_how_to_take_over() -> None:
    """A deploy that does not adopt names the deployment and the way out."""
    refused = refusal_of_unmanaged("add/nightly-dev")

    assert str(refused).startswith(
        "deployment add/nightly-dev: there is a deployment of this name, and Meta-Prefect does not"
    )
    assert "--adopt" in (refused.hint or "")


GIVEN_UP: dict[str, Any] = {"tags": ["env=dev"]}


@pytest.mark.parametrize(
    ("last", "takes_over"),
    [
        pytest.param({}, None, id="somebody wrote over it"),
        pytest.param({"id": "another"}, "Meta-Prefect does not manage it", id="somebody made it anew"),
        pytest.param({"id": None}, "Meta-Prefect does not manage it", id="a page that tells no id"),
        pytest.param({"action": "disowned", **GIVEN_UP}, "it was disowned", id="disowned"),
        pytest.param({"action": "rolled back", **GIVEN_UP}, "a rollback gave it back", id="given back"),
    ],
)
def test_whose_a_deployment_without_our_tag_is(last: dict[str, Any], takes_over: str | None) -> None:
    """It is ours where the last thing that we know of it is that we wrote it, and it is the same one; then that is drift."""
    desired = a_deployment()
    entry = last_entry(desired)
    after = {**(entry.after or {}), **{key: value for key, value in last.items() if key == "tags"}}
    told = {"after": after, **{key: value for key, value in last.items() if key != "tags"}}

    change = diff_deployment(desired, stored(desired, tags=["mine"]), last=entry.model_copy(update=told))

    assert isinstance(change, Update)
    assert change.takes_over == takes_over
    assert any("its tag meta-prefect=shop is gone" in remark for remark in change.remarks) is (takes_over is None)


@pytest.mark.parametrize(
    ("then", "now", "live", "after"),
    [
        pytest.param(["a"], ["a"], ["a", "vip"], ["a", "vip"], id="an operator's stays"),
        pytest.param(["a", "b"], ["a"], ["a", "b", "vip"], ["a", "vip"], id="one that the recipe gave up goes"),
        pytest.param(["a"], ["a", "b"], ["a", "vip"], ["a", "b", "vip"], id="a new one of the recipe comes"),
        pytest.param(["a"], ["a"], ["vip"], ["a", "vip"], id="one that an operator took away comes back"),
        pytest.param(None, ["a"], ["a", "old"], ["a", "old"], id="without a ledger all stay"),
    ],
)
def test_operators_tags_survive(then: list[str] | None, now: list[str], live: list[str], after: list[str]) -> None:
    """The recipe's tags are those that it gives, and the others are the operators'; the plan says which those are."""
    marks = ["env=dev", "meta-prefect=shop"]
    last = None if then is None else last_entry(a_deployment(tags=[*marks, *then]))
    desired = a_deployment(tags=[*marks, *now])

    change = diff_deployment(desired, stored(desired, tags=[*marks, *live]), last=last)

    record = change.after if isinstance(change, Update) else getattr(change, "live", {})
    assert record["tags"] == sorted([*marks, *after])
    theirs = [tag for tag in after if tag not in now]
    assert getattr(change, "kept", {}).get("tags", []) == theirs


def test_a_recipe_may_own_all_tags() -> None:
    """Then what operators add goes."""
    desired = a_deployment(owns_all={"tags"})

    change = diff_deployment(desired, stored(desired, tags=["env=dev", "meta-prefect=shop", "vip"]))

    assert isinstance(change, Update)
    assert change.after["tags"] == ["env=dev", "meta-prefect=shop"]


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
