"""What an enterprise may choose for materials, beside what every service is configured with."""

from pydantic import Field

from services.chassis.config import ServiceConfig
from services.chassis.unit import Unit


class Options(ServiceConfig):
    """Configuration of materials."""

    unique_serials: bool = Field(default=False, description="serial numbers are unique over all items (MAT-15)")


def options(unit: Unit) -> Options:
    """What was chosen."""
    assert isinstance(unit.context.config, Options)
    return unit.context.config
