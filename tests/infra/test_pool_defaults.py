"""What a work pool says for all runs in it: any key of its job template, merged with Prefect's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes import PROCESS_TEMPLATE, FakeApi
from prefect import flow

from meta_prefect.errors import ConflictError, MetaPrefectError, ValidationFailed
from meta_prefect.implementations.infra import kubernetes, pool_defaults, process, work_pool
from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.testing import ReadyDeployment, deployment_of, job_of


@flow
def work() -> None: ...


def deployment(*builders: FlowBuilderInterface) -> ReadyDeployment:
    """A deployment by these builders."""
    chain: FlowBuilderInterface = namer(name="nightly")
    for one in builders:
        chain = chain | one
    return deployment_of(work, chain)


def pool(**defaults: Any) -> WorkerPool:
    """A pool of processes with defaults, as a deployment needs it."""
    (found,) = deployment(process(work_pool="p"), pool_defaults(**defaults)).needs(WorkerPool)
    return found


def changes(component: WorkerPool, api: FakeApi) -> dict[str, Any]:
    """What it wants to change on a server."""
    return {one.path: one.after for one in component.compare(asyncio.run(component.read(api)))}


def test_any_key_of_the_template_reaches_the_job_of_prefect_s_worker() -> None:
    """The default of a variable, a key inside a list; a deployment's own job variable counts first, an outer builder as well."""
    in_container = {"containers": {"0": {"tty": True}}, "hostNetwork": True}
    template = {"job_configuration": {"job_manifest": {"spec": {"template": {"spec": in_container}}}}}
    common = pool_defaults(variables={"image_pull_policy": "Never", "namespace": "one"}, template=template)
    outer = pool_defaults(variables={"image_pull_policy": "Always"})

    job = job_of(deployment(kubernetes(image="shop:1", namespace="etl"), common, outer))

    spec = job["spec"]["template"]["spec"]
    assert (spec["containers"][0]["tty"], spec["hostNetwork"]) == (True, True)
    assert (spec["containers"][0]["imagePullPolicy"], job["metadata"]["namespace"]) == ("Always", "etl")
    assert spec["containers"][0]["image"] == "shop:1"


def test_a_pool_of_ours_is_kept_so_and_the_rest_of_its_template_is_the_operators() -> None:
    """It is made with the defaults; what somebody changes of these is put back, what they add stays."""
    api, wanted = FakeApi(), pool(variables={"working_dir": "/srv"})
    shown = changes(wanted, api)
    asyncio.run(wanted.write(api, None))
    properties = api.objects["/work_pools/p"]["base_job_template"]["variables"]["properties"]
    assert shown["defaults.variables.properties.working_dir.default"] == "/srv"
    assert properties["working_dir"] == {"type": "string", "default": "/srv"}
    assert changes(wanted, api) == {}

    properties["working_dir"]["default"] = "/else"
    properties["env"]["default"] = {"A": "1"}
    assert changes(wanted, api) == {"base_job_template.variables.properties.working_dir.default": "/srv"}


def test_what_cannot_be_is_refused() -> None:
    """A pool of somebody else that says otherwise; a variable that there is not; a pool taken as it is; a secret."""
    api = FakeApi()
    api.objects["/work_pools/p"] = {"name": "p", "type": "process", "base_job_template": PROCESS_TEMPLATE}
    with pytest.raises(ConflictError, match="did not create this pool and will not change it"):
        changes(pool(variables={"working_dir": "/srv"}), api)
    with pytest.raises(ValidationFailed, match=r"no variable 'working_dri' .*\s+Did you mean 'working_dir'\?"):
        pool(variables={"working_dri": "/srv"})
    with pytest.raises(ValidationFailed, match="of which nobody says the type"):
        deployment(work_pool(name="p"), pool_defaults(variables={"image": "x"}))
    with pytest.raises((ValueError, MetaPrefectError), match="anybody may read"):
        pool_defaults(variables={"env": {"DB_PASSWORD": "hush-Vq81Zk"}})
