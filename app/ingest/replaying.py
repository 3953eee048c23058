"""Dead letters sent through their own door again, in the order in which they came (hl7v2.md 6, Dead letter).

A letter that is refused again holds back the later ones that name a patient of it, so that the order of each patient is kept; others
go on. An effect and its note are two commits: a letter whose replay was broken off between them is a duplicate the next time, and changes nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import structlog

from app.errors import StoreUnavailable
from app.ingest import adt, letters, reading
from app.ingest.content import kind_of
from app.ingest.files import found_of
from app.ingest.letters import Letter
from app.ingest.load import Loader
from app.principal import Principal
from app.services import Services

_log = structlog.get_logger("weald.replay")


@dataclass(frozen=True, slots=True)
class Replayed:
    """How the replay of one letter ended: replayed, refused (``reason``), held behind ``behind``, or left since it cannot be sent again."""

    number: int
    outcome: str
    reason: str = ""


def replay(
    services: Services, principal: Principal, who: str, numbers: Sequence[int] = (), source: str | None = None, progress: Callable[[int], None] = lambda _: None
) -> list[Replayed]:
    """Replay the open letters of these numbers, or all of them (of one feed if given), and say how each ended. Raises UnknownKey, BusinessRule."""
    with services.store.snapshot(principal) as snapshot:
        named = [letters.letter(snapshot, number) for number in sorted(set(numbers))]
        chosen = named or letters.letters(snapshot, source=source)
    return list(_replayed(services, principal, who, chosen, bool(named), progress))


def _replayed(
    services: Services, principal: Principal, who: str, chosen: Sequence[Letter], named: bool, progress: Callable[[int], None]
) -> Iterator[Replayed]:
    held: dict[str, int] = {}
    for letter in chosen:
        progress(1)
        reason = _cannot(letter, named)
        keys = () if reason else _patient_keys(services, letter)
        behind = next((held[key] for key in keys if key in held), None)
        if reason:
            yield Replayed(letter.number, "left", reason)
        elif behind is not None:
            held.update(dict.fromkeys(keys, behind))
            yield Replayed(letter.number, "held", f"it is of a patient of letter {behind}, which comes first and was refused")
        else:
            refusal = _sent(services, principal, letter)
            if refusal is None:
                letters.settle(services, principal, [letter.number], letters.REPLAYED, by=who)
                yield Replayed(letter.number, "replayed")
            else:
                held.update(dict.fromkeys(keys, letter.number))
                letters.note_attempt(services, principal, letter.number, by=who, reason=refusal)
                yield Replayed(letter.number, "refused", refusal)


def _cannot(letter: Letter, named: bool) -> str:
    """Why a letter is not sent again; empty where it may be."""
    if letter.head["state"] != letters.OPEN:
        return f"it is {letter.head['state']} already"
    if not letter.is_whole:
        return "only its beginning was kept; let its sender send it again"
    if not letter.raw:
        return "it has no bytes"
    if letter.is_refused_sender and not named:
        return "its sender may not send here; name it by its number to replay it all the same"
    return ""


def _patient_keys(services: Services, letter: Letter) -> tuple[str, ...]:
    """The keys of all patients that a message names, within its trust; none where it cannot be read."""
    if letter.is_file:
        return ()
    one = reading.read(services, letter.raw, on_host=True)
    if one.event is None or one.source is None:
        return ()
    return tuple(f"{one.source.organisation}|{key}" for key in one.event.patient_keys)


def _sent(services: Services, principal: Principal, letter: Letter) -> str | None:
    """None where the letter was taken now, or had been since; else why not. StoreUnavailable where nothing can be committed."""
    try:
        return _loaded(services, principal, letter) if letter.is_file else _applied(services, principal, letter)
    except StoreUnavailable:
        raise
    except Exception as fault:  # noqa: BLE001  (as in app.mllp.grouping: a defect that one letter meets must not keep the others)
        place = traceback.extract_tb(fault.__traceback__)[-1]
        _log.error("replay.failed", letter=letter.number, error=type(fault).__name__, place=f"{place.name}, {Path(place.filename).name}:{place.lineno}")
        return f"Weald failed on it ({type(fault).__name__})"


def _applied(services: Services, principal: Principal, letter: Letter) -> str | None:
    [answer] = adt.apply_only(services, [reading.read(services, letter.raw, on_host=True)], principal)
    return None if answer.error is None else f"{answer.code} {answer.error.hl7_code}: {answer.error.text}"


def _loaded(services: Services, principal: Principal, letter: Letter) -> str | None:
    loader = Loader(services, principal, letter.head["source"] or None, keeps=False)
    found = found_of(kind_of(BytesIO(letter.raw)), letter.head["name"], lambda: BytesIO(letter.raw))
    report = loader.load_items([found])
    return report.rejected[0].reason if report.rejected else None
