"""Alembic's entry: the chassis runs it on the connection that it opened."""

from alembic import context

import services.maintenance.model
from services.chassis import migrate
from services.chassis.bind import load
from services.maintenance.model.base import Table

load(services.maintenance.model)
migrate.run(context, Table.metadata)
