"""A node that was given, by STOW-RS, instances of which everything is known."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import dcmread
from support import TEST_FILES, running_node
from support.checks.dicomweb import TABLES, Web
from support.data.web_kit import STORED, Kit, file_of, made_up, under_another_uid


@pytest.fixture(scope="package")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A node with all of them, stored over HTTP."""
    made = made_up()
    files = {str(one.SOPInstanceUID): file_of(one) for one in made.values()}
    for number, (name, file) in enumerate(STORED.items(), 100):
        files[name] = under_another_uid((TEST_FILES / file).read_bytes(), number)
        made[name] = dcmread(BytesIO(files[name]))
    with running_node(tmp_path_factory.mktemp("ps3_18"), TABLES) as node:
        web = Web(node)
        answer = web.store(list(files.values()))
        assert answer.status_code == 200, answer.text
        yield Kit(web, made)
