"""The environment that a background process of ours is given: pure, environment in, environment out.

A process that outlives us must not carry what belonged to one run. Started from a command line it has that shell's
environment, as one started by hand would; started from inside a flow run, whose environment holds that run's identity and
its job variables (secrets among them), it has only what is on a list.
"""

from __future__ import annotations

from collections.abc import Mapping

RUN_MARKERS = ("PREFECT__FLOW_RUN_ID", "PREFECT__FLOW_ENTRYPOINT", "PREFECT__DEPLOYMENT_NAME")
"""Variables that Prefect sets in the process of a flow run. A deploy that was typed runs in a flow too, but without them."""

_OF_ONE_RUN = ("PREFECT__", "META_PREFECT__")

_ALLOWED = frozenset(
    {
        # the user and the machine
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        # Prefect's home and API
        "PREFECT_HOME", "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING",
        "PREFECT_API_SSL_CERT_FILE", "PREFECT_API_TLS_INSECURE_SKIP_VERIFY",
        # the way to that API: without these a worker behind a proxy or a private authority is deaf
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    }
)  # fmt: skip
_ALLOWED_PREFIXES = ("LC_", "PREFECT_CLIENT_")


def in_flow_run(environ: Mapping[str, str]) -> bool:
    """Say whether this environment is that of a process which Prefect started to execute a flow run."""
    return any(environ.get(marker) for marker in RUN_MARKERS)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep what a process that outlives this one may have.

    Args:
        environ: The environment of this process. Names are compared without regard to case, as Prefect and pydantic do.

    Returns:
        All of it less ``PREFECT__*`` and ``META_PREFECT__*``; inside a flow run only the names on the list.
    """
    keep = _is_allowed if in_flow_run(environ) else _is_lasting
    return {name: value for name, value in environ.items() if keep(name.upper())}


def without_prefect_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Drop every ``PREFECT_*`` variable: for a process whose Prefect settings are decided here alone."""
    return {name: value for name, value in environ.items() if not name.upper().startswith("PREFECT_")}


def _is_lasting(name: str) -> bool:
    return not name.startswith(_OF_ONE_RUN)


def _is_allowed(name: str) -> bool:
    return name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
