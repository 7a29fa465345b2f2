"""How things are kept: tables, one repository per noun, one transaction per session. The only place with SQL."""

from core.store.session import Session, Store, open_store

__all__ = ["Session", "Store", "open_store"]
