"""What an enterprise may choose for materials, beside what every service is configured with."""

from pydantic import Field

from services.chassis.config import ServiceConfig
from services.chassis.unit import Unit


class Options(ServiceConfig):
    """Configuration of materials."""

    unique_serials: bool = Field(default=False, description="serial numbers are unique over all items (MAT-15)")
    company_prefix: str = Field(
        default="", pattern=r"^([0-9]{4,12})?$", description="GS1 company prefix, 4 to 12 digits; codes are made of it"
    )
    decision_days: int = Field(
        default=0, ge=0, description="days for which decisions are kept, at least 30; 0 = for good (MAT-162)"
    )


def options(unit: Unit) -> Options:
    """What was chosen."""
    assert isinstance(unit.context.config, Options)
    return unit.context.config
