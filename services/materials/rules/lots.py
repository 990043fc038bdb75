"""Dates of a lot, and what becomes of them when lots are merged (MAT-13, MAT-14)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Dates:
    """Day of manufacture, best-before day, last usable day; None = not known."""

    manufacture_date: date | None = None
    best_before_date: date | None = None
    expire_date: date | None = None

    @property
    def fault(self) -> str:
        """The date that cannot be, as a field's name; "" when they go together."""
        made = self.manufacture_date
        if made is None:
            return ""
        return next((name for name in ("best_before_date", "expire_date") if (getattr(self, name) or made) < made), "")


def lasting(dates: Dates, shelf_life_days: int) -> Dates:
    """With the expiry that follows from the manufacture, where none is given and the item has a shelf life."""
    made = dates.manufacture_date
    if dates.expire_date is not None or made is None or shelf_life_days == 0:
        return dates
    return replace(dates, expire_date=made + timedelta(days=shelf_life_days))


def merged(lots: Iterable[Dates]) -> Dates:
    """Dates of what is mixed: the earliest of each, so that no part of it is used too late.

    It has a day of manufacture where that of every part is known.
    """
    rows = list(lots)
    made = [row.manufacture_date for row in rows if row.manufacture_date is not None]
    return Dates(
        min(made) if len(made) == len(rows) > 0 else None,
        min((row.best_before_date for row in rows if row.best_before_date is not None), default=None),
        min((row.expire_date for row in rows if row.expire_date is not None), default=None),
    )
