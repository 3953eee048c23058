"""Dead letters: what was refused, with its bytes, kept until an operator replays or closes it (hl7v2.md 6, Dead letter).

A letter is a line of JSON, then the bytes as they came. Its states: open, then replayed or closed, with who and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import BusinessRule, UnknownKey
from app.principal import Principal
from app.services import Services
from app.store.contract import DEAD_LETTER, Change, Failed, Snapshot, Transaction

OPEN, REPLAYED, CLOSED = "open", "replayed", "closed"
STATES = (OPEN, REPLAYED, CLOSED)
NOT_ALLOWED = ("AR", "207")
"""Answer and code of a message that its sender was not allowed to send."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: what is known of it, and its bytes."""

    head: dict[str, Any]
    raw: bytes

    @property
    def number(self) -> int:
        """Its number, in the order of arrival."""
        number: int = self.head["number"]
        return number

    @property
    def is_file(self) -> bool:
        """Whether it is of a file that was loaded, not a message of a feed."""
        return self.head.get("kind") == "file"

    @property
    def is_whole(self) -> bool:
        """Whether all its bytes were kept: what was over a limit was not."""
        return bool(self.head.get("whole", True))

    @property
    def is_refused_sender(self) -> bool:
        """Whether it was refused because its sender may not send it: such a letter is replayed only where it is named."""
        return (self.head.get("answer"), self.head.get("code")) == NOT_ALLOWED


def keep(tx: Transaction, raw: bytes, head: dict[str, Any]) -> None:
    """Keep what was refused as the next open letter; an open one of the head's digest stands for it, and has how often it came."""
    for one in (_letter(body) for _, body in tx.find(DEAD_LETTER, "digest", head["digest"])):
        if one.head["state"] == OPEN:
            _put(tx, Letter({**one.head, "times": one.head.get("times", 1) + 1, "last_received": head["received"]}, one.raw))
            return
    number = tx.next_number("dead-letter")
    _put(tx, Letter({"number": number, **head, "state": OPEN}, raw))


def _put(tx: Transaction, letter: Letter) -> None:
    index = {"state": [letter.head["state"]], "digest": letter.head.get("digest", [])}
    tx.put(DEAD_LETTER, _key(letter.number), orjson.dumps(letter.head) + b"\n" + letter.raw, index)


def _key(number: int) -> str:
    return f"{number:016d}"


def _letter(body: bytes) -> Letter:
    head, _, raw = body.partition(b"\n")
    return Letter(orjson.loads(head), raw)


def letters(snapshot: Snapshot, states: Sequence[str] = (OPEN,), source: str | None = None) -> list[Letter]:
    """The letters in these states, of one feed if given, in the order in which they came."""
    found = [_letter(body) for _, body in snapshot.find(DEAD_LETTER, "state", states)]
    return [one for one in found if source is None or one.head["source"] == source]


def letter(snapshot: Snapshot, number: int) -> Letter:
    """The letter of that number. Raises UnknownKey."""
    body = snapshot.get(DEAD_LETTER, _key(number))
    if body is None:
        raise UnknownKey(f"There is no dead letter {number}.")
    return _letter(body)


def settle(services: Services, principal: Principal, numbers: Sequence[int], state: str, **about: str) -> None:
    """Put open letters into a state, with who did it and why; the others are refused, and then none changes. Raises UnknownKey, BusinessRule."""

    def change(tx: Transaction) -> None:
        for number in numbers:
            one = letter(tx, number)
            if one.head["state"] != OPEN:
                raise BusinessRule(f"The dead letter {number} is {one.head['state']} already.")
            _put(tx, Letter({**one.head, "state": state, "settled": {"at": tx.now, **about}}, one.raw))

    _apply(services, principal, change)


def note_attempt(services: Services, principal: Principal, number: int, **about: str) -> None:
    """Keep with an open letter that a replay was refused too, and why."""

    def change(tx: Transaction) -> None:
        one = letter(tx, number)
        head = {**one.head, "attempts": one.head.get("attempts", 0) + 1, "last_attempt": {"at": tx.now, **about}}
        _put(tx, Letter(head, one.raw))

    _apply(services, principal, change)


def _apply(services: Services, principal: Principal, change: Change[None]) -> None:
    [done] = services.store.apply(principal, [change])
    if isinstance(done, Failed):
        raise done.error
