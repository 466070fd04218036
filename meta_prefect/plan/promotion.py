"""What can be promoted from an environment: its live deployments, as recorded by a deploy, all from one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ConfigurationError, TargetError, nearest
from meta_prefect.hidden_values import sealed_as
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import PUT_BACK, HistoryEntry, LedgerEntry
from meta_prefect.plan.outcomes import listed
from meta_prefect.plan.saved_plan import SavedPlan
from meta_prefect.plan.smoke import is_on_trial
from meta_prefect.redaction import sealed

_DIRTY = "+dirty"


class Candidate(BaseModel):
    """A deployment that may be promoted.

    Attributes:
        deployment: ``flow/deployment``.
        commit: Its commit.
        image: The image that its runs use, if any.
        refused: Why it must not be promoted; None if it may be.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    deployment: str
    commit: str | None = None
    image: str | None = None
    refused: str | None = None

    def is_named(self, target: str, word: str, other: str) -> bool:
        """Return whether a target selects it: by flow, or by its name in the source or the target environment."""
        flow, _, _ = self.deployment.partition("/")
        return target == flow or self.deployment in (target, renamed(target, other, word))


def renamed(target: str, word: str, other: str) -> str:
    """Return a deployment's name in another environment."""
    flow, slash, name = target.partition("/")
    parts = [other if part == word else part for part in name.split("-")]
    return f"{flow}{slash}{'-'.join(parts)}"


class Promotion(BaseModel):
    """What an environment has to promote.

    Attributes:
        project: The project.
        source: The environment.
        word: The word for it in names of deployments.
        candidates: Its deployments.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    project: str
    source: str
    word: str
    candidates: tuple[Candidate, ...]

    def of(self, targets: Sequence[str], other: str) -> Promotion:
        """Return the selected part; everything if no targets are given.

        Args:
            targets: Flows, or deployments by their name in either environment.
            other: The word for the target environment.

        Raises:
            TargetError: A target matches nothing live.
        """
        if not targets:
            return self
        known = {name for one in self.candidates for name in (one.deployment, one.deployment.partition("/")[0])}
        for target in targets:
            if not any(one.is_named(target, self.word, other) for one in self.candidates):
                hint = nearest(target, known)
                raise TargetError(f"nothing of {target!r} is live in {self.source}", where="promote", hint=hint or None)
        chosen = [one for one in self.candidates if any(one.is_named(it, self.word, other) for it in targets)]
        return self.model_copy(update={"candidates": tuple(chosen)})

    def errors(self) -> Iterator[ConfigurationError]:
        """Yield why it must not be promoted."""
        where = f"promote from {self.source}"
        if not self.candidates:
            yield TargetError(f"nothing of {self.project} is live in {self.source}", where=where)
        for one in self.candidates:
            if one.refused is not None:
                hint = f"Deploy {self.source} again, or name what is to be promoted without it."
                yield TargetError(f"{one.deployment} {one.refused}", where=where, hint=hint)
        commits: dict[str, list[str]] = {}
        for one in self.candidates:
            if one.refused is None:
                commits.setdefault(one.commit or "", []).append(one.deployment)
        if len(commits) > 1:
            by_commit = "; ".join(f"{short_commit(commit)}: {listed(names)}" for commit, names in commits.items())
            hint = f"Deploy all of it to {self.source} from one commit, or name what is of one."
            yield TargetError(f"what is live there is of several commits: {by_commit}", where=where, hint=hint)

    @property
    def commit(self) -> str:
        """The common commit, if there are no errors."""
        return next(one.commit or "" for one in self.candidates)

    @property
    def images(self) -> dict[str, str]:
        """The images used by its runs, by name without tag and digest."""
        return {_repository(one.image): one.image for one in self.candidates if one.image}


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def candidates(
    live: Iterable[LiveDeployment], last: Mapping[str, HistoryEntry], plans: Sequence[SavedPlan]
) -> Iterator[Candidate]:
    """Judge each live deployment of an environment, and each that its last deploy failed to create.

    Args:
        live: The project's deployments.
        last: The last entry of each.
        plans: The plans of the last deploys, newest first.
    """
    found = {one.full_name: one for one in live}
    covering: dict[str, SavedPlan] = {}
    for plan in plans:
        for name in plan.states:
            covering.setdefault(name.removeprefix("deployment "), plan)
    for name, one in found.items():
        recorded = last.get(name)
        variables: Record = one.record.get("job_variables") or {}
        image = variables.get("image")
        refused, commit = _judged(name, one, recorded, covering.get(name))
        if refused is None and (commit is None or commit.endswith(_DIRTY)):
            refused = f"was deployed from {'uncommitted changes' if commit else 'no Git commit'}"
        yield Candidate(
            deployment=name, commit=commit, image=image if isinstance(image, str) else None, refused=refused
        )
    for name, state in (plans[0].states if plans else {}).items():
        kind, _, deployment = name.partition(" ")
        if kind == "deployment" and state.after is not None and deployment not in found:
            yield Candidate(
                deployment=deployment, refused="is not live: its last deploy failed, or somebody has deleted it"
            )


def _judged(
    name: str, live: LiveDeployment, recorded: HistoryEntry | None, plan: SavedPlan | None
) -> tuple[str | None, str | None]:
    """Return why a deployment must not be promoted, or None; and its commit."""
    if is_on_trial(live.record):
        return "has not passed its smoke run", None
    if recorded is None or recorded.entry.after is None:
        return "is in no record of a deploy", None
    page = recorded.page
    if not page.finished:
        return f"was written by a deploy that was interrupted (run {page.run_id})", None
    if page.recipe == PUT_BACK:
        return f"was put back, as its last deploy failed, by its smoke run or otherwise (run {page.run_id})", None
    if drifted := _drifted(live, recorded.entry):
        return f"has drifted: {listed(drifted)}", None
    if plan is None or plan.deploy_id == page.deploy_id or plan.now <= page.at:
        return None, page.commit
    # A later deploy examined it and left it unchanged, so it matches that deploy's commit.
    state = plan.states[f"deployment {name}"]
    if plan.stage == "finished" or state.before == state.after:
        return None, plan.commit
    return f"could not be written by its last deploy (run {plan.run_id})", None


def _drifted(live: LiveDeployment, last: LedgerEntry) -> list[str]:
    """Return the fields that differ from what was written, ignoring operators' additions to shared fields."""
    after = last.after or {}
    # The ledger contains no secrets, so both sides are compared in their recorded form.
    applied: Record = sealed({key: after[key] for key in last.ours if key in after})
    now: Record = sealed_as(live.record, applied)
    if "tags" in applied:
        now = {**now, "tags": [tag for tag in now.get("tags") or () if tag in last.made("tags")]}
        applied = {**applied, "tags": [tag for tag in applied["tags"] if tag in last.made("tags")]}
    if "schedules" in applied:
        ours = last.made("schedules")
        now = {**now, "schedules": {key: one for key, one in now["schedules"].items() if key in ours}}
        applied = {**applied, "schedules": {key: one for key, one in applied["schedules"].items() if key in ours}}
    return sorted({change.path for change in field_changes(now, applied)})
