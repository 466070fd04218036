"""How often a deployment is healed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from meta_prefect.state.heal_log import MOST_HEALS, Heals

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_healing_stops_and_starts_again() -> None:
    """Three heals within an hour are the most; an hour later the same deployment may be healed again; others always may."""
    heals = Heals(project="shop", environment="prod")
    for minute in range(MOST_HEALS):
        assert heals.may_heal("etl/nightly", NOW)
        heals = heals.with_heals(["etl/nightly"], NOW + timedelta(minutes=minute))

    assert not heals.may_heal("etl/nightly", NOW + timedelta(minutes=5))
    assert heals.may_heal("etl/other", NOW)
    later = NOW + timedelta(hours=2)
    assert heals.may_heal("etl/nightly", later)
    assert heals.with_heals(["etl/other"], later).at == {"etl/other": (later,)}
