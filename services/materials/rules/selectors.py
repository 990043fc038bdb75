"""Where a policy holds, and which of several is the most specific (MAT-160)."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selector:
    """An item, else a class of items, else all; at a place, at a site, else everywhere."""

    item: str = ""
    item_class: str = ""
    site: str = ""
    location: str = ""

    def fits(self, item: str, item_class: str, site: str, location: str = "") -> bool:
        """Whether it holds for an item at a site, or at a place of it."""
        return (
            self.item in ("", item)
            and self.site in ("", site)
            and self.location in ("", location)
            and (self.item != "" or self.item_class in ("", item_class))
        )

    @property
    def rank(self) -> tuple[bool, bool, bool, bool]:
        """How specific it is: the item before the class, these before the place, that before the site."""
        return self.item != "", self.item_class != "", self.location != "", self.site != ""

    def __str__(self) -> str:
        what = self.item or (f"class {self.item_class}" if self.item_class else "all items")
        where = self.location or (f"sites/{self.site}" if self.site else "all sites")
        return f"{what} at {where}"


def most_specific(
    selectors: Iterable[Selector], item: str, item_class: str, site: str, location: str = ""
) -> Selector | None:
    """The one that holds for an item at a site, or at a place of it; of one rank only one fits it."""
    fitting = (row for row in selectors if row.fits(item, item_class, site, location))
    return max(fitting, key=lambda row: row.rank, default=None)
