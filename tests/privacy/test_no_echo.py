"""What refuses a secret does not print it: every check of a value that may be one."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fakes import FakeHost
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from values import a_deployment, a_draft

from deployer_flows.bootstrapping import DeployerSetup
from meta_prefect import recipe
from meta_prefect.cli.program import print_traceback
from meta_prefect.errors import MetaPrefectError, UnreachableError, first_line
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code import git_code
from meta_prefect.implementations.code.project_source import ProjectSource
from meta_prefect.implementations.infra.worker_manifests import ClusterWorker
from meta_prefect.implementations.run_settings import env_variables, job_variables, parameters
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.private_logs import keep_logs_private
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.recipes.variables import check_variables
from meta_prefect.server.requests import sent, server_errors
from meta_prefect.settings import read_settings

S = "hunter2X"
HTTPS = "https://git.example/shop.git"


class Login(BaseModel):
    """A user and a password, of which the second has a check of its own."""

    user: str
    password: str = Field(min_length=20)

    @field_validator("password")
    @classmethod
    def _strong(cls, password: str) -> str:
        raise ValueError(f"{password!r} is too weak; {password} will not do")


class Weak(BaseModel):
    """A value that is refused by a check that quotes it."""

    api_key: str

    @field_validator("api_key")
    @classmethod
    def _no(cls, key: str) -> str:
        raise ValueError(f"{key!r} is no key, and {key} never was")


@recipe
def secretive(
    login: Login, token: int = 0, key: SecretStr | None = None, hosts: dict[str, int] | None = None
) -> Builder:
    """A recipe of an expert's.

    Args:
        login: How to log in.
        token: A number.
        key: A secret.
        hosts: Ports by name.
    """
    del login, token, key, hosts
    return job_variables(values={})


BUILDERS: dict[str, Callable[[], Any]] = {
    "a token": lambda: git_code(repository=HTTPS, token=S),
    "a token beside a wrong branch": lambda: git_code(repository=HTTPS, token=S, branch="-x"),
    "a password in an address": lambda: git_code(repository=f"https://ada:{S}@git.example/shop.git"),
    "a user in an address": lambda: git_code(repository=f"https://{S}@git.example/shop.git"),
    "http": lambda: git_code(repository=f"http://{S}@git.example/shop.git"),
    "git+https": lambda: git_code(repository=f"git+https://{S}@git.example/shop.git"),
    "ssh": lambda: git_code(repository=f"ssh://git:{S}@git.example/shop.git"),
    "a query": lambda: git_code(repository=f"https://git.example/shop.git?private_token={S}"),
    "a source": lambda: ProjectSource(repository=f"http://{S}@git.example/shop.git"),
    "a token of a source": lambda: ProjectSource(repository=HTTPS, token=S),
    "an API": lambda: ClusterWorker(api_url=f"https://ada:{S}@prefect.example/api"),
    "an expert's check": lambda: Weak(api_key=S),
    "a model in a model": lambda: Login.model_validate({"password": S}),
    "environment variables": lambda: env_variables(values={"DB_PASSWORD": [S]}),  # pyright: ignore[reportArgumentType]
    "job variables": lambda: job_variables(values=[{"password": S}]),  # pyright: ignore[reportArgumentType]
    "a wrong keyword": lambda: parameters(values={}, password=S),  # pyright: ignore[reportCallIssue]
    "bootstrap's variables": lambda: DeployerSetup(
        source=ProjectSource(repository=HTTPS), variables={"db_password": S}
    ),
    "bootstrap's addresses": lambda: DeployerSetup(
        source=ProjectSource(repository=HTTPS), variables={"env": {"INDEX": f"https://ada:{S}@pypi.example/simple"}}
    ),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
def test_a_builder_that_refuses_a_secret_does_not_show_it(build: Callable[[], Any]) -> None:
    """It is refused, and what is said of that names the place and not the value."""
    with pytest.raises(ValidationError) as refused:
        build()

    assert S not in first_line(refused.value)


VARIABLES: dict[str, dict[str, Any]] = {
    "a check that quotes it": {"login": {"user": "ada", "password": S * 3}},
    "too short": {"login": {"user": "ada", "password": S}},
    "something is missing beside it": {"login": {"password": S}},
    "of another type": {"login": {"user": "ada", "password": S}, "token": S},
    "a model that is none": {"login": f"ada:{S}@db", "token": {"password": S}},
    "a list of it": {"login": {"user": "ada", "password": S}, "token": [S]},
    "under an unknown name": {"login": {"user": "ada", "password": S}, "passwords": [S]},
    "a secret type": {"login": {"user": "ada", "password": S}, "key": {"key": S}},
    "an address": {"login": {"user": "ada", "password": S}, "hosts": {"db": f"postgresql://etl:{S}@db"}},
}


@pytest.mark.parametrize("given", VARIABLES.values(), ids=VARIABLES.keys())
def test_a_variable_that_is_refused_is_not_shown_where_it_is_a_secret(given: dict[str, Any]) -> None:
    """Errors of a recipe's variables say which key is meant, and hide its value and all secrets around it."""
    given_recipe: Any = secretive
    assert isinstance(given_recipe, Recipe)

    found = check_variables(given_recipe.variables_model, given, "secretive", lambda *place: ".".join(map(str, place)))

    assert isinstance(found, list)
    # An address is hidden in part only where it is one: 'ada:…@db' has no scheme.
    said = "\n".join(str(error) for error in found).replace(f"ada:{S}@db", "")
    assert S not in said


def test_environment_variables_are_shown_only_where_they_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting is quoted, and an address in it is clean."""
    monkeypatch.setenv("META_PREFECT__START_WORKER", f"https://ada:{S}@host")
    with pytest.raises(MetaPrefectError) as error:
        read_settings()
    assert S not in str(error.value)
    assert "https://(hidden" in str(error.value)


class leaking(Builder):  # noqa: N801 - used like a function
    """Somebody's builder, which raises what it was given."""

    dsn: str = ""
    password: SecretStr = SecretStr("correct horse")

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Raise."""
        del deployment
        raise RuntimeError(f"cannot connect to {self.dsn} with {self.password.get_secret_value()}\x1b]0;pwned\x07")


def test_an_error_of_somebody_elses_builder_is_clean() -> None:
    """Addresses, values of secret types and control characters that it holds do not come through."""
    draft = a_draft(leaking(dsn=f"postgresql://etl:{S}@db/etl"))
    draft.apply(draft.builders[0])

    (error,) = draft.errors
    assert "cannot connect to postgresql://etl:(hidden)@db/etl with (hidden)\\u001b]0;pwned" in str(error)


@pytest.mark.parametrize("field", ["parameters", "job_variables"])
def test_what_is_hidden_is_never_deployed(field: str) -> None:
    """Copied from a page of a run, a hidden value is refused with the way out."""
    given: dict[str, Any] = {field: {"x": {"password": "(hidden 3f2a)"}}}
    draft = a_draft(parameters(values={}), **given)
    draft.complete(FakeHost())
    (error, *_) = draft.errors
    assert f"{field}: a value is '(hidden)', which is how a secret is shown" in str(error)
    assert "prefect.blocks.secret" in str(error)


@pytest.mark.parametrize(
    ("path", "is_told"),
    [
        ("/artifacts/", True),
        ("/artifacts/1", True),
        ("/flow_runs/1", True),
        ("/deployments/", False),
        ("/deployments/1", False),
        ("/work_pools/", False),
    ],
)
def test_what_tells_of_a_deploy_holds_no_secret_and_what_is_deployed_does(path: str, is_told: bool) -> None:
    """Pages and names of runs are cleaned on their way; a deployment is written as it is wanted."""
    body = {"data": {"env": {"DB_PASSWORD": S}}}
    assert (sent(path, body) == body) is not is_told


def test_an_api_that_does_not_answer_is_named_without_its_password() -> None:
    """The error of a lost connection holds the address, and what httpx says of it."""
    url = f"http://ada:{S}@127.0.0.1:1/api"
    with pytest.raises(UnreachableError) as error, server_errors():
        raise httpx.ConnectError(f"no route to {url}", request=httpx.Request("GET", url))
    assert "the Prefect API at http://127.0.0.1:1/api does not answer" in str(error.value)
    assert S not in str(error.value)


def test_logs_of_runs_are_clean() -> None:
    """Messages, their arguments and tracebacks that Prefect's engine logs lose secrets and control characters."""
    keep_logs_private()
    logger = logging.getLogger("prefect.task_runs")
    with pytest.raises(RuntimeError) as raised:
        leaking(dsn=f"postgresql://etl:{S}@db").update_deployment(a_deployment())
    given = ({"password": S},)
    trace = (raised.type, raised.value, raised.tb)
    record = logger.makeRecord(logger.name, logging.ERROR, "x.py", 1, "failed with %s\x1b[2J", given, trace)
    assert logger.filter(record)

    written = logging.Formatter().format(record)
    assert S not in written
    assert "\x1b" not in written
    assert "postgresql://etl:(hidden)@db" in written


def test_a_traceback_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither `--debug` nor a bug prints what an exception or its cause quotes."""
    with pytest.raises(RuntimeError) as raised:
        leaking(dsn=f"postgresql://etl:{S}@db").update_deployment(a_deployment())
    print_traceback(raised.type, raised.value, raised.tb)
    printed = capsys.readouterr().err
    assert "RuntimeError: cannot connect to postgresql://etl:(hidden)@db" in printed
    assert S not in printed
    assert "\x1b" not in printed


def test_an_error_hides_its_secret_from_every_side() -> None:
    """Text, representation, arguments and traceback: a state's message may be any of them."""
    error = MetaPrefectError(f"no: https://{S}@git.example", where=f"x?token={S}", hint=f"export API_TOKEN={S}")
    error.asked_for_at(f"https://ada:{S}@place")
    sides = (str(error), repr(error), str(error.args), str(vars(error)), "".join(traceback.format_exception(error)))
    assert not any(S in side for side in sides)
