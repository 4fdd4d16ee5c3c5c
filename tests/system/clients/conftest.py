"""What the tests of several clients share."""

import pytest
from support import free_port


@pytest.fixture(scope="module")
def own_port() -> int:
    """A port that the other side knows from its start on."""
    return free_port()
