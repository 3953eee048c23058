"""One ADT message in ER7, as a trust's patient administration system writes it (hl7v2.md 1-2)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from app.simulate.clerk import View
from app.simulate.moments import DAY, moment_text
from app.simulate.people import Name
from app.simulate.records import Record
from app.simulate.trusts import Trust, encode

STRUCTURES = {
    "A01": "ADT_A01", "A03": "ADT_A03", "A04": "ADT_A01", "A05": "ADT_A05", "A08": "ADT_A01", "A24": "ADT_A24",
    "A28": "ADT_A05", "A31": "ADT_A05", "A37": "ADT_A37", "A40": "ADT_A39",
}  # fmt: skip
SURGERIES = ("Health Centre", "Surgery", "Medical Practice", "Family Doctors")
WARDS = ("AMU", "WARD 4", "MAPLE", "ED", "OPD", "DAYS", "ITU", "STROKE")


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay or attendance: class, its number, its start and, once over, its end."""

    patient_class: str
    number: str
    start: int
    end: int | None = None


def header(trust: Trust, stamp: str, event: str, control_id: str) -> bytes:
    """The MSH segment; ``stamp`` is MSH-7, ``event`` MSH-9.2."""
    segment = (
        f"MSH|^~\\&|PAS|{trust.ods}|WEALD|WEALD|{stamp}||ADT^{event}^{STRUCTURES[event]}|{control_id}|P|{trust.version}"
        f"||||||{trust.charset}"
    )
    return segment.rstrip("|").encode()


def body(record: Record, event: str, moment: int, segments: list[str]) -> bytes:
    """EVN and what follows it, CR after each segment, in the trust's character set."""
    stamp = moment_text(moment)
    text = "\r".join([f"EVN|{event}|{stamp}||||{stamp}", *segments, ""])
    return encode(text, record.trust.codec)


def patient(record: Record, view: View, visit: Visit | None = None, *, full: bool = True) -> str:
    """The PID segment of a record as it stands; not ``full``: identifiers and name alone."""
    fields = [""] * 33
    fields[0], fields[1] = "PID", "1"
    fields[3] = _identifiers(record, view)
    fields[5] = _names(record, view)
    if full:
        _fill_demographics(fields, record, view)
        if visit:
            fields[18] = visit.number
    return "|".join(fields).rstrip("|")


def _identifiers(record: Record, view: View) -> str:
    own = f"{record.mrn}^^^{record.scheme.namespace}^MR"
    return f"{own}~{view.number.value}^^^NHS^NH" if view.number.value else own


def _names(record: Record, view: View) -> str:
    """The name, and behind it the maiden name where the trust remembers one."""
    current = _name(record, view.name, "L")
    return f"{current}~{_name(record, record.former, 'M')}" if record.former else current


def _name(record: Record, name: Name, kind: str) -> str:
    text = f"{name.family}^{name.given}^{name.middle}^^{name.title}^^{kind}"
    return text[: -len(kind)].upper() + kind if record.trust.upper else text


def _fill_demographics(fields: list[str], record: Record, view: View) -> None:
    person = record.person
    fields[7] = view.birth.date
    fields[8] = view.sex
    fields[11] = _address(record, view)
    fields[13] = _telecoms(view)
    fields[22] = person.ethnic
    if person.birth_order and record.order_known:
        fields[24], fields[25] = "Y", str(person.birth_order)
    if record.mother_mrn and "newborn" in person.classes:
        fields[21] = f"{record.mother_mrn}^^^{record.scheme.namespace}^MR"
    if record.dead and person.died is not None:
        fields[29], fields[30] = moment_text(person.died * DAY)[:8], "Y"
    status = f"NSTS{view.number.status}" if view.number.status else ""
    fields[32] = "~".join(filter(None, (status, view.birth.quality)))


def _address(record: Record, view: View) -> str:
    home = view.home
    if not (home.line or home.town or home.postcode):
        return ""
    text = f"{home.line}^^{home.town}^{home.county}^{home.postcode}^826^H"
    return text.upper() if record.trust.upper else text


def _telecoms(view: View) -> str:
    return "~".join(
        form.format(value)
        for form, value in (("{}^PRN^PH", view.phone), ("{}^PRN^CP", view.mobile), ("^NET^Internet^{}", view.email))
        if value
    )


def practice(record: Record) -> str:
    """The PD1 segment: the surgery of the person's town under an invented practice code."""
    town = record.person.town
    mark = blake2b(town.outward.encode(), digest_size=2).digest()
    return f"PD1|||{town.name} {SURGERIES[mark[0] % 4]}^^Y9{mark[0] * 4 + mark[1] % 4:04d}"


def kin(record: Record) -> str:
    """The NK1 segment of a child: the mother."""
    mother = record.person.mother
    if mother is None:
        return ""
    text = f"{mother.name.family}^{mother.name.given}"
    return f"NK1|1|{text.upper() if record.trust.upper else text}|MTH"


def stay(record: Record, visit: Visit | None) -> str:
    """The PV1 segment; without a visit PV1-2 is N."""
    if visit is None:
        return "PV1|1|N"
    mark = blake2b(visit.number.encode(), digest_size=2).digest()
    site = record.trust.sites[mark[0] % len(record.trust.sites)][0]
    fields = [""] * 46
    fields[0:4] = ["PV1", "1", visit.patient_class, f"{WARDS[mark[1] % len(WARDS)]}^^^{site}"]
    fields[19] = visit.number
    fields[44] = moment_text(visit.start)
    if visit.end is not None:
        fields[45] = moment_text(visit.end)
    return "|".join(fields).rstrip("|")


def merged(loser: Record, view: View) -> str:
    """The MRG segment: the number and name of the record that is no more."""
    return f"MRG|{loser.mrn}^^^{loser.scheme.namespace}^MR||||||{_name(loser, view.name, 'L')}"
