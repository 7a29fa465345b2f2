import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import Corrupt
from core.store import audit, chain
from tests.conftest import START

N_ROWS = 6


@pytest.fixture
def chained(any_store):
    for n in range(N_ROWS):
        append(any_store, n)
    return any_store


def append(store, n):
    with store.session() as session:
        return audit.append(session, START + timedelta(minutes=n), "alice", "approve", f"proposal-{n}", {"n": n})


def execute(store, statement, **values):
    with store.session() as session:
        session.execute(text(statement), values)


def verify(store, anchors=None):
    with store.session() as session:
        return audit.verify(session, anchors)


def test_an_untouched_chain_holds_and_reads_back(chained):
    assert verify(chained) is None
    with chained.session() as session:
        rows = audit.latest(session, 2)
        assert [row.n for row in audit.latest(session, 9, subject="proposal-3")] == [4]
    assert [(row.n, row.payload) for row in rows] == [(6, '{"n":5}'), (5, '{"n":4}')]
    assert rows[0].prev_sha256 == rows[1].sha256


def test_the_first_row_links_to_the_genesis_constant(any_store):
    assert append(any_store, 0).prev_sha256 == chain.GENESIS


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "mallory"),
        ("action", "reject"),
        ("subject", "proposal-9"),
        ("payload", '{"n": 3}'),
        ("at", "2026-03-02T03:03:00.000001Z"),
        ("at", "no time at all"),
        ("sha256", "f" * 64),
    ],
)
def test_an_edited_row_is_named(chained, column, value):
    execute(chained, f"UPDATE audit SET {column} = :value WHERE n = 4", value=value)
    fault = verify(chained)
    assert (fault.table, fault.n) == ("audit", 4)


def test_a_deleted_row_is_named(chained):
    execute(chained, "DELETE FROM audit WHERE n = 3")
    assert verify(chained) == chain.ChainFault("audit", 3, "row 3 is missing; the next one is 4")


def test_a_deleted_first_row_is_named(chained):
    execute(chained, "DELETE FROM audit WHERE n = 1")
    assert verify(chained).n == 1


def test_swapped_rows_are_named(chained):
    for old, new in ((2, 100), (3, 2), (100, 3)):
        execute(chained, "UPDATE audit SET n = :new WHERE n = :old", old=old, new=new)
    assert verify(chained).n == 2


def test_a_row_edited_together_with_its_hash_breaks_the_next_link(chained):
    with chained.session() as session:
        victim = audit.latest(session, 9)[2]
    forged = {"n": 4, "at": "2026-03-02T03:03:00.000000Z", "actor": "mallory", "action": victim.action}
    forged |= {"subject": victim.subject, "payload": victim.payload}
    sha = chain.link(victim.prev_sha256, forged)
    execute(chained, "UPDATE audit SET actor = 'mallory', sha256 = :sha WHERE n = 4", sha=sha)
    assert verify(chained) == chain.ChainFault("audit", 5, "row 5 does not link to the row before it")


def test_a_cut_off_tail_is_found_with_the_anchor_only(chained, tmp_path):
    path = tmp_path / "audit.head"
    with chained.session() as session:
        audit.anchor(session, path, START)
    append(chained, N_ROWS)
    assert verify(chained, path) is None
    execute(chained, "DELETE FROM audit WHERE n > 4")
    assert verify(chained) is None
    fault = verify(chained, path)
    assert fault.n == 5
    assert "4 are left" in fault.reason


def test_a_rewritten_chain_is_found_with_the_anchor(chained, tmp_path):
    path = tmp_path / "audit.head"
    with chained.session() as session:
        audit.anchor(session, path, START)
    execute(chained, "DELETE FROM audit")
    for _ in range(N_ROWS + 1):
        append(chained, 0)
    assert verify(chained) is None
    assert verify(chained, path).n == N_ROWS


def test_a_broken_chain_is_not_anchored_again(chained, tmp_path):
    path = tmp_path / "audit.head"
    with chained.session() as session:
        audit.anchor(session, path, START)
    before = path.read_bytes()
    execute(chained, "DELETE FROM audit WHERE n = 6")
    with pytest.raises(Corrupt, match="5 are left"), chained.session() as session:
        audit.anchor(session, path, START)
    assert path.read_bytes() == before


def test_an_unreadable_anchor_file_is_named_with_its_line(chained, tmp_path):
    path = tmp_path / "audit.head"
    path.write_text("nonsense\n")
    with pytest.raises(Corrupt, match="line 1 of .*audit.head"):
        verify(chained, path)


def test_an_empty_chain_holds_and_leaves_no_anchor(any_store, tmp_path):
    with any_store.session() as session:
        audit.anchor(session, tmp_path / "audit.head", START)
    assert verify(any_store, tmp_path / "audit.head") is None
    assert not (tmp_path / "audit.head").exists()


def test_writers_at_the_same_time_make_one_chain(any_store):
    threads = [threading.Thread(target=append, args=(any_store, n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_store.session() as session:
        assert [row.n for row in audit.latest(session, 99)] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert verify(any_store) is None


def build_rows(n_rows):
    rows, prev = [], chain.GENESIS
    for n in range(1, n_rows + 1):
        values = {"n": n, "at": f"2026-03-02T03:{n:02}:00.000000Z", "actor": "alice", "payload": f'{{"n":{n}}}'}
        rows.append({**values, "prev_sha256": prev, "sha256": (prev := chain.link(prev, values))})
    return rows


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    length=st.integers(2, 9),
    place=st.integers(0, 8),
    kind=st.sampled_from(["edit", "delete", "swap", "repeat"]),
    column=st.sampled_from(["n", "at", "actor", "payload", "prev_sha256", "sha256"]),
    position=st.integers(0, 99),
    letter=st.characters(codec="utf-8"),
)
def test_any_random_change_before_the_last_row_is_found(length, place, kind, column, position, letter):
    rows = build_rows(length)
    assert chain.verify_rows("audit", rows) is None
    place %= length - 1
    changed = [dict(row) for row in rows]
    if kind == "edit":
        old = str(changed[place][column])
        position %= len(old)
        changed[place][column] = old[:position] + letter + old[position + 1 :]
        if column == "n":
            changed[place][column] = rows[place]["n"] + position + 1
    elif kind == "delete":
        del changed[place]
    elif kind == "swap":
        changed[place], changed[place + 1] = changed[place + 1], changed[place]
    else:
        changed.insert(place, dict(changed[place]))
    fault = chain.verify_rows("audit", changed)
    assert (fault is None) == (changed == rows)
    if fault:
        assert fault.n in (place + 1, place + 2)
