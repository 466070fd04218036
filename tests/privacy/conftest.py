from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_prefect.sealing import use_key


@pytest.fixture
def a_key() -> Iterator[None]:
    """A key with which secrets are sealed."""
    use_key("1f" * 32)
    yield
    use_key(None)
