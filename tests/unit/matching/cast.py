"""The cast as the matcher sees them: Alice at two trusts, Anna her twin, Bea who changed her surname, and their neighbours."""

from __future__ import annotations

from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName, RecordFacts
from matching.normalise import normalise

ALICE_NUMBER = "4010232137"
ANNA_NUMBER = "4857773457"
BEA_NUMBER = "6328797966"

ASP = "https://weald.example/fhir/Id/RTK/mrn"
RSC = "https://weald.example/fhir/Id/RA2/mrn"


def facts(given: str = "", family: str = "", birth_date: str = "", **known: object) -> RecordFacts:
    """Raw facts of a record with one name and, unless said otherwise, one home."""
    return RecordFacts(
        names=known.pop("names", (RawName(family=family, given=given, middle=str(known.pop("middle", ""))),)),
        birth_date=birth_date,
        addresses=known.pop("addresses", (RawAddress(("1 High Street",), "Guildford", "GU1 3AA"),)),
        **known,
    )


def record(given: str = "", family: str = "", birth_date: str = "", **known: object) -> Demographics:
    """Normalised demographics of ``facts``."""
    return normalise(facts(given, family, birth_date, **known))


def mrn(system: str, value: str) -> tuple[RawIdentifier, ...]:
    return (RawIdentifier(system, value),)


def alice(**known: object) -> Demographics:
    return record(**{"given": "Alice", "family": "Archer", "birth_date": "1980-03-14", "sex": "female"} | known)


def anna(**known: object) -> Demographics:
    return record(**{"given": "Anna", "family": "Archer", "birth_date": "1980-03-14", "sex": "female"} | known)


def bea(**known: object) -> Demographics:
    return record(**{
        "given": "Bea", "family": "Baker", "birth_date": "1991-11-05", "sex": "female",
        "addresses": (RawAddress(("Flat 2", "7 Mill Lane"), "Lewes", "BN7 2AB"),),
    } | known)  # fmt: skip
