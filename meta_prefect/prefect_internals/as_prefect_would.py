"""Determines what `prefect deploy` would store, by running Prefect's own functions in a subprocess where they cannot write.

Prefect has no dry run. Its own loading, merging, templating and defaults run unchanged here; functions that write, run steps,
or read the values of blocks and variables are replaced, so that nothing has an effect and no secret is read. Steps return no
outputs.

Run as `python -m meta_prefect.prefect_internals.as_prefect_would FILE…` in the files' folder. For each deployment, it prints
a JSON line with the file, the flow's name and the API's hypothetical response, or the reason why Prefect rejects it.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from prefect.cli.deploy import _config, _core  # pyright: ignore[reportPrivateUsage] - see the module's text
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.deployments.runner import RunnerDeployment
from rich.console import Console

_METADATA: Final = ("name", "version", "tags", "description", "entrypoint", "parameters", "enforce_parameter_schema")
_SETTINGS: Final = ("paused", "concurrency_options", "work_pool_name", "work_queue_name", "job_variables")


class _Stored(Exception):  # noqa: N818 - no error: the way out of Prefect's function, which prints on otherwise
    """Raised instead of storing a deployment."""

    def __init__(self, answer: dict[str, Any], flow_name: str) -> None:
        super().__init__(flow_name)
        self.answer = answer
        self.flow_name = flow_name


class _Kept(RunnerDeployment):
    """A deployment that reports what it would store instead of storing it."""

    def apply(self, schedules: list[dict[str, Any]] | None = None, *_: Any, **__: Any) -> Any:
        """Raise with what would be stored."""
        self._get_deployment_version_info(self.version_type)
        record: dict[str, Any] = self.model_dump(mode="json", include={*_METADATA, *_SETTINGS})
        made = [DeploymentScheduleCreate(**one).model_dump(mode="json") for one in schedules or ()]
        steps: Any = self.storage.to_pull_step() if self.storage else None
        answer: dict[str, Any] = {
            **record,
            "id": record["name"],
            "pull_steps": steps or [],
            "schedules": [{**one, "id": str(index)} for index, one in enumerate(made)],
            "global_concurrency_limit": {"limit": self.concurrency_limit} if self.concurrency_limit else None,
            "parameter_openapi_schema": self._parameter_openapi_schema.model_dump(exclude_unset=True),
        }
        raise _Stored(answer, self.flow_name or "")


class _AnyPool:
    """A client for which every work pool exists."""

    async def read_work_pool(self, name: str) -> Any:
        """Return a pool of arbitrary type."""
        return SimpleNamespace(name=name, type="", base_job_template={}, is_push_pool=False, is_managed_pool=False)


async def _unresolved(template: Any, *_: Any, **__: Any) -> Any:
    return template


async def _no_outputs(*_: Any, **__: Any) -> dict[str, Any]:
    return {}


async def _stored(config: dict[str, Any], actions: dict[str, Any]) -> dict[str, Any]:
    client: Any = _AnyPool()
    quiet = Console(file=io.StringIO())
    try:
        await _core._run_single_deploy(  # pyright: ignore[reportPrivateUsage]
            config, actions, {}, client, console=quiet, is_interactive=lambda: False
        )
    except _Stored as stored:
        return {"flow_name": stored.flow_name, "answer": stored.answer}
    except Exception as refusal:  # noqa: BLE001 - whatever stops Prefect
        return {"refused": f"{type(refusal).__name__}: {refusal}"}
    return {"refused": "nothing is stored"}


async def main(files: list[str]) -> None:
    """Print what would be stored for each file."""
    for file in files:
        quiet = Console(file=io.StringIO())
        configs, actions = _config._load_deploy_configs_and_actions(  # pyright: ignore[reportPrivateUsage]
            Path(file), console=quiet
        )
        for config in configs:
            if config.get("name") is not None:  # Prefect skips deployments without a name
                result = {"file": file, "name": config["name"], **await _stored(config, actions)}
                sys.stdout.write(json.dumps(result) + "\n")


REPLACED: Final[dict[str, Any]] = {
    "RunnerDeployment": _Kept,
    "run_steps": _no_outputs,
    "resolve_block_document_references": _unresolved,
    "resolve_variables": _unresolved,
}
"""Prefect's functions that write or read secrets, and their no-op replacements."""


def _disable_side_effects() -> None:
    missing = REPLACED.keys() - vars(_core).keys()
    if missing:  # refuse to run if one of them might still write
        sys.exit(f"this version of Prefect has no {', '.join(sorted(missing))} to replace")
    for name, stand_in in REPLACED.items():
        setattr(_core, name, stand_in)


if __name__ == "__main__":
    _disable_side_effects()
    asyncio.run(main(sys.argv[1:]))
