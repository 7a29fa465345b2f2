"""The base of every bridge message: frozen, and closed to fields the contract does not name."""

from msgspec import Struct


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """A message of the bridge or a part of one."""
