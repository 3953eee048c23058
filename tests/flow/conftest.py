"""The sample region's settings, one store a test, and Weald's own doors to it."""

from datetime import UTC, datetime
from importlib import resources

import pytest

from app.services import services_from_settings
from app.settings import load_settings
from tests.flow.doors import Doors, Listener

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RTK_FEED = "[sources.RTK-PAS]\n"


@pytest.fixture(scope="session")
def settings_file(tmp_path_factory):
    """The shipped sample; RTK's discharges with disposition 4 say that the patient died."""
    text = resources.files("app").joinpath("sample.toml").read_text("utf-8")
    assert RTK_FEED in text
    path = tmp_path_factory.mktemp("settings") / "weald.toml"
    path.write_text(text.replace(RTK_FEED, f'{RTK_FEED}death_dispositions = ["4"]\n'), "utf-8")
    return path


@pytest.fixture
def services(settings_file, tmp_path_factory):
    settings = load_settings(settings_file, env={"WEALD_STORE": f"sqlite:///{tmp_path_factory.mktemp('store') / 'weald.db'}"})
    services = services_from_settings(settings, clock=lambda: NOW)
    yield services
    services.store.close()


@pytest.fixture
def weald(services):
    with Listener(services) as listener:
        doors = Doors(services, listener.port)
        yield doors
        doors.close()
