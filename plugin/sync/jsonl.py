"""Bulk exports from a file, in batches of facts: memory stays flat whatever the size of the file.

A line that cannot be read is set aside with its number and its neighbours go on. Everything here blocks: call it in a
thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from integrations.shopify.mapping import FlatLine, OrderLine, ProductVariant, read_children, read_line
from plugin.domain.facts import CustomerFact, OrderFact, ProductFact, VariantFact
from plugin.errors import BadStatementError

_CHILD: Final = b"/LineItem/"
_PIECE: Final = 1024 * 1024
_READ_TOGETHER: Final = 512 * 1024  # bytes
LONGEST_LINE: Final = 16 * 1024 * 1024  # bytes; a line without an end must not fill the memory


@dataclass(slots=True)
class Batch:
    """Facts of the lines up to number `lines_done` (counted from 1). Children come with their parent's id."""

    lines_done: int
    customers: list[CustomerFact] = field(default_factory=list)
    orders: list[OrderFact] = field(default_factory=list)
    order_lines: list[FlatLine] = field(default_factory=list)
    products: list[ProductFact] = field(default_factory=list)
    variants: list[tuple[int, VariantFact]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)

    @property
    def roots(self) -> int:
        return len(self.customers) + len(self.orders) + len(self.products)


class ExportFile:
    """Batches of one export, from line `skip` on."""

    def __init__(self, path: Path, *, skip: int = 0) -> None:
        self._file: BinaryIO = path.open("rb", buffering=_PIECE)
        self._number = 0
        while self._number < skip and self._line() is not None:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def batch(self, size: int) -> Batch | None:
        """The next `size` lines; None at the end."""
        begin = self._number
        batch = Batch(lines_done=begin)
        while lines := self._lines(begin + size - self._number):
            _add(batch, lines)
        return batch if batch.lines_done > begin else None

    def _lines(self, most: int) -> list[bytes]:
        """At most `most` lines, and so few that they need little memory and leave other threads their turn."""
        lines: list[bytes] = []
        room = _READ_TOGETHER
        while room > 0 and len(lines) < most and (line := self._line()) is not None:
            lines.append(line)
            room -= len(line)
        return lines

    def _line(self) -> bytes | None:
        line = self._file.readline(LONGEST_LINE)
        if not line:
            return None
        self._number += 1
        if len(line) == LONGEST_LINE:
            while not line.endswith(b"\n") and (line := self._file.readline(LONGEST_LINE)):
                pass
            return b""
        return line


def _add(batch: Batch, lines: Sequence[bytes]) -> None:
    # What a line looks like only chooses what to try first.
    children = [line for line in lines if _CHILD in line]
    read = read_children(children) if children else None
    batch.order_lines += read or ()
    for number, line in enumerate(lines, batch.lines_done + 1):
        if read is None or _CHILD not in line:
            _add_line(batch, number, line)
    batch.lines_done += len(lines)


def _add_line(batch: Batch, number: int, line: bytes) -> None:
    try:
        fact = read_line(line)
    except BadStatementError as error:
        batch.bad.append((number, str(error) if line.strip() else "This line is blank, or longer than 16 MiB."))
        return
    if isinstance(fact, OrderLine):
        batch.order_lines.append((fact.order_id, *fact.line))
    elif isinstance(fact, OrderFact):
        batch.orders.append(fact)
    elif isinstance(fact, CustomerFact):
        batch.customers.append(fact)
    elif isinstance(fact, ProductVariant):
        batch.variants.append(fact)
    else:
        batch.products.append(fact)


def is_whole(path: Path, objects: int) -> bool:
    """Whether the file holds all of the `objects` lines that the shop counted, and its last one to its end."""
    found, blank, end, last = 0, False, b"\n", b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            found += piece.count(b"\n")
            blank = blank or b"\n\n" in end + piece
            _, newline, rest = piece.rpartition(b"\n")
            end, last = piece[-1:], rest if newline else (last + piece)[-LONGEST_LINE:]
    return (_objects(path) if blank else found + bool(last)) >= objects and _is_object(last)


def _objects(path: Path) -> int:
    with path.open("rb", buffering=_PIECE) as file:
        return sum(1 for line in iter(lambda: file.readline(LONGEST_LINE), b"") if not line.isspace())


def _is_object(line: bytes) -> bool:
    """Of the last line, when it has no end: a file may be cut there."""
    if not line:
        return True
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
