"""The page of an archive that a test fills, asked without a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.data.web_page import Page, opened_page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """That of a folder that is still empty."""
    with opened_page(tmp_path) as page:
        yield page
