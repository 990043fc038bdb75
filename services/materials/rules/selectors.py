"""Where a policy holds, and which of several is the most specific (MAT-160)."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selector:
    """An item, else a class of items, else all; at a site, else everywhere."""

    item: str = ""
    item_class: str = ""
    site: str = ""

    def fits(self, item: str, item_class: str, site: str) -> bool:
        """Whether it holds for an item at a site."""
        return (
            self.item in ("", item)
            and self.site in ("", site)
            and (self.item != "" or self.item_class in ("", item_class))
        )

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """How specific it is: the item before the class, these before the site."""
        return self.item != "", self.item_class != "", self.site != ""

    def __str__(self) -> str:
        what = self.item or (f"class {self.item_class}" if self.item_class else "all items")
        return f"{what} at {f'sites/{self.site}' if self.site else 'all sites'}"


def most_specific(selectors: Iterable[Selector], item: str, item_class: str, site: str) -> Selector | None:
    """The one that holds for an item at a site; no two of the same rank fit one item unless they are equal."""
    return max((row for row in selectors if row.fits(item, item_class, site)), key=lambda row: row.rank, default=None)
