"""Alembic's entry: the chassis runs it on the connection that it opened."""

from alembic import context

import services.materials.model
from services.chassis import migrate
from services.chassis.bind import load
from services.materials.model.base import Table

load(services.materials.model)
migrate.run(context, Table.metadata)
