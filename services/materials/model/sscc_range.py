"""Numbers of new handling units: SSCCs from a range that several processes share (MAT-24)."""

from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy import select, text

from services.chassis.faults import FailedPrecondition, ResourceExhausted
from services.chassis.unit import Unit
from services.materials.model.handling_unit import HandlingUnit
from services.materials.rules import sscc

log = structlog.get_logger("sscc")


class CompanyPrefixMissing(FailedPrecondition):
    """Codes cannot be made without the company's prefix."""

    text = (
        "SSCCs are made of the company's GS1 prefix: set PLANTOPS_MATERIALS_COMPANY_PREFIX, 4 to 12 digits, "
        "or give the SSCC."
    )


class SsccRangeExhausted(ResourceExhausted):
    """All serial references of a prefix and extension digit are used (MAT-24)."""

    text = "The SSCC range {range} has no {count} numbers left; use another extension digit."


_TAKE = text("""
    insert into sscc_range as r (prefix, extension, next) values (:prefix, :extension, 1 + :count)
    on conflict on constraint pk_sscc_range do update set next = r.next + :count where r.next + :count <= :capacity
    returning next
""")
_NUMBERS = text("select nextval('document_number') from generate_series(1, :count)")


async def known(unit: Unit, codes: Iterable[str]) -> set[str]:
    """Which of some SSCCs belong to a unit."""
    wanted = sorted(set(codes))
    if not wanted:
        return set()
    return set(await unit.all(select(HandlingUnit.sscc).where(HandlingUnit.sscc.in_(wanted))))  # type: ignore[attr-defined, call-overload]


async def take(unit: Unit, prefix: str, extension: int, count: int) -> list[str]:
    """New SSCCs, in one statement whatever their number; those that somebody gave to a unit are left out."""
    if not prefix:
        raise CompanyPrefixMissing
    found: list[str] = []
    while len(found) < count:
        lacking, most = count - len(found), sscc.capacity(prefix)
        where = {"prefix": prefix, "extension": extension, "count": lacking, "capacity": most}
        following = (await unit.execute(_TAKE, where)).scalar_one_or_none()
        if following is None:
            raise SsccRangeExhausted(range=f"{extension} {prefix}", count=lacking)
        if sscc.scarce(prefix, following):
            log.warning("SSCC range is running out", range=f"{extension} {prefix}", left=most - following)
        made = [sscc.make(extension, prefix, serial) for serial in range(following - lacking, following)]
        taken = await known(unit, made)
        found += [code for code in made if code not in taken]
    return found


async def numbers(unit: Unit, count: int) -> Sequence[str]:
    """Numbers that people read, for so many units."""
    rows = (await unit.execute(_NUMBERS, {"count": count})).scalars()
    return [f"HU-{value:06d}" for value in rows]
