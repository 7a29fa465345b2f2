"""The processes of an installation, in the foreground."""

import sys

import click

from app.cli.output import start


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["demo", "paper", "replay", "live"]),
    help="demo: a made market. paper: live public data and simulated fills, no key. A replay (`xcrack replay`) and an "
    "account (docs/guides/live.md) are started otherwise.  [default: settings mode]",
)
def up(mode: str | None) -> None:
    """Start engine, worker and web under one supervisor, until Ctrl-C.

    One home holds one mode: name another with XCRACK_HOME. A process that dies is started again; after five deaths
    in a minute the supervisor gives up and says which one.

    \b
    xcrack up --mode paper
    """
    from app.supervisor import run_supervisor

    settings = start()
    sys.exit(run_supervisor(settings if mode is None else settings.model_copy(update={"mode": mode})))


follow_option = click.option("--die-with-parent", is_flag=True, hidden=True, help="End when standard input does.")


@click.command()
@follow_option
def worker(die_with_parent: bool) -> None:
    """Run the worker: bridge, logger, collectors, advisor, schedule and cycles. Exactly one per store."""
    from app.supervisor import follow_parent
    from app.worker import run_worker

    if die_with_parent:
        follow_parent()
    run_worker(start())


@click.command()
@click.option("--host", help="Address to listen on.  [default: settings web.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port.  [default: settings web.port]")
@follow_option
def web(host: str | None, port: int | None, die_with_parent: bool) -> None:
    """Serve dashboard and API from the store.

    \b
    xcrack web --host 127.0.0.1 --port 8080
    """
    from app.supervisor import follow_parent
    from app.web import serve_forever

    if die_with_parent:
        follow_parent()

    settings = start()
    update = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    serve_forever(settings.model_copy(update={"web": settings.web.model_copy(update=update)}))
