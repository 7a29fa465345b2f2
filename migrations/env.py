"""Runs the migrations on the connection that `core.store.schema.migrate` opened, inside its transaction."""

from alembic import context

from core.store import work_tables

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations run when `xcrack up` starts; it opens the database of the settings.")
context.configure(connection=connection, target_metadata=work_tables.metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
