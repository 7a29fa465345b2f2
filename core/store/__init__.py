"""How things are kept: tables, one repository per noun, one transaction per session. The only place with SQL."""

from core.store.session import Session, Store, is_store_failure, open_store

__all__ = ["Session", "Store", "is_store_failure", "open_store"]
