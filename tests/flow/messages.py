"""ADT messages of the cast, written out segment by segment as a trust's system sends them."""

from itertools import count

ALICE = {5: "HOLLIS^ALICE^ROSE^^MISS^^L", 7: "19700115", 8: "F", 11: "1 HIGH STREET^^CRAWLEY^WEST SUSSEX^RH10 1AA^826^H", 13: "01632 960018^PRN^PH"}
ANNA = {**ALICE, 5: "HOLLIS^ANNA^JANE^^MISS^^L"}
BEA = {5: "MARSH^BEA^^^MS^^L", 7: "19850630", 8: "F", 11: "7 MILL LANE^^LEWES^EAST SUSSEX^BN7 2DD^826^H"}
BEA_MARRIED = {**BEA, 5: "FIELD^BEA^^^MRS^^L"}
CHARLIE = {5: "OKORO^CHARLIE^^^MR^^L", 7: "19520229", 8: "M", 11: "20 QUARRY ROAD^^HASTINGS^EAST SUSSEX^TN34 3RA^826^H"}

NUMBERS = {"alice": "9990000018", "anna": "9990000026", "bea": "9990000034", "charlie": "9990000042"}
"""NHS numbers of the test range that pass mod-11."""

_control_ids = count(1)


def segment(name, fields):
    """A segment of its fields by number."""
    last = max(fields, default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def cx(value, authority="RTK", kind="MR"):
    return f"{value}^^^{authority}^{kind}"


def nhs(number):
    return cx(number, "NHS", "NH")


def pid(*identifiers, number=None, status="01", **fields):
    """PID of local identifiers (CX texts), an NHS number with its status, and fields by number (``f29=...``) or of the cast."""
    said = {1: "1", 3: "~".join([*identifiers, *([nhs(number)] if number else [])])}
    if number and status:
        said[32] = f"NSTS{status}"
    said.update(fields.pop("who", {}))
    said.update({int(name[1:]): value for name, value in fields.items()})
    return segment("PID", said)


def mrg(*identifiers):
    return segment("MRG", {1: "~".join(identifiers)})


def pv1(visit="V1", **fields):
    return segment("PV1", {2: "I", 19: f"{visit}^^^RTK^VN", **{int(name[1:]): value for name, value in fields.items()}})


def adt(trigger, *segments, at="20250301120000", control_id=None, trust="RTK", version="2.5", application="PAS", **header):
    """The message of one event at its time; MSH-10 is new unless given. ``header``: further MSH fields by number (``f11=...``)."""
    head = {
        2: "^~\\&", 3: application, 4: trust, 5: "WEALD", 6: "WEALD", 7: at, 9: f"ADT^{trigger}", 10: control_id or f"T{next(_control_ids):06d}",
        11: "P", 12: version, **{int(name[1:]): value for name, value in header.items()},
    }  # fmt: skip
    msh = "MSH|" + "|".join(head.get(number, "") for number in range(2, max(head) + 1))
    return "\r".join([msh, f"EVN|{trigger}|{at}", *segments, ""]).encode()
