"""The chain of ids, from wherever it is taken up."""

from datetime import timedelta

import pytest

from app.trace import Link, trace_chain
from core.errors import UnknownName
from core.model.proposal import Deployment
from core.store import Store, deployments, param_versions, proposals, signals, trades, verdicts
from tests.factories import NOON, SHA, param_version, proposal, signal, trade, verdict


@pytest.fixture(autouse=True)
def learnt(store: Store) -> None:
    """A proposal that was judged and deployed as version 2, a trade of version 1 and one of version 2."""
    with store.session() as session:
        made = proposal("proposal-1", "deployed")
        proposals.add(session, made)
        verdicts.add(session, verdict("proposal-1", "admission", verdict_id="verdict-1"))
        verdicts.add(session, verdict("proposal-1", "sealed", verdict_id="verdict-2"))
        param_versions.add(session, param_version(made.instance_id, 1, active=False))
        param_versions.add(session, param_version(made.instance_id, 2, origin="proposal-1"))
        sent = Deployment(
            "deployment-2", "proposal-1", made.instance_id, 2, 1, "active", NOON, "", NOON, NOON, SHA, "better"
        )
        deployments.add(session, sent)
        trades.add(session, trade("old-1", NOON, instance_id=made.instance_id, params_version=1))
        later = NOON + timedelta(hours=1)
        trades.add(session, trade("new-1", later, instance_id=made.instance_id, params_version=2))
        signals.add(session, signal("signal-1"))


def _trace(store: Store, identifier: str) -> list[Link]:
    with store.session() as session:
        return trace_chain(session, identifier)


@pytest.mark.parametrize("identifier", ["proposal-1", "deployment-2", "verdict-1", "verdict-2", "new-1"])
def test_every_id_of_a_change_leads_to_the_whole_change(store: Store, identifier: str) -> None:
    chain = _trace(store, identifier)
    ids = [link.id for link in chain]
    order = ["proposal-1", "verdict-1", "verdict-2", "deployment-2", "deployment-2:ack", "new-1"]
    assert [name for name in ids if name in order] == order
    assert len(ids) == len(set(ids))


def test_each_link_follows_from_one_before_it(store: Store) -> None:
    chain = _trace(store, "deployment-2")
    seen = {chain[0].parent}
    for link in chain:
        assert link.parent in seen | {None}, link
        seen.add(link.id)


def test_a_trade_of_the_first_parameters_leads_to_them_alone(store: Store) -> None:
    assert [(link.kind, link.parent) for link in _trace(store, "old-1")][0] == ("params", "initial")
    assert "proposal" not in {link.kind for link in _trace(store, "old-1")}


def test_a_signal_is_found(store: Store) -> None:
    assert [link.kind for link in _trace(store, "signal-1")] == ["signal"]


def test_an_unknown_id_is_refused_with_what_may_be_asked_for(store: Store) -> None:
    with pytest.raises(UnknownName, match="Give a trade"):
        _trace(store, "nothing-1")
