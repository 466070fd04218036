"""What of an environment a background process is given."""

from __future__ import annotations

import pytest

from meta_prefect.local.environment import clean_environment, in_flow_run, without_prefect_settings

RUN = {"PREFECT__FLOW_RUN_ID": "0190-…", "PREFECT__FLOW_ENTRYPOINT": "flow.py:f"}


@pytest.mark.parametrize(
    ("environ", "kept"),
    [
        pytest.param({}, set[str](), id="nothing"),
        pytest.param(
            {"PATH": "/bin", "MY_TOKEN": "t", "PYTHONPATH": "src"}, {"PATH", "MY_TOKEN", "PYTHONPATH"}, id="shell"
        ),
        pytest.param(
            {"PREFECT_API_URL": "u", "PREFECT_LOGGING_LEVEL": "DEBUG"},
            {"PREFECT_API_URL", "PREFECT_LOGGING_LEVEL"},
            id="shell's Prefect settings",
        ),
        pytest.param({"META_PREFECT__ENV": "prod", "META_PREFECT__TAGS": "a"}, set[str](), id="ours"),
        pytest.param({"meta_prefect__env": "prod", "Prefect__x": "1"}, set[str](), id="in any case"),
        pytest.param({"PREFECT__SERVER_FINAL": "1"}, set[str](), id="Prefect's internal ones"),
        pytest.param(
            RUN | {"PATH": "/bin", "HOME": "/h", "MY_TOKEN": "t"}, {"PATH", "HOME"}, id="run: job variables are dropped"
        ),
        pytest.param(
            RUN | {"LANG": "C", "LC_ALL": "C", "TZ": "UTC", "TMPDIR": "/t", "USER": "u"},
            {"LANG", "LC_ALL", "TZ", "TMPDIR", "USER"},
            id="run: locale and user",
        ),
        pytest.param(
            RUN
            | {
                "PREFECT_HOME": "h",
                "PREFECT_API_URL": "u",
                "PREFECT_API_KEY": "k",
                "PREFECT_API_AUTH_STRING": "a:b",
                "PREFECT_CLIENT_MAX_RETRIES": "3",
            },
            {
                "PREFECT_HOME",
                "PREFECT_API_URL",
                "PREFECT_API_KEY",
                "PREFECT_API_AUTH_STRING",
                "PREFECT_CLIENT_MAX_RETRIES",
            },
            id="run: API settings",
        ),
        pytest.param(
            RUN | {"PREFECT_API_DATABASE_PASSWORD": "p", "PREFECT_LOGGING_LEVEL": "DEBUG"},
            set[str](),
            id="run: other Prefect settings",
        ),
        pytest.param(
            RUN | {"SSL_CERT_FILE": "c", "https_proxy": "p"},
            {"SSL_CERT_FILE", "https_proxy"},
            id="run: the way to the API",
        ),
        pytest.param({"PREFECT__FLOW_RUN_ID": "", "MY_TOKEN": "t"}, {"MY_TOKEN"}, id="an empty marker is no run"),
    ],
)
def test_what_is_kept(environ: dict[str, str], kept: set[str]) -> None:
    """A shell's environment is kept less what belongs to one run; a flow run's only as far as the list goes."""
    before = dict(environ)
    assert clean_environment(environ) == {name: environ[name] for name in kept}
    assert environ == before


def test_a_flow_run_is_known_by_its_variables() -> None:
    """Only a process that Prefect started for a flow run counts as one."""
    assert in_flow_run(RUN)
    assert not in_flow_run({"PREFECT_API_URL": "u"})


def test_prefect_settings_can_be_dropped() -> None:
    """For a process whose settings we decide, no variable of Prefect is left, in any case."""
    environ = {"PREFECT_SERVER_API_HOST": "0.0.0.0", "prefect_home": "h", "PATH": "/bin"}  # noqa: S104 - dropped
    assert without_prefect_settings(environ) == {"PATH": "/bin"}
