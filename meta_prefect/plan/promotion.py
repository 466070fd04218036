"""What of an environment may be promoted to another one: what is live there as a deploy has recorded it, of one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
        commit: The commit that it stands for.
        image: The image that its runs use, where they use one.
        refused: Why it is not promoted; None where it may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployment: str
    commit: str | None = None
    image: str | None = None
    refused: str | None = None

    def is_named(self, target: str, word: str, other: str) -> bool:
        """Whether somebody means it: by its flow, or its name here or, with the other environment's word, there."""
        flow, _, _ = self.deployment.partition("/")
        return target == flow or self.deployment in (target, renamed(target, other, word))


def renamed(target: str, word: str, other: str) -> str:
    """The name of a deployment with the word of another environment in it."""
    flow, slash, name = target.partition("/")
    parts = [other if part == word else part for part in name.split("-")]
    return f"{flow}{slash}{'-'.join(parts)}"


class Promotion(BaseModel):
    """What there is to promote.

    Attributes:
        project: The project.
        source: The environment.
        word: The word for it in names of deployments.
        candidates: Its deployments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    source: str
    word: str
    candidates: tuple[Candidate, ...]

    def of(self, targets: Sequence[str], other: str) -> Promotion:
        """The part of it that is named; all of it where nothing is.

        Args:
            targets: Flows, or deployments by their name here or there.
            other: The word for the environment that it is promoted to.

        Raises:
            TargetError: Nothing of a name is live.
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
        """Why it is not promoted."""
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
            told = "; ".join(f"{short_commit(commit)}: {listed(names)}" for commit, names in commits.items())
            hint = f"Deploy all of it to {self.source} from one commit, or name what is of one."
            yield TargetError(f"what is live there is of several commits: {told}", where=where, hint=hint)

    @property
    def commit(self) -> str:
        """The commit that all of it stands for, once there are no errors."""
        return next(one.commit or "" for one in self.candidates)

    @property
    def images(self) -> dict[str, str]:
        """The images that its runs use, by their names without tag and digest."""
        return {_repository(one.image): one.image for one in self.candidates if one.image}


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def candidates(
    live: Iterable[LiveDeployment], last: Mapping[str, HistoryEntry], plans: Sequence[SavedPlan]
) -> Iterator[Candidate]:
    """Judge what is live in an environment, and what its last deploy did not bring to life.

    Args:
        live: The project's deployments.
        last: What is recorded of each last.
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
    """Why a deployment is not promoted, or None; and its commit."""
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
    # A later deploy has looked at it, and left it as it is: it is what that one's commit asks for.
    state = plan.states[f"deployment {name}"]
    if plan.stage == "finished" or state.before == state.after:
        return None, plan.commit
    return f"could not be written by its last deploy (run {plan.run_id})", None


def _drifted(live: LiveDeployment, last: LedgerEntry) -> list[str]:
    """The fields that differ from what was written; what operators add to shared ones is none of them."""
    after = last.after or {}
    # The ledger holds no secrets: both sides are compared as they are recorded.
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
