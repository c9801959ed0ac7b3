"""A desk on a database of the test's own, and one order staged on it."""

import pytest

from tests.support.audited import copied, made
from tests.support.staging import desk_at, stage_opening


@pytest.fixture
async def desk(desk_home, database, engine):
    desk_home.mkdir()
    return desk_at(desk_home, database, engine)


@pytest.fixture
async def staged(desk):
    return await stage_opening(desk)


@pytest.fixture(scope="session")
def audited(postgres, tmp_path_factory):
    """A home whose database holds one whole simulated run over six names; copy it before changing anything."""
    return made(postgres, tmp_path_factory.mktemp("audited") / "home")


@pytest.fixture
def twin(audited, tmp_path):
    """A copy of `audited` of the test's own, to tamper with."""
    with copied(audited, tmp_path / "twin") as copy:
        yield copy
