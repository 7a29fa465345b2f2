"""The errors of the house.

XcrackError
  x BadInput            what a person or a file gave is wrong: exit 2, HTTP 400
  . x UnknownName       no such strategy, instance, proposal, date …: HTTP 404
  . x SettingsError     the settings file or the environment is wrong
  x Conflict            the state has moved on: HTTP 409
  x Refused             a rule of the house says no: exit 3, HTTP 409
  x Unavailable         something outside is down or late; trying again may help: exit 1, HTTP 503
  . x StoreUnavailable  the database does not answer
  x Corrupt             stored bytes are not what was written: stop and name the object
"""


class XcrackError(Exception):
    """Carries one sentence for a person: what, where, why; and what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class BadInput(XcrackError):
    """What a person or a file gave is wrong."""


class UnknownName(BadInput):
    """Nothing of that name exists."""


class SettingsError(BadInput):
    """The settings file or the environment is wrong."""


class Conflict(XcrackError):
    """The state has moved on since the caller looked."""


class Refused(XcrackError):
    """A rule of the house says no."""


class Unavailable(XcrackError):
    """Something outside is down or late."""


class StoreUnavailable(Unavailable):
    """The database does not answer."""


class Corrupt(XcrackError):
    """Stored bytes are not what was written."""
