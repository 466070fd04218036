"""The environment variables of background processes, computed from this process's own (pure functions).

A process that outlives us must not inherit what belongs to a single run. Started from a command line, it gets that shell's
environment, as if started by hand. Started inside a flow run, whose environment holds the run's identity and its job
variables (including secrets), it gets only the variables on an allow-list.
"""

from __future__ import annotations

from collections.abc import Mapping

RUN_MARKERS = ("PREFECT__FLOW_RUN_ID", "PREFECT__FLOW_ENTRYPOINT", "PREFECT__DEPLOYMENT_NAME")
"""Variables that Prefect sets in a flow run's process. A deploy typed in a shell is a flow run too, but without them."""

_OF_ONE_RUN = ("PREFECT__", "META_PREFECT__")

_ALLOWED = frozenset(
    {
        # user and machine
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        # Prefect's home and API
        "PREFECT_HOME", "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING",
        "PREFECT_API_SSL_CERT_FILE", "PREFECT_API_TLS_INSECURE_SKIP_VERIFY",
        # how to reach that API: a worker behind a proxy or with a private CA needs these
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    }
)  # fmt: skip
_ALLOWED_PREFIXES = ("LC_", "PREFECT_CLIENT_")


def in_flow_run(environ: Mapping[str, str]) -> bool:
    """Return whether this is the environment of a process that Prefect started to execute a flow run."""
    return any(environ.get(marker) for marker in RUN_MARKERS)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep the variables that a process outliving this one may inherit.

    Args:
        environ: The environment of this process. Names are case-insensitive, as in Prefect and pydantic.

    Returns:
        Everything except ``PREFECT__*`` and ``META_PREFECT__*``; inside a flow run, only the names on the allow-list.
    """
    keep = _is_allowed if in_flow_run(environ) else _is_lasting
    return {name: value for name, value in environ.items() if keep(name.upper())}


def without_prefect_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Drop every ``PREFECT_*`` variable, for a process whose Prefect settings are fully determined here."""
    return {name: value for name, value in environ.items() if not name.upper().startswith("PREFECT_")}


def _is_lasting(name: str) -> bool:
    return not name.startswith(_OF_ONE_RUN)


def _is_allowed(name: str) -> bool:
    return name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
