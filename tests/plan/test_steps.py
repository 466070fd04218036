"""Builders as steps over a whole batch."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from values import a_draft

from meta_prefect.engine.resolve import Draft, builder_steps
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


class Letter(FlowBuilderInterface):
    """Adds its letter to the description; each letter is a kind of its own."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    @property
    def title(self) -> str:
        """The letter."""
        return self.letter

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the letter."""
        deployment.description = (deployment.description or "") + self.letter
        return deployment


chains = st.lists(st.text("abcd", max_size=6), max_size=6)
some_examples = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def batch(chains: list[str]) -> list[Draft]:
    """One draft for each chain of letters."""
    return [a_draft(*map(Letter, chain)) for chain in chains]


def titles(*chains: str) -> list[str]:
    """The steps for some chains of letters."""
    return [step.title for step in builder_steps(batch(list(chains)))]


@some_examples
@given(chains)
def test_each_chain_keeps_its_order(chains: list[str]) -> None:
    """However chains are interleaved, each deployment's builders apply in their own order, each once."""
    drafts = batch(chains)
    for step in builder_steps(drafts):
        step.run()

    assert [draft.deployment.description or "" for draft in drafts] == chains
    assert all(draft.errors == [] for draft in drafts)


@some_examples
@given(chains)
def test_the_same_batch_makes_the_same_steps(chains: list[str]) -> None:
    """Steps do not depend on chance: two plans of one project show the same runs."""
    assert titles(*chains) == titles(*chains)


@some_examples
@given(chains)
def test_a_step_is_one_kind_of_builder(chains: list[str]) -> None:
    """A step holds one kind, and at most one builder of each deployment."""
    for step in builder_steps(batch(chains)):
        assert {builder.title for _, builder in step.members} == {str(step)}
        assert max(Counter(id(draft) for draft, _ in step.members).values()) == 1


@some_examples
@given(st.text("abcd", min_size=1, max_size=6), st.integers(1, 5))
def test_equal_chains_take_one_step_for_each_builder(chain: str, count: int) -> None:
    """A hundred deployments of one recipe are as many steps as one."""
    assert titles(*[chain] * count) == list(chain)


def test_chains_that_differ_share_what_they_can() -> None:
    """A builder that some deployments lack does not split the steps after it."""
    assert titles("ace", "abce", "abcde") == ["a", "b", "c", "d", "e"]


def test_what_others_have_further_down_waits_for_them() -> None:
    """A step that all chains have is done together, even where it stands at different places."""
    assert titles("c", "abc", "bc") == ["a", "b", "c"]


def test_chains_in_opposite_order_are_no_deadlock() -> None:
    """Two recipes that disagree on the order each get theirs."""
    assert titles("ab", "ba") == ["a", "b", "a"]


def test_two_settings_of_one_kind_are_one_step() -> None:
    """The kind counts, not the settings."""

    class Numbered(Letter):
        def __init__(self, number: int) -> None:
            super().__init__("number")
            self.number = number

    (step,) = builder_steps([a_draft(Numbered(1)), a_draft(Numbered(2))])
    assert (step.title, len(step.members)) == ("number", 2)


def test_no_builders_no_steps() -> None:
    """An empty batch, and deployments without builders, have no steps."""
    assert titles() == titles("", "") == []
