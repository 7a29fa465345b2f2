"""Korean and English texts of the pages: one JSON catalogue per language, looked up strictly.

A missing key raises, so that a page is never shown half translated; a test keeps both files at the same keys.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import Request

from core.model.language import LANGUAGES, Language

COOKIE = "xcrack_lang"
_FOLDER = Path(__file__).parent / "translations"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of every language."""

    texts: Mapping[Language, Mapping[str, str]]

    def text(self, language: Language, key: str, **values: Any) -> str:
        """Return the text of `key` with `{name}` places filled. Raises KeyError for an unknown key or place."""
        template = self.texts[language][key]
        return template.format(**values) if values else template


def load_catalogue(folder: Path = _FOLDER) -> Catalogue:
    """Return the catalogue that ships with the app."""
    return Catalogue(
        {language: json.loads((folder / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES}
    )


def choose_language(request: Request, default: Language) -> Language:
    """Return the language of an answer: `?lang=`, then the cookie, then Accept-Language, then the settings."""
    for wish in (request.args.get("lang"), request.cookies.get(COOKIE)):
        for language in LANGUAGES:
            if wish == language:
                return language
    if not request.accept_languages:
        return default
    return cast(Language, request.accept_languages.best_match(LANGUAGES, default))
