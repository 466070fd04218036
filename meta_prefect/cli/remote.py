"""``meta-prefect deploy --remote``: lets a deployer in Prefect deploy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meta_prefect.cli.ending import INTERRUPTED
from meta_prefect.cli.options import explicit_options
from meta_prefect.cli.output import Output


def deploy_by_deployer(targets: Sequence[str], **parameters: Any) -> int:
    """Run the project's deployer and print its log; returns the exit code."""
    from meta_prefect.deploy import split_targets
    from meta_prefect.deploy.remote import deploy_remotely

    output = Output()
    path, names = split_targets(targets)
    # Options that were not given are left to the deployer, whose form may not even offer them.
    asked = {**explicit_options(parameters), **({"names": list(names)} if names else {})}
    try:
        ended = deploy_remotely(path, asked, output.say)
    except KeyboardInterrupt:
        output.say("interrupted; a run that was started goes on: it can be cancelled in the Prefect UI")
        return INTERRUPTED
    output.raw(f"{ended.state}{f': {ended.message}' if ended.message else ''}")
    return 0 if ended.succeeded else 1
