"""`plantops verify-ledger`: numbers and hashes of the stock ledger computed anew, site by site (MAT-43)."""

from plantops.maintenance.v1.sites_pb2 import ListSitesRequest
from plantops.materials.v1.movements_pb2 import VerifyLedgerRequest

from cli.check import PERSON
from cli.session import Session

COUNT = 2000


async def verify(session: Session, site: str = "", *, first: int = 1, person: str = PERSON) -> int:
    """Print the head of each ledger, or the first movement that is not as it was sealed; 0 when none is."""
    sites = [site] if site else [row.name async for row in session.pages(person, ListSitesRequest())]
    wrong = [name for name in sites if not await _verified(session, name, first, person)]
    return 1 if wrong else 0


async def _verified(session: Session, site: str, first: int, person: str) -> bool:
    count, number = 0, first
    while number:
        request = VerifyLedgerRequest(name=site, first_number=number, count=COUNT)
        answer = await session.call(person, request)
        count += answer.verified_count
        if answer.finding:
            place = f"number {answer.bad_number}" if answer.bad_number else "no number"
            print(f"{site}: {place} {answer.bad_movement}: {answer.finding}; {count} before are as they were sealed")
            return False
        number = answer.next_number
    head = f"head {answer.last_number} {answer.last_hash}" if answer.last_number else "nothing is sealed"
    print(f"{site}: {count} movements are as they were sealed, {answer.unsealed_count} wait for their seal; {head}")
    return True
