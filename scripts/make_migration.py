"""Write the first migration from the tables that every plane declares.

    python scripts/make_migration.py

Until the first release there is one migration, made anew whenever a table changes; from then on each change is a
migration of its own, written by hand with the difference that this script prints as a start.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext

from mulle.catalog import metadata
from mulle.catalog.version import REVISION
from mulle.testing.schema import import_all_tables

TARGET = Path(__file__).parents[1] / "src" / "mulle" / "catalog" / "migrations" / "versions" / f"{REVISION}_first.py"
HEAD = f'''"""Every table of the first version. Written by scripts/make_migration.py."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    {{upgrade}}


def downgrade() -> None:
    {{downgrade}}
'''


def plain_type(kind: str, value: Any, _context: Any) -> str | bool:
    """Our column types by what they are in the database, so that a migration does not change with the code."""
    if kind == "type" and isinstance(value, sa.types.TypeDecorator):
        return f"sa.{type(value.impl).__name__}()"
    return False


def main() -> None:
    import_all_tables()
    with sa.create_engine("sqlite://").connect() as connection:
        options = {"render_item": plain_type, "render_as_batch": False, "target_metadata": metadata}
        context = MigrationContext.configure(connection, opts=options)
        script = produce_migrations(context, metadata)
    text = HEAD.format(
        upgrade=render_python_code(script.upgrade_ops, render_item=plain_type),
        downgrade=render_python_code(script.downgrade_ops, render_item=plain_type),
    )
    TARGET.write_text(text, "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(TARGET)], check=True)
    print(f"{TARGET}: {len(metadata.tables)} tables")


if __name__ == "__main__":
    main()
