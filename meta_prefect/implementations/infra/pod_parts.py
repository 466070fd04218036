"""Shorthand for common pod settings, less verbose than Kubernetes' own."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from meta_prefect.implementations.infra.pod_patch import check_pod
from meta_prefect.implementations.infra.quantities import Memory
from meta_prefect.interfaces.json_diff import Record

_DNS_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

RESTRICTED_POD: Final[Record] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""What Pod Security Standard ``restricted`` requires of a pod (kubernetes.io/docs/concepts/security/pod-security-standards)."""

RESTRICTED_CONTAINER: Final[Record] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the Pod Security Standard ``restricted`` requires of a container."""


def _check_object_name(name: str) -> str:
    if _DNS_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name in Kubernetes: write lower-case letters, digits, '-' and '.'")
    return name


ObjectName = Annotated[str, AfterValidator(_check_object_name)]
"""The name of a Kubernetes object."""


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        name = key.rpartition("/")[2]
        if not name or _LABEL_VALUE.fullmatch(name) is None:
            raise ValueError(
                f"{key!r} is no key of a Kubernetes label: write letters, digits, '-', '_' and '.', 63 at most"
            )
        if _LABEL_VALUE.fullmatch(value) is None:
            raise ValueError(f"label {key}: {value!r} must be letters, digits, '-', '_' and '.', 63 at most")
    return labels


Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]
"""Labels, by their keys."""


class Toleration(BaseModel):
    """A taint of nodes on which runs may happen all the same; keys may be written as Kubernetes does (``tolerationSeconds``).

    Attributes:
        key: The taint; None means every one.
        operator: Whether the taint must have the value, or just exist.
        value: The taint's value.
        effect: The effect that is tolerated; None means every one.
        toleration_seconds: How long a ``NoExecute`` taint is tolerated; None means for ever.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _kubernetes_accepts(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"a toleration with operator Exists has no value, not {self.value!r}")
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs the operator Exists")
        return self


class PodVolume(BaseModel):
    """A volume, and the folder of the container in which it is.

    Attributes:
        path: The folder, from the root.
        claim: The PersistentVolumeClaim that it is.
        secret: The Secret whose keys are its files.
        config_map: The ConfigMap whose keys are its files.
        scratch: The size of an empty folder that goes with the run.
        source: Anything else, in Kubernetes' words: ``{"nfs": {"server": …, "path": …}}``.
        read_only: Whether the run only reads it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(pattern=r"^/[^:]*[^:/]$")
    claim: ObjectName | None = None
    secret: ObjectName | None = None
    config_map: ObjectName | None = None
    scratch: Memory | None = None
    source: dict[str, Any] | None = None
    read_only: bool = False

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = ("claim", "secret", "config_map", "scratch", "source")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            said = f", not {' and '.join(given)}" if given else ""
            raise ValueError(f"the volume at {self.path} is one of {', '.join(kinds)}{said}")
        return self

    @property
    def name(self) -> str:
        """Its name within the pod, derived from its folder."""
        return re.sub(r"[^a-z0-9]+", "-", f"at{self.path}".lower())[:63].strip("-")

    def as_volume(self) -> Record:
        """Return its entry in the pod's volumes."""
        if self.claim is not None:
            source: Record = {"persistentVolumeClaim": {"claimName": self.claim}}
        elif self.secret is not None:
            source = {"secret": {"secretName": self.secret}}
        elif self.config_map is not None:
            source = {"configMap": {"name": self.config_map}}
        elif self.scratch is not None:
            source = {"emptyDir": {"sizeLimit": self.scratch}}
        else:
            source = dict(self.source or {})
        return {"name": self.name, **source}

    def as_mount(self) -> Record:
        """Return its entry in the container's volume mounts."""
        return {"name": self.name, "mountPath": self.path, **({"readOnly": True} if self.read_only else {})}


class PodParts(BaseModel):
    """What may be said of the pods of runs.

    Attributes:
        labels: Labels of jobs and pods.
        annotations: Annotations of jobs and pods.
        node_selector: Labels that nodes must have.
        tolerations: Taints of nodes that are tolerated.
        affinity: Which nodes and neighbours are sought or shunned, in Kubernetes' words.
        volumes: Volumes, each with the folder in which it is.
        env_from_secrets: Secrets of Kubernetes all of whose keys are environment variables.
        image_pull_secrets: Secrets of Kubernetes that open the registry.
        security_context: ``restricted``, as namespaces with that Pod Security Standard ask for, whose image needs a user by
            number other than root; or the container's own, in Kubernetes' words. None takes what every image allows: no rights
            beyond those it starts with, and the runtime's own filter of system calls.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    labels: Labels = Field(default={})
    annotations: dict[str, str] = Field(default={})
    node_selector: Labels = Field(default={})
    tolerations: tuple[Toleration, ...] = ()
    affinity: dict[str, Any] = Field(default={})
    volumes: tuple[PodVolume, ...] = ()
    env_from_secrets: tuple[ObjectName, ...] = ()
    image_pull_secrets: tuple[ObjectName, ...] = ()
    security_context: Literal["restricted"] | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _folders_differ(self) -> Self:
        names = [volume.name for volume in self.volumes]
        for volume in self.volumes:
            if names.count(volume.name) > 1:
                raise ValueError(f"two volumes are at {volume.path}, or at what Kubernetes would call the same")
        return self

    def as_patch(self) -> Record:
        """Return the settings as a pod patch in Kubernetes' terms."""
        container = {
            "envFrom": [{"secretRef": {"name": name}} for name in self.env_from_secrets],
            "volumeMounts": [volume.as_mount() for volume in self.volumes],
            "securityContext": self._security(RESTRICTED_CONTAINER),
        }
        spec = {
            "nodeSelector": self.node_selector,
            "tolerations": [one.model_dump(by_alias=True, exclude_none=True) for one in self.tolerations],
            "affinity": self.affinity,
            "volumes": [volume.as_volume() for volume in self.volumes],
            "imagePullSecrets": [{"name": name} for name in self.image_pull_secrets],
            "securityContext": RESTRICTED_POD if self.security_context == "restricted" else None,
            "containers": [said] if (said := _said(container)) else None,
        }
        return {"metadata": _said({"labels": self.labels, "annotations": self.annotations}), "spec": _said(spec)}

    def _security(self, restricted: Record) -> Record | None:
        if isinstance(self.security_context, dict):
            return {"allowPrivilegeEscalation": False, **self.security_context}
        return restricted if self.security_context == "restricted" else None


def _said(parts: Record) -> Record:
    return {name: value for name, value in parts.items() if value}


def _check_patch(patch: dict[str, Any]) -> dict[str, Any]:
    check_pod(patch)
    return patch


PodPatch = Annotated[dict[str, Any], AfterValidator(_check_patch)]
"""A pod patch in Kubernetes' terms."""


class Pod(PodParts):
    """The pod of a run, as an entry of a project file describes it.

    Attributes:
        patch: Everything else, in Kubernetes' words: ``{"spec": {"priorityClassName": …, "containers": [{…}]}}``, merged as
            ``kubectl patch`` does. The first container is the one that runs the flow.
    """

    patch: PodPatch = Field(default={})

    def arguments(self) -> Record:
        """Return the settings as arguments of the builder."""
        given = {name: getattr(self, name) for name in PodParts.model_fields}
        return {**given, "pod": self.patch}
