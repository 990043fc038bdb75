"""Records of a file read a portion at a time are those of the file read at once (MAT-320)."""

import random
from collections.abc import Sequence
from dataclasses import astuple

import pytest

from services.chassis import uploads
from services.chassis.uploads import FileUnreadable, Reading, Record

CELLS = ("a", "", "Bolt, zinc", "x;y", 'so "so"', "two\nlines", "ends\r\nso", "ü€", '"open', " ", "\ufeff")


def file_of(chance: random.Random) -> bytes:
    """Rows of two or three cells, quoted well and badly, with all ends of line and empty lines."""
    lines = ["n,t"]
    for _ in range(chance.randrange(300)):
        cells = [chance.choice(CELLS) for _ in range(chance.choice((2, 2, 2, 3)))]
        if chance.random() < 0.8:
            cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells]
        lines.append(",".join(cells) if chance.random() < 0.95 else "")
    end = chance.choice(("\n", "\r\n"))
    mark = chance.choice((b"", b"\xef\xbb\xbf"))
    return mark + (end.join(lines) + chance.choice(("", end, end + end))).encode()


def portions(data: bytes, most: int, size: int) -> tuple[list[Record], int]:
    """All records by portions, and of how many portions they came."""
    byte, line, header = 0, 0, list[str]()
    found: list[Record] = []
    count = 0
    while byte < len(data):
        count += 1
        wanted = size
        while True:  # as many bytes as a record needs
            reading = Reading(byte, line, header)
            window = data[byte : byte + wanted]
            last = byte + len(window) >= len(data)
            records = reading.portion(window, ",", most, last=last)
            if last or reading.line > line:
                break
            wanted *= 2
        assert len(records) <= most
        found += records
        byte, line, header = reading.byte, reading.line, list(reading.header)
    assert header == ["n", "t"]
    return found, count


def plain(records: Sequence[Record]) -> list[tuple[object, ...]]:
    return [astuple(record) for record in records]


@pytest.mark.rule("MAT-320")
@pytest.mark.parametrize("seed", range(40))
def test_portions_of_a_file_are_the_file(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(uploads, "MAX_LINES", 8)
    data = file_of(chance)
    _, records = uploads.records(data)
    whole = plain(list(records))
    found, count = portions(data, chance.choice((1, 7, 50)), chance.choice((20, 200, 2000)))
    assert plain(found) == whole
    assert count >= len(whole) / 50


@pytest.mark.rule("MAT-320")
def test_a_file_of_one_line_or_none() -> None:
    assert portions(b"n,t", 5, 2) == ([], 1)
    assert portions(b"n,t\r\n1,2", 5, 2)[0] == [Record(2, ["1", "2"])]
    with pytest.raises(FileUnreadable, match="empty"):
        Reading().portion(b"", ",", 5, last=True)
    with pytest.raises(FileUnreadable, match="utf-8"):
        Reading(10, 1, ("n",)).portion(b"\xff\n", ",", 5, last=True)
