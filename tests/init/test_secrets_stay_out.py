"""What looks like a secret is in no file that `init` writes: a reference stands in its place, or nothing with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from meta_prefect.init.found import Found, FoundDeployment
from meta_prefect.init.secrets import without_secrets

CLONE = "prefect.deployments.steps.git_clone"


@pytest.mark.parametrize(
    ("variables", "expected", "blocks"),
    [
        pytest.param(
            {"job_variables": {"env": {"DB_PASSWORD": "hunter2hunter2", "STAGE": "blue"}}},
            {"job_variables": {"env": {"DB_PASSWORD": "{{ prefect.blocks.secret.db-password }}", "STAGE": "blue"}}},
            {"db-password"},
            id="an environment variable",
        ),
        pytest.param(
            {"job_variables": {"env": {"DB": "postgres://u:hunter2hunter2@h/db"}}},
            {"job_variables": {"env": {"DB": "{{ prefect.blocks.secret.db }}"}}},
            {"db"},
            id="an address with a password",
        ),
        pytest.param(
            {"pull": [{CLONE: {"repository": "https://hunter2hunter2@git.example/a.git"}}]},
            {
                "pull": [
                    {
                        CLONE: {
                            "repository": "https://git.example/a.git",
                            "access_token": "{{ prefect.blocks.secret.access-token }}",
                        }
                    }
                ]
            },
            {"access-token"},
            id="a token in a repository's address",
        ),
        pytest.param(
            {"parameters": {"api_token": "hunter2hunter2"}}, {}, set[str](), id="a parameter, which nothing resolves"
        ),
        pytest.param(
            {"job_variables": {"env": {"TOKEN": "{{ prefect.blocks.secret.mine }}"}}},
            {"job_variables": {"env": {"TOKEN": "{{ prefect.blocks.secret.mine }}"}}},
            set[str](),
            id="what is a reference stays",
        ),
    ],
)
def test_a_secret_is_replaced(variables: dict[str, Any], expected: dict[str, Any], blocks: set[str]) -> None:
    """The remark names the place and what to do, and not the secret."""
    found, to_be = without_secrets(Found(None, (FoundDeployment("etl/a", "etl", None, variables),)))

    (one,) = found.deployments
    assert (dict(one.variables), to_be) == (expected, blocks)
    assert bool(one.remarks) == (variables != expected)
    assert "hunter2" not in repr(found)


def test_one_value_is_one_block_and_two_values_of_one_key_are_two() -> None:
    """Deployments that share a password share its block."""
    found = Found(
        None,
        tuple(
            FoundDeployment(f"etl/{number}", "etl", None, {"job_variables": {"env": {"TOKEN": value}}})
            for number, value in enumerate(("value-one-1", "value-two-2", "value-one-1"))
        ),
    )

    readable, blocks = without_secrets(found)

    tokens = [one.variables["job_variables"]["env"]["TOKEN"] for one in readable.deployments]
    assert blocks == {"token", "token-2"}
    assert tokens[0] == tokens[2] != tokens[1]
