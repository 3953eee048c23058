"""The numbers that stand for names and slots in index rows, cached for the life of the process."""

from __future__ import annotations

import sqlite3
from typing import Final

from app.search.criteria import MAX_TIME

TOKEN: Final = 1
STRING: Final = 2
EXACT: Final = 3
REFERENCE: Final = 4
TYPED: Final = 5
TEXT: Final = 6
DATE: Final = 7

Slot = tuple[str, str, int, str, str]
"""Resource type, parameter, kind of value, and its two qualifiers."""
Span = tuple[int, int]
"""The longest range a slot of dates ever held, and whether a resource ever had several there."""

Presence = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Resource type, the parameters that it has a value of, and those it has one to sort by."""

_MOST_KEPT = 100_000
_MOST_PRESENCES = 5_000


def type_name(type: str) -> str:
    """What a resource type is called in ``name``."""
    return f"type:{type}"


def param_name(type: str, param: str) -> str:
    """What a parameter is called in ``name``."""
    return f"param:{type}.{param}"


def kind_name(kind: str) -> str:
    """What a kind of document is called in ``name``."""
    return f"kind:{kind}"


def index_name(kind: str, index: str) -> str:
    """What an index of a kind is called in ``name``."""
    return f"index:{kind}.{index}"


class Names:
    """Numbers known to be committed: a number never changes, so threads may share it."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.slots: dict[Slot, int] = {}
        self.spans: dict[int, Span] = {}
        self.presences: dict[Presence, str] = {}

    def name(self, connection: sqlite3.Connection, text: str) -> int | None:
        """The number of a name, None where the store has never seen it."""
        number = self.names.get(text)
        if number is None and (row := connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()):
            number = self.names[text] = row[0]
        return number

    def slot(self, connection: sqlite3.Connection, slot: Slot) -> int | None:
        """The number of a slot, None where no entry was ever under it."""
        number = self.slots.get(slot)
        if number is None:
            param = self.name(connection, param_name(slot[0], slot[1]))
            row = connection.execute(
                "SELECT id FROM slot WHERE param = ? AND kind = ? AND a = ? AND b = ?", (param, *slot[2:])
            ).fetchone()
            if row:
                number = self.slots[slot] = row[0]
        return number

    def learn(self, names: dict[str, int], slots: dict[Slot, int], spans: dict[int, Span], presences: dict[Presence, str]) -> None:
        """Take over what a commit has added."""
        if len(self.slots) > _MOST_KEPT:
            self.slots = {}
        if len(self.presences) > _MOST_PRESENCES:
            self.presences = {}
        self.names.update(names)
        self.slots.update(slots)
        self.spans.update(spans)
        self.presences.update(presences)


class NewNames(Names):
    """Numbers as a transaction sees them: it makes those that are missing, and forgets its own when it is rolled back."""

    def __init__(self, committed: Names) -> None:
        super().__init__()
        self._committed = committed
        self.known_slots = committed.slots
        self.known_presences = committed.presences

    def name(self, connection: sqlite3.Connection, text: str) -> int | None:
        return self._committed.names.get(text) or super().name(connection, text)

    def make_name(self, connection: sqlite3.Connection, text: str) -> int:
        number = self._committed.names.get(text)
        if number is not None:
            return number
        number = super().name(connection, text)
        if number is None:
            (number,) = connection.execute("INSERT INTO name (text) VALUES (?) RETURNING id", (text,)).fetchone()
            self.names[text] = number
        return number

    def make_slot(self, connection: sqlite3.Connection, slot: Slot) -> int:
        number = self._committed.slots.get(slot)
        if number is not None:
            return number
        number = super().slot(connection, slot)
        if number is None:
            param = self.make_name(connection, param_name(slot[0], slot[1]))
            (number,) = connection.execute(
                "INSERT INTO slot (param, kind, a, b) VALUES (?, ?, ?, ?) RETURNING id", (param, *slot[2:])
            ).fetchone()
            self.slots[slot] = number
        return number

    def widen(self, connection: sqlite3.Connection, slot: int, longest: int, several: int) -> None:
        """See to it that the slot of dates tells of ranges so long, and of several in one resource."""
        known = self.spans.get(slot) or self._committed.spans.get(slot, (0, 0))
        longest = min(longest, MAX_TIME)
        if longest > known[0] or several > known[1]:
            self.spans[slot] = connection.execute(
                "UPDATE slot SET longest = max(longest, ?), several = max(several, ?) WHERE id = ? RETURNING longest, several",
                (longest, several, slot),
            ).fetchone()

    def forget(self) -> None:
        """Drop what this transaction made or read: it may be rolled back."""
        self.names.clear()
        self.slots.clear()
        self.spans.clear()
        self.presences.clear()

    def commit(self) -> None:
        """Hand over to the committed numbers."""
        self._committed.learn(self.names, self.slots, self.spans, self.presences)
