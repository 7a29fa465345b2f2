"""How good the loop is: the figures that cannot be picked by their result."""

from typing import cast

import click

from app.cli.output import json_option, open_current_store, print_json, start
from app.scorecard import read_card
from core.clock import SystemClock
from core.model.language import Language
from feedback.report import load_texts
from feedback.scorecard_text import scorecard_lines


@click.command()
@click.option("--language", type=click.Choice(["ko", "en"]), help="Default: the settings' language.")
@json_option
def scorecard(language: str | None, as_json: bool) -> None:
    """Tell how good suggestions, changes and the gate were, each with its interval and number.

    Accuracy counts every registered proposal, also refused ones, and is shown less what random placebos reach.
    Improvement is live minus a twin that never changed its parameters. "Too few to tell" is an answer: about 37
    independent proposals tell 70 % from 50 %. While the gate breaks its own promises nothing is promoted, and the
    reason is shown.

    \b
    xcrack scorecard --language en
    """
    settings = start()
    store = open_current_store(settings)
    with store.session() as session:
        card = read_card(session, SystemClock(), settings)
    if as_json:
        print_json(card)
        return
    for line in scorecard_lines(card, load_texts(cast(Language, language or settings.language))):
        print(line)
