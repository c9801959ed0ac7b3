"""A desk on a database of the test's own, and one order staged on it."""

import pytest

from tests.support.staging import desk_at, stage_opening


@pytest.fixture
async def desk(desk_home, database, engine):
    desk_home.mkdir()
    return desk_at(desk_home, database, engine)


@pytest.fixture
async def staged(desk):
    return await stage_opening(desk)
