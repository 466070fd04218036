"""What counts as a secret and what does not, as data in both directions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from meta_prefect.hidden_values import is_hidden, known_by, replaced_by_references, restored, secrets_in
from meta_prefect.redaction import (
    hidden,
    is_secret_name,
    redacted,
    remember,
    remember_within,
    sealed,
    without_userinfo,
)

S = "hunter2X"


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


SECRET_NAMES = words("""
    password DB_PASSWORD db.password PGPASSWORD_PROD dbPassword passwd passphrase secret SECRET_VALUE client_secret token TOKEN
    access_token accessToken GITHUB_TOKEN token_2 private_token API_KEY apiKey apikey X-Api-Key aws_secret_access_key private_key
    SIGNING_KEY encryptionKey account_key PREFECT_API_KEY PREFECT_API_AUTH_STRING connection_string SENTRY_DSN DB_PASS ADMIN_PWD
    GITHUB_PAT authorization credentials webhook_url --password api_keys
""")

PLAIN_NAMES = words("""
    key monkey keyboard tokenize tokenizer tokenized primary_key partition_key sort_key name user PWD pass passed compass
    token_url
    token_type secret_name secretName secretKeyRef max_token_count secret_env password_file secret_arn env AWS_ACCESS_KEY_ID
    author authority authentication description secretary flow/rotate-token secret_version image path timezone
""")


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_that_hold_secrets(name: str) -> None:
    """A key of this name holds a secret."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_that_hold_none(name: str) -> None:
    """A key of this name holds none, although it looks a little like it."""
    assert not is_secret_name(name)


HIDING_TEXTS = [
    f"https://ada:{S}@git.example/shop.git",
    f"http://{S}@git.example/shop",
    f"git+https://{S}@git.example/shop.git",
    f"git+https://x-access-token:{S}@git.example/shop.git",
    f"https://git.example/shop.git?private_token={S}",
    f"https://git.example/shop.git?ref=main&access_token={S}#top",
    f"https://store.example/file?X-Amz-Signature={S}",
    f"ssh://git:{S}@git.example/shop",
    f"postgresql+asyncpg://etl:{S}@db:5432/etl",
    f"redis://:{S}@cache",
    f"cannot reach http://ada:{S}@127.0.0.1:4200/api (ConnectError)",
    f"('https://{S}@git.example', 3)",
    f"https://hooks.slack.com/services/T0/B0/{S}",
    f"DB_PASSWORD={S} python run.py",
    f'env: DB_PASSWORD="{S} with blanks"',
    f"{{'token': '{S}'}}",
    f'{{"db": {{"password": "{S}", "port": 5432}}}}',
    f'{{"password": "{S}',
    f"Settings(api_key='{S}')",
    f"psql --password {S} -d etl",
    f"Authorization: Bearer {S}abcd",
    f"headers={{'Authorization': 'Basic {S}='}}",
    f"curl -H 'bearer {S}.{S}'",
    f"1 validation error for Db\npassword\n  wrong [type=string_type, input_value='{S}', input_type=str]",
]


@pytest.mark.parametrize("text", HIDING_TEXTS)
def test_texts_with_a_secret(text: str) -> None:
    """The secret is hidden, and once is enough."""
    clean = redacted(text)
    assert S not in clean
    assert "(hidden)" in clean
    assert redacted(clean) == clean


SHAPES = ["ghp_" + "a1B2" * 9, "glpat-" + "x" * 20, "pnu_" + "a1b2" * 9, "xoxb-1234567890-abcdef", "sk-" + "a" * 40]


@pytest.mark.parametrize("key", SHAPES)
def test_keys_whose_form_gives_them_away(key: str) -> None:
    """They are hidden wherever they stand."""
    assert redacted(f"Failed to clone with {key}, try again") == "Failed to clone with (hidden), try again"


def test_a_private_key_is_hidden_whole() -> None:
    """Not only its first line."""
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----"
    assert redacted(f"x\n{key}\ny") == "x\n(hidden)\ny"


PLAIN_TEXTS = [
    "the tags key=abc, env=prod, meta-prefect=shop and max_tokens=5",
    "tokenize: true",
    "http://127.0.0.1:4200/api",
    "https://git.example/shop.git?ref=main&page=2",
    "ssh://git@git.example/shop.git",
    "git@github.com:shop/shop.git",
    "ada@build-7.example",
    "a token is named, never written down: give a saved block as '<block type>/<name>', such as 'secret/git'",
    "local_run_deployer.with_variables(token=…)",
    "git_code(token='secret/git')",
    "TOKEN={{ prefect.blocks.secret.git }}",
    "https://x-access-token:{{prefect.blocks.secret.git}}@git.example/shop",
    "bootstrap the deployer again with another `--token`.",
    "--token names a block",
    "Bearer authentication is needed",
    "password: Input should be a valid string",
    "s3://bucket/key?versionId=5",
    "'token': None",
    "FREQ=DAILY;BYDAY=MO;BYHOUR=9",
]


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_texts_without_one(text: str) -> None:
    """They stay as they are."""
    assert redacted(text) == text


HIDING_VALUES: list[Any] = [
    {"env": {"DB_PASSWORD": S}},
    {"env": [{"name": "DB_PASSWORD", "value": S}]},
    {"token": S},
    {"passwords": {"db": S}},
    {"tokens": [S, S]},
    {"parameters": {"db": {"user": "etl", "password": S}}},
    {"command": ["run", "--password", S]},
    {"command": f"run --api-key={S}"},
    {"properties": {"password": {"title": "Password", "default": S}}},
    {"pull_steps": [{"git_clone": {"repository": f"https://{S}@git.example"}}]},
    {"secrets": {"DB_PASSWORD": S}},
    {"credentials": {"username": "ada", "access_token": S}},
    [{"Authorization": S}],
]


@pytest.mark.parametrize("value", HIDING_VALUES, ids=json.dumps)
def test_values_with_a_secret(value: Any) -> None:
    """The secret is hidden and its place is known; once is enough, also of what is recorded."""
    shown = hidden(value)
    assert S not in json.dumps(shown)
    assert is_hidden(shown)
    assert len(secrets_in(value)) == json.dumps(value).count(S)
    assert hidden(shown) == shown
    assert hidden(sealed(value)) == shown
    assert sealed(sealed(value)) == sealed(value)


PLAIN_VALUES: list[Any] = [
    {"env": {"STAGE": "prod", "TOKEN": "{{ prefect.blocks.secret.git }}", "URL": "https://api.example"}},
    {"token": "secret/git", "credentials": "shop-s3"},
    {"token": "github-credentials/shop"},
    {"tokenize": True, "max_tokens": 4096, "password": None, "secret": ""},
    {"secrets": {"DB_PASSWORD": "shop-db/password", "KEY": "arn:aws:secretsmanager:eu-west-1:1:secret:db"}},
    {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}}}]},
    {"properties": {"password": {"title": "Password", "type": "string", "position": 0}, "secret": {"anyOf": []}}},
    {"schedules": {"rotate-tokens": {"rrule": "FREQ=DAILY", "parameters": {"x": 1}}}},
    {"states": {"deployment rotate/token": {"before": "abc"}}, "versions": {"flow/secret": "3"}},
    {"tags": ["key=abc", "team-secrets"], "description": "rotates the password of the shop"},
    {"credentials": {"username": "oauth2", "access_token": "{{ prefect.blocks.secret.git }}"}},
    {"imagePullSecrets": [{"name": "registry"}]},
]


@pytest.mark.parametrize("value", PLAIN_VALUES, ids=json.dumps)
def test_values_without_one(value: Any) -> None:
    """They stay as they are."""
    assert hidden(value) == value
    assert secrets_in(value) == []


@pytest.mark.parametrize(
    ("path", "is_secret"),
    [
        ("job_variables.env.DB_PASSWORD", True),
        ("parameters.db.password", True),
        ("job_variables.env.STAGE", False),
        ("parameter_openapi_schema.properties.password.title", False),
        ("parameter_openapi_schema.properties.password.default", True),
        ("schedules.rotate-tokens.rrule", False),
        ("schedules.daily.parameters.token", True),
    ],
)
def test_a_path_says_what_a_value_is(path: str, is_secret: bool) -> None:
    """A field of a plan is hidden by its place."""
    assert is_hidden(hidden("value", path)) is is_secret


class Database(BaseModel):
    """A variable with secrets of its own."""

    password: SecretStr
    key: SecretBytes


def test_values_of_secret_types_are_hidden_wherever_they_come_out() -> None:
    """A recipe unwraps them, and under no name that gives them away they are hidden all the same; short ones alone."""
    remember_within([{"db": Database(password=SecretStr("correct horse"), key=SecretBytes(b"battery"))}])
    remember("dev3")

    assert redacted("cannot log in with correct horse (battery)") == "cannot log in with (hidden) ((hidden))"
    assert redacted("dev3-pool") == "dev3-pool"
    assert is_hidden(hidden({"x": "dev3"}))
    assert is_hidden(hidden({"x": "as etl/correct horse"}))


STORED = {
    "env": {"DB_PASSWORD": S, "STAGE": "dev"},
    "steps": [{"clone": {"repository": f"https://{S}@x", "branch": "a"}}],
}


@pytest.mark.parametrize(
    ("live", "expected", "lost"),
    [
        pytest.param(STORED, STORED, [], id="the same"),
        pytest.param(
            {"env": {"DB_PASSWORD": "other"}, "steps": STORED["steps"]},
            {**STORED, "env": {"DB_PASSWORD": "other", "STAGE": "dev"}},
            ["env.DB_PASSWORD"],
            id="another one",
        ),
        pytest.param(
            None,
            {"env": {"STAGE": "dev"}, "steps": [{"clone": {"branch": "a"}}]},
            ["env.DB_PASSWORD", "steps.0.clone.repository"],
            id="gone",
        ),
    ],
)
@pytest.mark.usefixtures("a_key")
def test_what_is_hidden_is_filled_in_from_what_is_live(live: Any, expected: Any, lost: list[str]) -> None:
    """What no longer is what it was is named, and never replaced by the words that hide it."""
    assert restored(sealed(STORED), live) == (expected, lost)


def test_the_ledger_shows_where_secrets_stand() -> None:
    """A process that has never seen a secret knows it by the mark in its place, and no text that is only partly one."""
    stored = {"env": {"PLAIN": "(hidden 3f2a)", "X": "y"}, "url": "https://(hidden 3f2a)@x", "all": ["(hidden 3f2a)"]}
    live = {"env": {"PLAIN": "one", "X": "z"}, "url": "https://two@x", "all": ["three", "four"]}
    assert list(known_by(stored, live)) == ["one", "three"]
    assert list(known_by(None, live)) == []


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        (f"http://ada:{S}@127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://api.prefect.cloud/api/accounts/a@b", "https://api.prefect.cloud/api/accounts/a@b"),
        (f"http://[::1]:4200/api?x={S}", f"http://[::1]:4200/api?x={S}"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_addresses_are_compared_without_who_asks(address: str, bare: str) -> None:
    """User and password do not make another server."""
    assert without_userinfo(address) == bare


@pytest.mark.parametrize(
    ("live", "wanted", "secrets"),
    [
        pytest.param("t0ken", "{{ prefect.blocks.secret.x }}", ["t0ken"], id="a block's reference"),
        pytest.param(
            "p://u:t0ken@h", "p://u:{{ prefect.blocks.secret.x }}@h", ["p://u:t0ken@h"], id="a part of a text"
        ),
        pytest.param("{{ prefect.blocks.secret.y }}", "{{ prefect.blocks.secret.x }}", [], id="another reference"),
        pytest.param("dev", "{{ prefect.variables.stage }}", [], id="a variable, which is no secret"),
        pytest.param("a", "b", [], id="plain values"),
        pytest.param(None, "{{ prefect.blocks.secret.x }}", [], id="nothing"),
    ],
)
def test_what_a_reference_replaces_was_a_secret(live: Any, wanted: Any, secrets: list[str]) -> None:
    """Prefect's deploy had resolved the reference, whatever the key above it is called."""
    found = replaced_by_references({"env": [{"OPAQUE": live}]}, {"env": [{"OPAQUE": wanted}]})

    assert list(found) == secrets
