"""The ``meta-prefect`` application: the main commands, and the registration of all others."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from cyclopts import App, CycloptsError, Parameter

from meta_prefect import __version__
from meta_prefect.cli.approve import approve
from meta_prefect.cli.bootstrap import bootstrap
from meta_prefect.cli.confirmation import confirm_changes, needs_confirmation
from meta_prefect.cli.destroy import destroy
from meta_prefect.cli.disown import disown
from meta_prefect.cli.doctor import doctor
from meta_prefect.cli.ending import INTERRUPTED, journal
from meta_prefect.cli.environments import environments
from meta_prefect.cli.history import history, rollback
from meta_prefect.cli.hold import hold, release
from meta_prefect.cli.init import init
from meta_prefect.cli.open_ui import open_ui
from meta_prefect.cli.options import (
    ApplyOptions,
    Debug,
    Environment,
    Every,
    Flag,
    Form,
    PlanOptions,
    Quiet,
    Target,
    TargetOptions,
    Yes,
    refuse_beside_plan,
)
from meta_prefect.cli.output import Output, Pipe, report_of
from meta_prefect.cli.policies import policies
from meta_prefect.cli.processes import has_died, server_document, server_lines, worker_document, worker_line
from meta_prefect.cli.promote import promote
from meta_prefect.cli.recipes import recipes, schema
from meta_prefect.cli.remote import deploy_by_deployer
from meta_prefect.cli.schedule import schedule_app
from meta_prefect.cli.status import status
from meta_prefect.cli.worker_manifests import manifests
from meta_prefect.errors import MetaPrefectError, TargetError, ValidationFailed

_UNREAD: Final = 141
"""The exit code a shell reports for a program that was ended by SIGPIPE: 128 plus the signal number."""

_NO_SERVER: Final = "No Prefect server runs in the background on this host."

_REGISTERED_IN_ZSH: Final = """
(( $+functions[compdef] )) || { autoload -Uz compinit; compinit }
compdef _cyclopts_meta-prefect meta-prefect
"""
"""The zsh script is meant for a folder of functions; this line makes it sourceable as in other shells."""

app: App = App(
    name="meta-prefect",
    version=__version__,
    help="Deploy Prefect projects with recipes written in Python, as observed Prefect flows.",
    help_format="markdown",
    console=Pipe(),
    suppress_keyboard_interrupt=False,  # it would end silently
)
server_app: App = App(name="server", help="The Prefect server on this host: in the background, or in the foreground.")
worker_app: App = App(name="worker", help="The process workers of this host, and manifests for one in a cluster.")
app.command(init)
app.command(recipes)
app.command(schema)
app.command(policies)
app.command(environments)
app.command(approve)
app.command(promote)
app.command(history)
app.command(rollback)
app.command(disown)
app.command(destroy)
app.command(hold)
app.command(release)
app.command(bootstrap)
app.command(status)
app.command(open_ui, name="open")
app.command(doctor)
app.command(schedule_app)
app.command(server_app)
app.command(worker_app)
worker_app.command(manifests)


@app.command
def deploy(
    *targets: Target,
    what: PlanOptions = PlanOptions(),
    how: ApplyOptions = ApplyOptions(),
    where: TargetOptions = TargetOptions(),
    every: Every = False,
    yes: Yes = False,
    quiet: Quiet = False,
    output: Form = "text",
    debug: Debug = False,
) -> int:
    """Deploy a project: every deployment that its `meta_prefect.yaml` asks for.

    Where no Prefect API is configured, a Prefect server is started in the background on this host. `--dry-run` prints what
    `meta-prefect plan` does, and exits alike. On a terminal, what `--prune` would delete is shown and asked about first, and so
    is all that goes to an environment with `protected: true`; exactly that is then applied.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.deploy import deploy as run
    from meta_prefect.deploy import read_file_of, split_targets

    if how.plan is not None:
        refuse_beside_plan(what)
    asked: dict[str, Any] = {**what.given(), **how.given()}
    if where.remote and output == "json":
        raise TargetError("--output json does not go with --remote", hint="The deployer's run has the report.")
    if where.remote:
        return deploy_by_deployer(targets, revision=where.revision, environment=asked.pop("env"), **asked)
    if where.revision is not None:
        raise TargetError("--revision goes with --remote", hint="Here, what is deployed is what is checked out.")
    read_file_of(targets)
    out = Output(quiet=quiet)
    if not (yes or how.dry_run or how.plan) and needs_confirmation(targets, what):
        with out.watching("Planning", debug=debug):
            planned = run(targets, dry_run=True, **what.given())
        if not confirm_changes(planned, targets, what, out):
            out.say("Nothing was written.")
            return 1
        if planned.run_id is not None:
            targets = (str(split_targets(targets)[0]),)
            asked = {**how.given(), "env": what.env, "plan": planned.run_id}
    with out.watching("Deploying", debug=debug):
        report = report_of(
            lambda: run(targets, **asked, build=not where.no_build, local=where.local, auth=where.auth, say=out.say)
        )
    if how.dry_run:
        return out.plan(report, output, adopting=what.adopt)
    out.report(report, form=output, every=every)
    return 1 if report.failed else 0


@app.command
def plan(
    *targets: Target,
    what: PlanOptions = PlanOptions(),
    output: Annotated[
        Literal["text", "json", "markdown"], Parameter(help="How to print; `markdown` for a comment of a pull request.")
    ] = "text",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Say what a deploy would do, field by field, and write nothing.

    Exits with 0 where there is nothing to do (a version that counts deploys is nothing), 2 where there are changes, and 1 where
    something is wrong.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.deploy import deploy as run
    from meta_prefect.deploy import read_file_of

    read_file_of(targets)
    out = Output(quiet=quiet)
    with out.watching("Planning", debug=debug):
        report = run(targets, dry_run=True, **what.given())
    return out.plan(report, output, adopting=what.adopt, env=what.env)


@app.command
def validate(
    *targets: Target,
    env: Environment = None,
    output: Annotated[
        Literal["text", "json", "github"], Parameter(help="How to print; `github` makes annotations of a pull request.")
    ] = "text",
    sources_only: Annotated[
        Flag,
        Parameter(help="Run no code of the project, and say what that leaves unchecked: for what strangers propose."),
    ] = False,
    debug: Debug = False,
) -> int:
    """Check a project as far as that goes without a server; nothing is contacted, nothing is written.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.deploy import read_file_of, validate_sources
    from meta_prefect.deploy import validate as run

    out = Output()
    try:
        if sources_only:
            out.sources(validate_sources(targets, env=env), output)
            return 0
        read_file_of(targets)
        with out.watching("Checking", debug=debug):
            report = run(targets, env=env)
    except ValidationFailed as failure:
        out.findings(failure.errors, output)
        return 1
    out.sound(report, output)
    return 0


@app.command
def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print what makes a shell complete commands, options and names of the project.

    In the file that your shell reads when it starts: `source <(meta-prefect completion bash)`, the same with zsh, and
    `meta-prefect completion fish | source`. Flows, deployments, environments and recipes are read from the project's files.

    Parameters
    ----------
    shell
        The shell.
    """
    Output().raw(app.generate_completion(shell=shell) + (_REGISTERED_IN_ZSH if shell == "zsh" else ""))
    return 0


@server_app.command(name="start")
def server_start(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on. Default: PREFECT_SERVER_API_HOST.")] = None,
    port: Annotated[int | None, Parameter(help="The port to listen on. Default: PREFECT_SERVER_API_PORT.")] = None,
    database: Annotated[
        str | None,
        Parameter(
            help="The URL of the database. Default: PREFECT_SERVER_DATABASE_CONNECTION_URL, where a password is safer: "
            "other users of this host can read command lines."
        ),
    ] = None,
    name: Annotated[
        tuple[str, ...],
        Parameter(
            help="A name under which clients and browsers reach the server, with the port of a proxy where it has one; "
            "can be repeated. Requests to other names are refused.",
            negative_iterable=(),
            show_default=False,
        ),
    ] = (),
    no_auth: Annotated[Flag, Parameter(help="Listen on the network even without an API auth string.")] = False,
) -> int:
    """Run a Prefect server in the foreground: `prefect server start`, guarded, and responsive on SQLite.

    It uses your Prefect settings, and adds those that you have not set: CSRF protection, allowed origins, batches for the
    recording of task runs and events. Web pages of other origins are refused.
    """
    from meta_prefect.local.foreground_server import prepare_server

    server = prepare_server(host=host, port=port, database=database, names=name, auth=not no_auth)
    out = Output()
    out.note(f"database: {server.database}")
    if server.added:
        out.note(f"set here, as you have not set them: {', '.join(server.added)}")
    if not server.authenticates:
        out.note(
            "without an API auth string, everyone who can reach this server (every user of this host among them) can read all "
            "that is on it and run code through its workers. Set PREFECT_SERVER_API_AUTH_STRING."
        )
    server.run()


@server_app.command(name="status")
def server_status(*, output: Form = "text") -> int:
    """Say where the background server of this host is, and whether it runs.

    Exits with 0 where it answers, and 1 otherwise.
    """
    from meta_prefect.local.server import server_status as read
    from meta_prefect.local.worker import worker_status as workers

    server = read()
    left = [one for one in workers() if server and not server.alive and one.alive and one.api_url == server.url]
    lines = [_NO_SERVER] if server is None else list(server_lines(server))
    lines += [f"Worker {one.name} still asks at {one.api_url}. Stop it: meta-prefect worker stop" for one in left]
    document = {**server_document(server), "workers_left": [one.name for one in left]}
    Output().result(document, lines, output)
    return 0 if server and server.healthy else 1


@server_app.command(name="stop")
def server_stop(
    *,
    force: Annotated[Flag, Parameter(help="Stop it while a deploy is under way, too.")] = False,
    output: Form = "text",
) -> int:
    """Stop the background server of this host and the workers that were started for it; its data and address are kept.

    While a deploy is under way it goes on running, and the exit code is 1. Other runs that are under way are named.
    """
    from meta_prefect.cli.under_way import named, refuse_to_cut_off, under_way_on
    from meta_prefect.local.server import server_status as read
    from meta_prefect.local.server import stop_server

    out = Output()
    if (server := read()) is not None and server.alive:
        found = under_way_on(server)
        if not force:
            refuse_to_cut_off(found)
        if runs := (*found.deploys, *found.others):
            out.note(f"still under way: {named(runs)}")
    stopped = stop_server()
    workers = stopped.stopped_workers if stopped else ()
    lines = [f"stopped: {name}" for name in workers] + [f"stopped: {stopped.ui_url}" if stopped else _NO_SERVER]
    out.result({"stopped": stopped and stopped.ui_url, "workers": workers}, lines, output)
    return 0


@worker_app.command(name="status")
def worker_status(*, output: Form = "text") -> int:
    """List the workers of this host, and whether they run.

    Exits with 0 where one runs and none has ended by itself, and 1 otherwise.
    """
    from meta_prefect.local.worker import worker_status as read

    workers = read()
    lines = map(worker_line, workers) if workers else ["No worker was started on this host."]
    Output().result({"workers": [worker_document(one) for one in workers]}, lines, output)
    return 0 if any(worker.alive for worker in workers) and not any(has_died(worker) for worker in workers) else 1


@worker_app.command(name="stop")
def worker_stop(pool: str | None = None, /, *, output: Form = "text") -> int:
    """Stop workers of this host.

    Parameters
    ----------
    pool
        Whose workers to stop; by default all.
    """
    from meta_prefect.local.worker import stop_worker

    names = [worker.name for worker in stop_worker(pool)]
    lines = [f"stopped: {name}" for name in names] or ["No worker runs on this host."]
    Output().result({"stopped": names}, lines, output)
    return 0


@worker_app.command(name="logs")
def worker_logs(pool: str | None = None, /, *, lines: int = 50) -> int:
    """Print the end of the workers' logs.

    Parameters
    ----------
    pool
        Whose worker's log; by default all.
    lines
        How many lines.
    """
    from meta_prefect.local.worker import worker_log
    from meta_prefect.local.worker import worker_status as read

    output = Output()
    pools = [pool] if pool else sorted({worker.pool for worker in read()})
    for name in pools:
        output.raw(worker_log(name, lines))
    if not pools:
        output.say("No worker was started on this host.")
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its exit code: 0 for success, 1 for failure."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    output = Output(tokens)
    try:
        code = _run(tokens, output)
        sys.stdout.flush()
    except KeyboardInterrupt:
        for line in ("interrupted", *journal.lines()):
            output.say(line)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. At exit, Python would complain about unwritten output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _UNREAD
    sys.exit(code)


def _run(tokens: Sequence[str], output: Output) -> int:
    try:
        return app(tokens, result_action="return_value", exit_on_error=False, print_error=not output.is_json)
    except CycloptsError as error:
        # Already printed, unless a program reads the output.
        errors: Sequence[MetaPrefectError] = [TargetError(str(error).strip())] if output.is_json else []
    except ValidationFailed as failure:
        errors = failure.errors
    except MetaPrefectError as error:
        if "--debug" in tokens:
            raise
        errors = [error]
    output.fail(errors)
    return 1
