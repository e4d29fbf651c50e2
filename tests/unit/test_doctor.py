"""What `takeup doctor` says of the proxy and of isolation."""

import pytest
from pydantic import SecretStr

from app.core.celery_app import make_celery
from app.core.config import Settings
from app.services.storage.bucket import open_bucket
from app.tasks.checks import Finding, Servers, examine
from tests.connect_proxy import ConnectProxy
from tests.servers import settings_of
from tests.unit.test_egress import REQUIRED


@pytest.fixture
def settings() -> Settings:
    return settings_of(REQUIRED)


def with_proxy(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"takeup_egress_proxy": SecretStr(url)})


def outcome(name: str, settings: Settings) -> Finding:
    return examine(name, Servers(settings, open_bucket(settings), make_celery(lambda: settings)))


def test_no_proxy_is_well(settings: Settings) -> None:
    assert outcome("egress proxy", settings).ok


def test_proxy_that_answers_is_well_and_shows_no_password(settings: Settings) -> None:
    with ConnectProxy({}, password="user:hidden-word") as proxy:
        url = f"http://user:hidden-word@127.0.0.1:{proxy.port}"
        finding = outcome("egress proxy", with_proxy(settings, url))
    assert finding.ok
    assert "hidden-word" not in repr(finding)


def test_proxy_that_is_away_or_refuses_us_is_not_well(settings: Settings) -> None:
    with ConnectProxy({}, password="user:word") as proxy:
        refused = outcome("egress proxy", with_proxy(settings, proxy.url))
    away = outcome("egress proxy", with_proxy(settings, proxy.url))
    assert (refused.ok, away.ok) == (False, False)
    assert "credentials" in refused.seen
    assert "TAKEUP_EGRESS_PROXY" in away.remedy


def test_kernel_without_namespaces_is_a_note(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    well = outcome("isolation", settings)
    monkeypatch.setattr("app.tasks.checks.sys.executable", "/bin/false")
    without = outcome("isolation", settings)
    assert well.ok
    assert without.ok
    assert "namespaces" in without.remedy
