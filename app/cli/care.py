"""Looking after an installation: doctor, audit, keys, the LLM's door."""

import sys
from datetime import timedelta

import click

from app.auth import load_web_secret
from app.cli.output import json_option, open_current_store, print_json, print_table, start
from app.doctor import examine
from app.home import Home
from core.clock import SystemClock
from core.store import api_keys, ledger
from core.store import audit as audit_rows
from feedback.analyzer import check_llm

SCOPES = ("read", "feedback", "approve", "admin")


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check everything that must be right and say how to mend what is not. Exit code 1 when something is wrong."""
    found = examine(start(), SystemClock())
    if as_json:
        print_json(found)
    else:
        rows = [("ok" if f.ok else "WRONG", f.check, f.detail, f.remedy) for f in found]
        print_table("", ("", "check", "found", "remedy"), rows, "")
    sys.exit(0 if all(f.ok for f in found) else 1)


@click.group()
def audit() -> None:
    """The tamper-evident record of who changed what."""


@audit.command("verify")
@json_option
def audit_verify(as_json: bool) -> None:
    """Verify the hash chains of audit and trial ledger. Names the first bad row; exit code 1 then."""
    settings = start()
    store = open_current_store(settings)
    anchors = Home(settings.home).audit_head
    with store.session() as session:
        known = anchors if anchors.is_file() else None
        faults = {"audit": audit_rows.verify(session, known), "ledger": ledger.verify(session, known)}
    if as_json:
        print_json({name: None if fault is None else fault for name, fault in faults.items()})
    else:
        for name, fault in faults.items():
            print(f"{name}: {'every row is as it was written' if fault is None else fault}")
    sys.exit(1 if any(faults.values()) else 0)


@click.group()
def keys() -> None:
    """API keys: what the dashboard's login and the API accept."""


@keys.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=("read",), show_default=True)
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="Days until it expires.")
def keys_create(name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a key and print it once; only its hash is kept.

    \b
    xcrack keys create dashboard --scope read --days 90
    """
    settings = start()
    store = open_current_store(settings)
    now = SystemClock().now()
    secret = load_web_secret(settings)
    with store.session() as session:
        made, text = api_keys.create(session, name, scopes, secret, now, now + timedelta(days=days))
    print(f"{text}\n# {made.key_id}, scopes {', '.join(sorted(made.scopes))}; it is not shown again", file=sys.stdout)


@keys.command("list")
@json_option
def keys_list(as_json: bool) -> None:
    """List keys without their secrets."""
    store = open_current_store(start())
    with store.session() as session:
        found = api_keys.list_keys(session)
    if as_json:
        print_json(found)
        return
    rows = [
        (k.key_id, k.name, ", ".join(sorted(k.scopes)), k.expires_at or "", "revoked" if k.revoked_at else "")
        for k in found
    ]
    print_table(
        "API keys", ("id", "name", "scopes", "expires", ""), rows, "No key yet: xcrack keys create NAME --scope admin"
    )


@keys.command("revoke")
@click.argument("key_id")
def keys_revoke(key_id: str) -> None:
    """Make a key worthless from now on.

    \b
    xcrack keys revoke KEY_ID
    """
    store = open_current_store(start())
    with store.session() as session:
        api_keys.revoke(session, key_id, SystemClock().now())
    print(f"{key_id} is revoked")


@click.group()
def llm() -> None:
    """The analyzer's LLM."""


@llm.command("check")
@json_option
def llm_check(as_json: bool) -> None:
    """Make one tiny call and print model, latency, cost and the mode that worked."""
    settings = start()
    store = open_current_store(settings)
    result = check_llm(settings.analyzer, store, SystemClock())
    if as_json:
        print_json(result)
    else:
        rows = [(name, getattr(result, name)) for name in result.__slots__]
        print_table("", ("", ""), rows, "")
    sys.exit(0 if result.is_ok else 1)
