"""Code that moves between a source that all hosts share and a folder of one host, or between two folders."""

from __future__ import annotations

from typing import Any

import pytest
from server_answer import stored
from values import a_deployment

from meta_prefect.plan.changes import Change, Plan
from meta_prefect.plan.code_moves import in_words, moves_of, refused, without_move
from meta_prefect.plan.diff import diff_deployment

COMMIT = "7fd9fa7" + "0" * 33
GIT = [{"prefect.deployments.steps.git_clone": {"repository": "https://git.example/shop.git", "commit_sha": COMMIT}}]
BRANCH = [{"prefect.deployments.steps.git_clone": {"repository": "https://git.example/shop.git", "branch": "main"}}]
S3 = [{"prefect_aws.deployments.steps.pull_from_s3": {"bucket": "code", "folder": "shop/1"}}]
FOLDER = [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/shop"}}]
ELSEWHERE = [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/other"}}]
OWN: list[Any] = [{"my_team.steps.get_code": {}}]


def moved(before: list[Any], after: list[Any], image: str | None = None) -> Change:
    """A change of nothing but the pull steps; ``image`` is what the live deployment runs in."""
    variables = {"image": image} if image else {}
    live = stored(a_deployment(pull_steps=before, job_variables=variables))
    return diff_deployment(a_deployment(pull_steps=after), live)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            moved(GIT, FOLDER),
            [
                "code moves from https://git.example/shop.git @7fd9fa7 to the folder /srv/shop of host h for 1 deployment"
            ],
            id="from Git",
        ),
        pytest.param(
            moved(BRANCH, FOLDER),
            ["code moves from https://git.example/shop.git @main to the folder /srv/shop of host h for 1 deployment"],
            id="from a branch",
        ),
        pytest.param(
            moved(S3, FOLDER),
            ["code moves from code/shop/1 to the folder /srv/shop of host h for 1 deployment"],
            id="from S3",
        ),
        pytest.param(
            moved(FOLDER, FOLDER, image="shop:7"),
            ["code moves from the image shop:7 to the folder /srv/shop of host h for 1 deployment"],
            id="from an image",
        ),
        pytest.param(
            moved(FOLDER, GIT),
            ["code moves from the folder /srv/shop to https://git.example/shop.git @7fd9fa7 for 1 deployment"],
            id="back",
        ),
        pytest.param(
            moved(FOLDER, ELSEWHERE),
            ["code moves from the folder /srv/shop to the folder /srv/other of host h for 1 deployment"],
            id="another folder",
        ),
        pytest.param(moved(GIT, S3), [], id="both are shared"),
        pytest.param(moved(OWN, FOLDER), [], id="from nobody knows where"),
        pytest.param(moved(GIT, GIT), [], id="unchanged"),
    ],
)
def test_moves_in_words(change: Change, told: list[str]) -> None:
    """A plan names from where to where code moves, and says nothing where it stays."""
    assert list(in_words(moves_of(Plan(deployments=(change,))), "h")) == told


def test_moves_that_are_alike_are_told_once() -> None:
    """Eleven deployments of one project move in one sentence."""
    (told,) = in_words(moves_of(Plan(deployments=(moved(GIT, FOLDER),) * 11)), "h")
    assert told.endswith("for 11 deployments")


def test_only_the_way_to_a_folder_is_refused() -> None:
    """What is refused names both ways out; to a shared source code may always go."""
    error = refused(moves_of(Plan(deployments=(moved(GIT, FOLDER),))), "h")
    assert error is not None
    assert "--remote" in str(error)
    assert "--local-code" in str(error)
    for change in (moved(FOLDER, GIT), moved(FOLDER, ELSEWHERE)):
        assert refused(moves_of(Plan(deployments=(change,))), "h") is None


def test_a_change_without_its_move() -> None:
    """Where nothing else differs, nothing is left of it."""
    change = without_move(moved(GIT, FOLDER))
    assert moves_of(Plan(deployments=(change,))) == ()
    assert Plan(deployments=(change,)).changes == ()
