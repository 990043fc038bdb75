"""Alembic's entry: the chassis runs it on the connection that it opened."""

from alembic import context

import services.procurement.model
from services.chassis import migrate
from services.chassis.bind import load
from services.procurement.model.base import Table

load(services.procurement.model)
migrate.run(context, Table.metadata)
