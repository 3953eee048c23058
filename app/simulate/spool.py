"""Messages put into time order on disk, so that memory holds one slice of time at once."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from app.simulate.messages import header
from app.simulate.moments import DAY, FEED_END, FEED_START, moment_text
from app.simulate.timeline import Message
from app.simulate.trusts import TRUSTS

HELD = 64 * 1024
MESSAGES_A_SLICE = 20_000
LINE_END = b"\n"


class Spool:
    """Takes messages in any order, a file a trust and slice of time; ``write`` joins them sorted.

    Messages of one second keep the order in which they were added, so the result depends on that order alone.
    """

    def __init__(self, folder: Path, expected: int) -> None:
        self.folder = folder
        self.slices = max(1, expected // MESSAGES_A_SLICE)
        self.width = (FEED_END + 40 - FEED_START) * DAY // self.slices + 1
        self.held: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.sizes: dict[tuple[str, int], int] = defaultdict(int)

    def add(self, message: Message) -> None:
        """Keep a message for its trust's file."""
        slot = (message.record.trust.ods, max(0, message.moment - FEED_START * DAY) // self.width)
        line = f"{moment_text(message.moment)}{message.event}".encode() + message.body + LINE_END
        self.held[slot].append(line)
        self.sizes[slot] += len(line)
        if self.sizes[slot] > HELD:
            self._flush(slot)

    def _flush(self, slot: tuple[str, int]) -> None:
        with self._path(slot).open("ab") as file:
            file.writelines(self.held.pop(slot, []))
        self.sizes[slot] = 0

    def _path(self, slot: tuple[str, int]) -> Path:
        return self.folder / f"{slot[0]}-{slot[1]:05d}"

    def write(self, out: Path) -> int:
        """Write ``<ODS>/adt.hl7`` for each trust, in time order and numbered; returns the number of messages."""
        for slot in list(self.held):
            self._flush(slot)
        return sum(self._write_trust(ods, out) for ods in TRUSTS)

    def _write_trust(self, ods: str, out: Path) -> int:
        count = 0
        (out / ods).mkdir(parents=True, exist_ok=True)
        with (out / ods / "adt.hl7").open("wb") as file:
            for path in sorted(self.folder.glob(f"{ods}-*")):
                lines = sorted(path.read_bytes().split(LINE_END)[:-1], key=lambda line: line[:14])
                for count, line in enumerate(lines, count + 1):  # noqa: B020 - the count runs on
                    stamp, event = line[:14].decode(), line[14:17].decode()
                    msh = header(TRUSTS[ods], stamp, event, f"{ods}{count:09d}")
                    file.write(msh + b"\r" + line[17:] + LINE_END)
                path.unlink()
        return count
