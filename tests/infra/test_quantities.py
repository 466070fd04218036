"""Amounts of CPU and memory, and references to images."""

from __future__ import annotations

import re
from typing import Any

import pytest
from values import a_deployment

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.infra import kubernetes
from meta_prefect.implementations.infra.quantities import cpu_text, mebibytes, memory_text

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8, "800m"), (2, "2"), ("500m", "500m"), ("1.5", "1500m"), (1000, "1000")],
)
def test_cpu_is_written_as_kubernetes_writes_it(value: object, text: str) -> None:
    """A number is CPUs; what is no whole number is told in thousandths."""
    assert cpu_text(value) == text


@pytest.mark.parametrize(
    ("value", "text", "whole_mebibytes"),
    [(1.5, "1536Mi", 1536), (2, "2Gi", 2048), ("12Gi", "12Gi", 12288), ("1G", "1G", 954), (0.3, "308Mi", 308)],
)
def test_memory_as_a_number_is_gibibytes(value: object, text: str, whole_mebibytes: int) -> None:
    """A number is gibibytes, text keeps its unit, and nobody gets less than asked for."""
    assert (memory_text(value), mebibytes(value)) == (text, whole_mebibytes)


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        pytest.param(cpu_text, 0, "CPU must be above 0, not 0", id="no CPU"),
        pytest.param(cpu_text, -1, "CPU must be above 0, not -1", id="negative CPU"),
        pytest.param(cpu_text, "2 cores", "'2 cores' has no unit of CPU", id="cores"),
        pytest.param(cpu_text, 0.0001, "finer than a thousandth", id="crumbs of CPU"),
        pytest.param(cpu_text, True, "True is no amount of CPU", id="a switch"),
        pytest.param(cpu_text, "much", "'much' is no amount of CPU", id="a word"),
        pytest.param(memory_text, 0, "memory must be above 0, not 0", id="no memory"),
        pytest.param(memory_text, "12GB", "unknown unit 'GB'. Did you mean 'Gi'?", id="GB"),
        pytest.param(memory_text, "512mb", "unknown unit 'mb'. Did you mean 'Mi'?", id="mb"),
        pytest.param(memory_text, "12", "write '12Gi'", id="text without a unit"),
        pytest.param(memory_text, "1Ki", "less than 4Mi", id="next to nothing"),
        pytest.param(memory_text, None, "None is no amount of memory", id="nothing"),
    ],
)
def test_what_is_no_amount_is_refused(read: Any, value: object, told: str) -> None:
    """The message shows what was written and what to write instead."""
    with pytest.raises(ValueError, match=re.escape(told)):
        read(value)


@pytest.mark.parametrize("image", ["shop", "shop:latest", "registry.example:5000/team/shop"])
def test_an_image_that_may_change_is_refused_in_production(image: str) -> None:
    """What runs in prod has a tag that says which version, or a digest; elsewhere it need not."""
    builder = kubernetes(image=image)

    assert builder.update_deployment(a_deployment()).job_variables["image"] == image
    with pytest.raises(ConfigurationError, match="does not say which version runs in prod") as refusal:
        builder.update_deployment(a_deployment(environment="prod"))
    assert refusal.value.hint == f"Give it a tag or a digest, for example '{image.removesuffix(':latest')}:1.4.2'."


@pytest.mark.parametrize(
    "image",
    ["shop:1.4.2", f"shop@{DIGEST}", "registry.example:5000/team/shop:1.4.2", "{{ prefect.variables.shop_image }}"],
)
def test_a_pinned_image_runs_in_production(image: str) -> None:
    """A tag, a digest, and a reference that only the run can resolve are accepted."""
    made = kubernetes(image=image).update_deployment(a_deployment(environment="prod"))
    assert made.job_variables["image"] == image


@pytest.mark.parametrize("image", ["Shop:1", "shop:", "shop:a b", "shop@sha256:12", ""])
def test_what_is_no_image_is_refused(image: str) -> None:
    """A reference that no registry takes is refused where it is written."""
    with pytest.raises(ValueError, match="is no reference to an image"):
        kubernetes(image=image)
