"""What the demo adds to somebody's settings: models that speak, one instance that follows them, and no less capital."""

from pathlib import Path

from app.demo import FOLLOWER, demo_settings, virtual_settings
from app.engine_process import instance_capital
from core.settings import Settings, load_settings


def test_the_follower_comes_beside_the_others_whose_capital_stays_what_it_was(tmp_path: Path) -> None:
    before, after = Settings(), demo_settings(Settings(), tmp_path)
    names = [each.instance_id for each in before.instances]
    assert [each.instance_id for each in after.instances] == [*names, FOLLOWER.instance_id]
    for name in names:
        assert instance_capital(after, name) == instance_capital(before, name)
    assert instance_capital(after, FOLLOWER.instance_id) == 5_000
    assert sum(each.capital_share for each in after.instances) == 1
    assert after.models.in_replay and after.models.serve == ()


def test_an_instance_of_that_name_in_the_settings_is_left_as_it_is(tmp_path: Path) -> None:
    own = {"instances": [{"instance_id": FOLLOWER.instance_id, "strategy": "sma_cross", "capital_share": 1.0}]}
    before = load_settings({}, own)
    after = demo_settings(before, tmp_path)
    assert (after.instances, after.risk) == (before.instances, before.risk)


def test_a_replay_has_neither(tmp_path: Path) -> None:
    settings = virtual_settings(Settings(), tmp_path)
    assert settings.instances == Settings().instances and not settings.models.in_replay
