"""Kubernetes jobs: what Prefect's own worker makes of a deployment, without a cluster."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
from infra.job_configurations import job_made_by, pool_of, prepared_from
from prefect_kubernetes.worker import (  # pyright: ignore[reportMissingTypeStubs]
    KubernetesWorker,
    KubernetesWorkerJobConfiguration,
)
from values import a_deployment

from deployer_flows import kubernetes_run_deployer
from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra import Toleration, eks, kubernetes
from meta_prefect.implementations.infra.environment import fitted
from meta_prefect.implementations.infra.pod_parts import PodParts
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.json_diff import Record, differences_within
from meta_prefect.plan.checks import check_job_variables
from meta_prefect.testing.jobs import template_of

FULL: dict[str, Any] = {
    "cpu": 0.8,
    "memory": 1.5,
    "cpu_limit": 2,
    "memory_limit": 2,
    "gpus": 1,
    "image_pull_policy": "Always",
    "image": "registry.example/shop:1.4.2",
    "namespace": "shop",
    "service_account": "shop-runner",
    "env": {"STAGE": "blue"},
    "secrets": {"TOKEN": "shop-secrets/token"},
    "node_selector": {"pool": "big"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}],
    "labels": {"team": "shop"},
    "annotations": {"example.com/owner": "shop team"},
    "affinity": {"nodeAffinity": {}},
    "volumes": [
        {"path": "/data/in", "claim": "shop-data", "read_only": True},
        {"path": "/etc/shop", "secret": "shop-files"},
        {"path": "/etc/more", "config_map": "shop-config"},
        {"path": "/srv/work", "scratch": 2},
        {"path": "/mnt/nfs", "source": {"nfs": {"server": "files.example", "path": "/shop"}}},
    ],
    "env_from_secrets": ["shop-env"],
    "image_pull_secrets": ["registry"],
    "security_context": "restricted",
    "time_to_live": "10 minutes",
    "backoff_limit": 2,
    "active_deadline": "2 hours",
    "pod": {
        "metadata": {"labels": {"cost": "low"}},
        "spec": {
            "priorityClassName": "batch",
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "containers": [
                {
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                    "env": [
                        {"name": "REGION", "value": "eu"},
                        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    ],
                    "securityContext": {"runAsNonRoot": True},
                    "resources": {"requests": {"ephemeral-storage": "1Gi"}},
                }
            ],
        },
    },
}


@pytest.fixture
def job() -> Record:
    """The manifest that the worker submits for a deployment to ``prod`` with everything set."""
    return job_made_by(kubernetes(**FULL), a_deployment(environment="prod"))


def test_the_container_is_as_asked_for(job: Record) -> None:
    """CPU, memory, image, variables, Secrets and the patch of the first container arrive in the job."""
    assert set(FULL) | {"work_pool", "worker"} == set(kubernetes.model_fields), (
        "each field has its place in these tests"
    )
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "800m", "memory": "1536Mi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": "1"},
    }
    assert container["imagePullPolicy"] == "Always"
    assert container["image"] == "registry.example/shop:1.4.2"
    env = {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}
    assert len(env) == len(container["env"]), "no variable is there twice"
    expected = {
        "META_PREFECT__ENV": "prod",
        "META_PREFECT__IMAGE": "registry.example/shop:1.4.2",
        "STAGE": "blue",
        "REGION": "eu",
        "TOKEN": {"secretKeyRef": {"name": "shop-secrets", "key": "token"}},
        "NODE": {"fieldRef": {"fieldPath": "spec.nodeName"}},
    }
    assert env | expected == env
    assert env["PREFECT__FLOW_RUN_ID"]
    assert container["args"] == ["prefect", "flow-run", "execute"]
    mounts = {one["mountPath"]: (one["name"], one.get("readOnly", False)) for one in container["volumeMounts"]}
    assert mounts == {
        "/data/in": ("at-data-in", True),
        "/etc/shop": ("at-etc-shop", False),
        "/etc/more": ("at-etc-more", False),
        "/srv/work": ("at-srv-work", False),
        "/mnt/nfs": ("at-mnt-nfs", False),
        "/scratch": ("scratch", False),
    }
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == restricted | {"runAsNonRoot": True}
    assert container["envFrom"] == [{"secretRef": {"name": "shop-env"}}]
    assert container["name"] == "prefect-job"


def test_the_pod_is_as_asked_for(job: Record) -> None:
    """Placement, account, labels, time to live and the patch of the pod arrive in the job."""
    spec = job["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"pool": "big"}
    assert spec["tolerations"] == [{"key": "dedicated", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}]
    assert spec["serviceAccountName"] == "shop-runner"
    assert spec["priorityClassName"] == "batch"
    assert spec["affinity"] == {"nodeAffinity": {}}
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["volumes"] == [
        {"name": "at-data-in", "persistentVolumeClaim": {"claimName": "shop-data"}},
        {"name": "at-etc-shop", "secret": {"secretName": "shop-files"}},
        {"name": "at-etc-more", "configMap": {"name": "shop-config"}},
        {"name": "at-srv-work", "emptyDir": {"sizeLimit": "2Gi"}},
        {"name": "at-mnt-nfs", "nfs": {"server": "files.example", "path": "/shop"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    assert job["metadata"]["namespace"] == "shop"
    limits = ("ttlSecondsAfterFinished", "backoffLimit", "activeDeadlineSeconds")
    assert [job["spec"][limit] for limit in limits] == [600, 2, 7200]
    for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
        assert metadata["labels"] | {"team": "shop", "cost": "low"} == metadata["labels"]
        assert metadata["annotations"]["example.com/owner"] == "shop team"


def test_the_job_is_valid_for_kubernetes(job: Record) -> None:
    """Kubernetes' own schema accepts the manifest, except for two fields that Prefect's template puts into every pod."""
    prefects_own = {"parallelism", "completions"}
    spec = {key: value for key, value in job["spec"]["template"]["spec"].items() if key not in prefects_own}
    manifest = {**job, "spec": {**job["spec"], "template": {**job["spec"]["template"], "spec": spec}}}
    kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_a_job_that_asks_for_nothing_is_prefects_own() -> None:
    """But for an environment variable, for what every image allows of a restricted pod, and for going a day after its end."""
    configuration = prepared_from(KubernetesWorkerJobConfiguration, kubernetes(), a_deployment())
    assert configuration.job_manifest["spec"].keys() == {"backoffLimit", "template", "ttlSecondsAfterFinished"}
    assert configuration.job_manifest["spec"]["ttlSecondsAfterFinished"] == 24 * 60 * 60
    pod = configuration.job_manifest["spec"]["template"]["spec"]
    assert pod.keys() == {"completions", "containers", "parallelism", "restartPolicy", "securityContext"}
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    assert container.keys() == {"name", "env", "image", "imagePullPolicy", "args", "resources", "securityContext"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False}
    assert {"name": "META_PREFECT__ENV", "value": "dev"} in container["env"]
    assert configuration.namespace == "default"


def test_the_template_keeps_all_that_prefect_has_in_its_own() -> None:
    """Nothing of its template is lost or changed except two places where variables are put in, and how long jobs are kept."""
    template = template_of(pool_of(kubernetes()))
    changed = {change.path for change in differences_within(template, KubernetesWorker.get_default_base_job_template())}
    manifest = "job_configuration.job_manifest.spec.template.spec"
    kept = "variables.properties.finished_job_ttl.default"
    assert changed == {"job_configuration.env", f"{manifest}.containers", kept}
    (container,) = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "{{ image }}"
    assert container["resources"]["limits"]["cpu"] == "{{ cpu_limit }}"


def test_every_job_variable_fits_the_template() -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    deployment = kubernetes(**FULL).update_deployment(a_deployment())
    assert list(check_job_variables(deployment, template_of(pool_of(kubernetes())))) == []


def test_eks_is_kubernetes() -> None:
    """The name in Amazon's words makes the same jobs."""
    assert eks(cpu=1) == kubernetes(cpu=1)


def test_outer_builders_override_and_add() -> None:
    """Of two builders the outer one wins field by field; variables, labels and named items of lists add up."""
    inner = kubernetes(
        cpu=1,
        memory=1,
        env={"A": "1", "B": "1"},
        labels={"team": "shop"},
        pod={"spec": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}], "priority": 3}},
    )
    outer = kubernetes(
        cpu=2,
        env={"B": "2"},
        labels={"cost": "low"},
        pod={"spec": {"volumes": [{"name": "b", "emptyDir": {"medium": "Memory"}}], "priority": None}},
    )
    variables = (inner | outer).update_deployment(a_deployment()).job_variables
    assert variables["cpu_request"] == "2"
    assert variables["memory_request"] == "1Gi"
    assert variables["env"] == {"A": "1", "B": "2"}
    assert variables["labels"] == {"team": "shop", "cost": "low"}
    assert variables["pod_volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "emptyDir": {"medium": "Memory"}},
    ]
    assert "pod_priority" not in variables


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"cpu": 0}, "CPU must be above 0", id="cpu"),
        pytest.param({"memory": 2, "memory_limit": 1}, "memory_limit 1Gi is below memory 2Gi", id="limit"),
        pytest.param({"namespace": "Shop"}, "'Shop' is no name of a namespace", id="namespace"),
        pytest.param({"labels": {"a b": "c"}}, "'a b' is no key of a Kubernetes label", id="label"),
        pytest.param({"secrets": {"A": "plain"}}, "write 'secret-name/key', never the value itself", id="secret"),
        pytest.param({"env": {"1A": "x"}}, "'1A' is no name of an environment variable", id="variable"),
        pytest.param({"work_pool": "prefect-x"}, "are Prefect's own", id="pool"),
        pytest.param({"cpus": 1}, "kubernetes takes no argument 'cpus'", id="unknown argument"),
        pytest.param({"tolerations": [{"key": "a", "operator": "Exist"}]}, "'Exists' or 'Equal'", id="operator"),
        pytest.param({"tolerations": [{"value": "a"}]}, "needs the operator Exists", id="toleration"),
        pytest.param({"volumes": [{"path": "/a"}]}, "the volume at /a is one of claim, secret", id="no volume"),
        pytest.param(
            {"volumes": [{"path": "/a", "claim": "x", "secret": "y"}]},
            "scratch, source, not claim and secret",
            id="two",
        ),
        pytest.param({"volumes": [{"path": "a/b", "claim": "x"}]}, "should match pattern", id="folder"),
        pytest.param(
            {"volumes": [{"path": "/a.b", "claim": "x"}, {"path": "/a-b", "claim": "y"}]}, "two volumes", id="folders"
        ),
        pytest.param({"security_context": "strict"}, "Input should be 'restricted'", id="security"),
        pytest.param({"time_to_live": "soon"}, "'soon' is no duration", id="time"),
        pytest.param({"image_pull_secrets": ["A b"]}, "'A b' is no name in Kubernetes", id="pull secret"),
        pytest.param({"pod": {"spek": {}}}, "pod has no field 'spek'. Did you mean 'spec'?", id="outline"),
        pytest.param({"pod": {"spec": {"toleration": [{"key": "a"}]}}}, "Did you mean 'tolerations'?", id="pod field"),
        pytest.param({"pod": {"spec": {"restartPolicy": "Always"}}}, "worker needs `Never`", id="restart"),
        pytest.param({"pod": {"spec": {"containers": [{"args": ["x"]}]}}}, "the command that runs the flow", id="args"),
        pytest.param({"pod": {"spec": {"containers": [{"name": "side"}]}}}, "write a sidecar", id="sidecar"),
        pytest.param(
            {"pod": {"spec": {"containers": [{"resources": {"limits": {"memroy": 1}}}]}}},
            "Did you mean 'memory'?",
            id="resource",
        ),
        pytest.param({"pod": {"spec": {"containers": [{"env": [{"name": "A"}]}]}}}, "either `value`", id="env"),
    ],
)
def test_what_no_pod_has_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A wrong argument is refused at once, with what is meant."""
    with pytest.raises(ValueError, match=re.escape(told)):
        kubernetes(**arguments)


def test_an_entry_says_of_its_pod_what_the_builder_takes() -> None:
    """The recipe's `pod` has the builder's own words, and `patch` for those of Kubernetes."""
    parts = {key: FULL[key] for key in PodParts.model_fields}
    made = kubernetes_run_deployer.with_variables(
        name="nightly", pod={**parts, "patch": FULL["pod"]}, notify_stuck={"block": "slack-webhook/on-call"}
    )
    assert [one.kind for one in made.requires] == ["work pool", "worker", "automation"]
    deployment = made.update_deployment(a_deployment())
    wanted = kubernetes(**parts, pod=FULL["pod"]).update_deployment(a_deployment())
    assert wanted.job_variables.items() <= deployment.job_variables.items()


def test_the_inside_of_what_an_entry_says_is_checked_too() -> None:
    """Affinity, sources of volumes and security contexts are Kubernetes' own words, and checked as such."""
    with pytest.raises(ConfigurationError, match=r"pod\.spec\.affinity has no field 'nodeAfinity'"):
        kubernetes(affinity={"nodeAfinity": {}}).update_deployment(a_deployment())


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"hostNetwork": "yes"}, "pod.spec.hostNetwork is true or false, not 'yes'", id="type"),
        pytest.param(
            {"affinity": {"nodeAfinity": {}}}, "pod.spec.affinity has no field 'nodeAfinity'", id="deep field"
        ),
        pytest.param({"volumes": [{"emptyDir": [1]}]}, "pod.spec.volumes[0].emptyDir is an object", id="in a list"),
        pytest.param({"nodeSelector": {"a": 1}}, "pod.spec.nodeSelector.a is text, not 1", id="map"),
    ],
)
def test_the_inside_of_a_patch_is_checked_before_anything_is_written(spec: Record, told: str) -> None:
    """However deep, a field that no pod has is found when the deployment is planned."""
    with pytest.raises(ConfigurationError) as refusal:
        kubernetes(pod={"spec": spec}).update_deployment(a_deployment())
    assert told in str(refusal.value)


def test_code_is_in_the_image_unless_an_inner_builder_brings_it() -> None:
    """A deployment without pull steps starts where the image starts; given ones stay."""
    step = {"prefect.deployments.steps.set_working_directory": {"directory": "/srv/code"}}
    (pulled,) = kubernetes().update_deployment(a_deployment(pull_steps=[])).pull_steps
    assert pulled == {"prefect.deployments.steps.set_working_directory": {"directory": "."}}
    assert kubernetes().update_deployment(a_deployment(pull_steps=[step])).pull_steps == [step]


def test_a_pool_that_somebody_else_made_is_used_as_it_is() -> None:
    """A live pool without our mark and without our variables needs no change; what uses such a variable is refused by name."""
    builder = kubernetes(cpu=1, node_selector={"disk": "ssd"})
    pool, _ = builder.requires
    assert isinstance(pool, WorkerPool)
    theirs = KubernetesWorker.get_default_base_job_template()
    assert tuple(pool.compare({"type": "kubernetes", "base_job_template": theirs})) == ()
    made = builder.update_deployment(a_deployment())
    made.job_variables, _ = fitted(made.job_variables, theirs, pool.template)
    (refused,) = check_job_variables(made, theirs, pool.template)
    assert "has no variable 'pod_node_selector'" in refused.message
    place = "job_configuration.job_manifest.spec.template.spec.nodeSelector"
    assert f"`{{{{ pod_node_selector }}}}` to its `{place}`" in (refused.hint or "")


def test_a_pool_with_our_template_needs_no_change() -> None:
    """Comparing reads lists position by position, so that what is there already is seen."""
    pool, _ = kubernetes().requires
    template = template_of(pool_of(kubernetes()))
    live = {"type": "kubernetes", "base_job_template": template}
    assert tuple(pool.compare(live)) == ()

    del template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    template["variables"]["x-meta-prefect"] = {}
    paths = [change.path for change in pool.compare(live)]
    manifest = "base_job_template.job_configuration.job_manifest.spec.template.spec"
    assert paths == [f"{manifest}.containers.0.envFrom"]


def test_tolerations_are_written_as_in_python_or_as_in_kubernetes() -> None:
    """Both spellings of a key mean the same."""
    assert Toleration(key="a", toleration_seconds=3) == Toleration.model_validate({"key": "a", "tolerationSeconds": 3})
