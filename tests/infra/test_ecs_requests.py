"""ECS tasks: what Prefect's own worker class would register and run, judged by what Amazon documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import botocore.session  # pyright: ignore[reportMissingTypeStubs]
import pytest
from botocore.validate import ParamValidator  # pyright: ignore[reportMissingTypeStubs]
from infra.job_configurations import job_made_by, pool_of
from values import a_deployment

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra import Network, ecs
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.checks import check_job_variables
from meta_prefect.testing.jobs import template_of

ROLE = "arn:aws:iam::123456789012:role"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop"
SUBNETS: dict[str, Any] = {"vpc_id": "vpc-1", "subnets": ["subnet-1"], "security_groups": ["sg-1"]}

FULL: dict[str, Any] = {
    "image": "registry.example/shop:1.4.2",
    "cpu": 0.5,
    "memory": 1,
    "launch_type": "FARGATE",
    "capacity_providers": [{"name": "FARGATE_SPOT", "weight": 3}, {"name": "FARGATE", "base": 1}],
    "cluster": "shop",
    "task_role": f"{ROLE}/shop",
    "execution_role": f"{ROLE}/ecs",
    "family": "shop",
    "env": {"STAGE": "blue"},
    "secrets": {"TOKEN": SECRET, "PREFECT_API_AUTH_STRING": SECRET},
    "network": {**SUBNETS, "public_ip": False},
    "logs": True,
    "ephemeral_storage": 50,
    "labels": {"team": "shop"},
    "work_pool": "shop-pool",
}


def asked_of_amazon(builder: ecs, environment: str = "dev") -> tuple[Record, Record]:
    """The task definition and the request with which the worker would run a deployment."""
    job = job_made_by(builder, a_deployment(environment=environment))
    return job["task_definition"], job["run_task"]


def amazon_refuses(definition: Record, request: Record) -> Iterator[str]:
    """What Amazon documents and these two break.

    - Shapes: the API's own model, which botocore brings.
    - https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html (cpu, networkMode,
      ephemeralStorage)
    - https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (launchType, capacityProviderStrategy,
      networkConfiguration)
    - https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html (sizes of Fargate)
    - https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking.html (EC2: no public addresses)
    - https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-anywhere.html (EXTERNAL: neither awsvpc nor providers)
    """
    boto, validator = cast("Any", botocore.session), cast("Any", ParamValidator())
    service = boto.get_session().get_service_model("ecs")
    for shape, sent in (("RegisterTaskDefinitionRequest", definition), ("RunTaskRequest", request)):
        report = validator.validate(sent, service.shape_for(shape))
        if report.has_errors():
            yield report.generate_report()
    providers = [one["capacityProvider"] for one in request.get("capacityProviderStrategy", [])]
    launch_type = request.get("launchType")
    if bool(providers) == bool(launch_type):
        yield "either a launch type or a strategy"
    fargate = launch_type == "FARGATE" or "FARGATE" in providers or "FARGATE_SPOT" in providers
    if fargate and {*providers} - {"FARGATE", "FARGATE_SPOT"}:
        yield "providers of two kinds"
    awsvpc = definition.get("networkMode") == "awsvpc"
    if awsvpc != ("networkConfiguration" in request):
        yield "a network configuration belongs to awsvpc"
    if (fargate and not awsvpc) or (launch_type == "EXTERNAL" and awsvpc):
        yield "network mode"
    public = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("assignPublicIp")
    if not fargate and public == "ENABLED":
        yield "public address"
    if not fargate and "ephemeralStorage" in definition:
        yield "ephemeral storage"
    names = {one["name"] for one in request["overrides"]["containerOverrides"][0]["environment"]}
    if names & {one["name"] for one in definition["containerDefinitions"][0].get("secrets", [])}:
        yield "a secret and a variable of one name"


def test_every_field_arrives() -> None:
    """Everything that the builder can say is in the task definition or the request that the worker would send."""
    assert set(FULL) == set(ecs.model_fields), "each field has its place in this test"
    definition, request = asked_of_amazon(ecs(**FULL), "prod")
    assert list(amazon_refuses(definition, request)) == []
    (container,) = definition["containerDefinitions"]
    secrets = [{"name": "TOKEN", "valueFrom": SECRET}, {"name": "PREFECT_API_AUTH_STRING", "valueFrom": SECRET}]
    assert container["image"] == "registry.example/shop:1.4.2"
    assert container["secrets"] == secrets
    assert container["logConfiguration"]["logDriver"] == "awslogs"
    assert (definition["cpu"], definition["memory"], definition["family"]) == ("512", "1024", "shop")
    assert definition["executionRoleArn"] == f"{ROLE}/ecs"
    assert definition["ephemeralStorage"] == {"sizeInGiB": 50}
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    assert request["overrides"]["taskRoleArn"] == f"{ROLE}/shop"
    assert (request["cluster"], request.get("launchType")) == ("shop", None)
    assert request["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
        {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
    ]
    assert request["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
    assert {"key": "team", "value": "shop"} in request["tags"]
    env = {one["name"]: one["value"] for one in request["overrides"]["containerOverrides"][0]["environment"]}
    assert env | {"META_PREFECT__ENV": "prod", "STAGE": "blue"} == env


ON_EC2 = [{"name": "my-instances"}]

TABLE: list[tuple[str, dict[str, Any], str | None]] = [
    ("fargate", {}, None),
    ("fargate in the whole VPC", {"network": {"vpc_id": "vpc-1"}}, None),
    ("fargate in subnets", {"network": SUBNETS}, None),
    ("fargate, disk", {"ephemeral_storage": 21}, None),
    ("fargate, API key from a secret", {"secrets": {"PREFECT_API_KEY": SECRET}}, "`execution_role`"),
    ("spot", {"launch_type": "FARGATE_SPOT"}, None),
    ("spot in subnets, disk", {"launch_type": "FARGATE_SPOT", "network": SUBNETS, "ephemeral_storage": 200}, None),
    ("spot and providers", {"launch_type": "FARGATE_SPOT", "capacity_providers": ON_EC2}, "not for FARGATE_SPOT"),
    ("fargate's providers", {"capacity_providers": [{"name": "FARGATE"}, {"name": "FARGATE_SPOT"}]}, None),
    ("own providers on fargate", {"capacity_providers": ON_EC2}, "need `launch_type: EC2`"),
    ("mixed providers", {"capacity_providers": [{"name": "FARGATE"}, *ON_EC2]}, "not both: FARGATE, my-instances"),
    ("no weight", {"capacity_providers": [{"name": "FARGATE", "weight": 0}]}, "needs a `weight` above 0"),
    ("two bases", {"capacity_providers": [{"name": "FARGATE", "base": 1}] * 2}, "there twice: FARGATE, FARGATE"),
    ("ec2", {"launch_type": "EC2"}, None),
    ("ec2, any size", {"launch_type": "EC2", "cpu": 3, "memory": 5}, None),
    ("ec2, too little CPU", {"launch_type": "EC2", "cpu": 0.1}, "with 0.0996094 CPUs, but with 0.125 to 192"),
    ("ec2 in subnets", {"launch_type": "EC2", "network": SUBNETS}, None),
    ("ec2, own providers, subnets", {"launch_type": "EC2", "capacity_providers": ON_EC2, "network": SUBNETS}, None),
    ("ec2, fargate's", {"launch_type": "EC2", "capacity_providers": [{"name": "FARGATE"}]}, "`launch_type: FARGATE`"),
    ("ec2 in the whole VPC", {"launch_type": "EC2", "network": {"vpc_id": "vpc-1"}}, "`network` needs `subnets`"),
    (
        "ec2, public",
        {"launch_type": "EC2", "network": {**SUBNETS, "public_ip": True}},
        "`public_ip: true` is for Fargate",
    ),
    ("ec2, disk", {"launch_type": "EC2", "ephemeral_storage": 50}, "`ephemeral_storage` is for Fargate"),
    ("external", {"launch_type": "EXTERNAL", "cpu": 3, "memory": 5}, None),
    ("external, network", {"launch_type": "EXTERNAL", "network": SUBNETS}, "`network` is not for launch type EXTERNAL"),
    ("external, providers", {"launch_type": "EXTERNAL", "capacity_providers": ON_EC2}, "not for EXTERNAL"),
    ("external, disk", {"launch_type": "EXTERNAL", "ephemeral_storage": 50}, "`ephemeral_storage` is for Fargate"),
]


@pytest.mark.parametrize(("arguments", "refusal"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_what_is_taken_is_what_amazon_takes(arguments: dict[str, Any], refusal: str | None) -> None:
    """Each launch type takes exactly what Amazon documents for it; the rest is refused where it is written, in its words."""
    if refusal is not None:
        with pytest.raises(ValueError, match=re.escape(refusal)):
            ecs(**arguments)
        return
    assert list(amazon_refuses(*asked_of_amazon(ecs(**arguments)))) == []


def test_an_ec2_task_keeps_its_subnets_and_security_groups() -> None:
    """Prefect's worker leaves both out of a task whose definition does not say `awsvpc`: ours does."""
    definition, request = asked_of_amazon(ecs(launch_type="EC2", network=Network(**SUBNETS)))
    assert definition["networkMode"] == "awsvpc"
    assert request["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }


def test_what_two_builders_say_together_is_checked_too() -> None:
    """An outer builder may change the launch type under a network that an inner one has set."""
    inner = ecs(network=Network(**SUBNETS, public_ip=False))
    moved = (inner | ecs(launch_type="EC2")).update_deployment(a_deployment())
    assert moved.job_variables["network_mode"] == "awsvpc"
    with pytest.raises(ConfigurationError, match="`network` is not for launch type EXTERNAL"):
        (inner | ecs(launch_type="EXTERNAL")).update_deployment(a_deployment())


def test_every_job_variable_fits_the_template() -> None:
    """What the builder sets is declared by the pool's template, with the right type."""
    template = template_of(pool_of(ecs()))
    for builder in (ecs(**FULL), ecs(launch_type="EC2", network=Network(**SUBNETS))):
        assert list(check_job_variables(builder.update_deployment(a_deployment()), template)) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"cpu": 3}, "Fargate has no tasks with 3 CPUs, but with 0.25, 0.5, 1, 2, 4, 8, 16", id="cpu"),
        pytest.param({"cpu": 1, "memory": 1}, "the closest is 2048Mi", id="too little memory"),
        pytest.param({"cpu": 0.25, "memory": "3Gi"}, "(it offers 512Mi to 2048Mi)", id="too much memory"),
        pytest.param({"cpu": 8, "memory": 18}, "the closest is 20480Mi", id="between two steps"),
        pytest.param({"memory": 12}, "with 1 CPUs and 12288Mi of memory, the closest is 8192Mi", id="memory alone"),
        pytest.param({"secrets": {"A": SECRET}}, "need an `execution_role`", id="secrets without a role"),
        pytest.param({"secrets": {"A": "hunter2"}}, "never the value itself", id="secret"),
        pytest.param(
            {"secrets": {"A": SECRET}, "env": {"A": "1"}, "execution_role": f"{ROLE}/ecs"},
            "A is in `secrets` and an ordinary environment variable at once",
            id="secret and variable",
        ),
        pytest.param({"labels": {"aws:team": "shop"}}, "AWS keeps what starts with 'aws:' for itself", id="label"),
        pytest.param({"labels": {"team": "x" * 257}}, "a value at most 256", id="long label"),
        pytest.param({"task_role": "shop"}, "'shop' is no role", id="role"),
        pytest.param({"network": {"vpc_id": "vpc-1", "public_ip": False}}, "name those too", id="network"),
        pytest.param({"launch_type": "LAMBDA"}, "'FARGATE', 'FARGATE_SPOT', 'EC2' or 'EXTERNAL'", id="launch type"),
    ],
)
def test_what_aws_would_not_take_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """A size that Fargate has not, or a wrong reference, is refused at once with the closest right one."""
    with pytest.raises(ValueError, match=re.escape(told)):
        ecs(**arguments)
