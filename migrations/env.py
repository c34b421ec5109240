"""Alembic's entry: runs on the connection that `alphintra_lab.db` hands over."""

from alembic import context

import alphintra_lab.tables
from alphintra_lab.db import Base

assert alphintra_lab.tables.__all__  # imported for the tables it declares

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
