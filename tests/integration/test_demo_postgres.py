"""A demo on PostgreSQL writes the reports that it writes on SQLite, byte for byte."""

from pathlib import Path

from app.demo import demo_settings, run_demo
from app.home import Home
from app.replay import Summary
from core.settings import Settings
from core.store import Store, audit, ledger

SEED = 0
DAYS = 2
"""The first night holds a daily and a Sunday's weekly cycle, which begins a canary; the second day runs its shadow."""


def _demo(folder: Path, store_url: str) -> Summary:
    settings = demo_settings(Settings(), folder)
    settings = Settings.model_validate({**settings.model_dump(), "store": {"url": store_url}})
    return run_demo(settings, Home(folder).create(), SEED, DAYS, lambda progress: None)


def test_a_demo_on_postgresql_ends_as_on_sqlite(pg_store: Store, tmp_path: Path) -> None:
    embedded = _demo(tmp_path / "sqlite", "")
    served = _demo(tmp_path / "pg", pg_store.engine.url.render_as_string(hide_password=False))
    assert (served.trades, served.proposals, served.deployments) == (
        embedded.trades,
        embedded.proposals,
        embedded.deployments,
    )
    assert served.report_sha256 == embedded.report_sha256
    assert served.canaries == embedded.canaries == {"shadow": 1}
    with pg_store.session() as session:
        assert audit.verify(session) is None
        assert ledger.verify(session) is None
