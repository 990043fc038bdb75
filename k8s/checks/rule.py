"""A rule: its number, what it says, and a function that yields a sentence for each place that breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from k8s.checks.manifests import Manifests

Check = Callable[[Manifests], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of docs/specification/operations.md, checked on the manifests of one overlay."""

    number: str
    says: str
    check: Check

    def faults(self, manifests: Manifests) -> list[str]:
        """Where an overlay breaks it."""
        return list(self.check(manifests))


RULES: list[Rule] = []


def rule(number: str, says: str) -> Callable[[Check], Check]:
    """Enter a function into the list of rules."""

    def enter(check: Check) -> Check:
        RULES.append(Rule(number, says, check))
        return check

    return enter
