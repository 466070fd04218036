"""An environment that nothing is deployed to yet."""

from __future__ import annotations

import pytest

from meta_prefect.errors import TargetError
from meta_prefect.plan.environments import check_environment, near_miss


@pytest.mark.parametrize(
    ("environment", "known", "meant"),
    [
        ("prd", ("dev", "prod"), "prod"),
        ("pord", ("dev", "prod"), "prod"),
        ("prodd", ("dev", "prod"), "prod"),
        ("Prod", ("dev", "prod"), "prod"),
        ("deb", ("dev", "prod"), "dev"),
        ("stagign", ("staging",), "staging"),
        ("staging", ("dev", "prod"), None),
        ("pre-prod", ("dev", "prod"), None),
        ("dev-eu", ("dev", "prod"), None),
        ("qa", ("dev", "prod"), None),
    ],
)
def test_near_misses(environment: str, known: tuple[str, ...], meant: str | None) -> None:
    """A letter more, less, other or elsewhere is a slip; a name of its own is none."""
    assert near_miss(environment, known) == meant


def test_a_slip_is_an_error_and_a_new_name_a_remark() -> None:
    """Both name the environments that there are; where there is none yet, or it is known, nothing is said."""
    with pytest.raises(TargetError, match=r"is in 'prd' yet; known: dev, prod\. Did you mean 'prod'"):
        check_environment("shop", "prd", ("prod", "dev"))
    told = check_environment("shop", "staging", ("prod", "dev"))
    assert told == "staging is a new environment of project shop; known: dev, prod"
    assert check_environment("shop", "prod", ("prod", "dev")) is None
    assert check_environment("shop", "prod", ()) is None
