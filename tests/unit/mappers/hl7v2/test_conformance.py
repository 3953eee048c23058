"""What hl7apy finds, named without a value (hl7v2.md 6, dead letter)."""

from __future__ import annotations

from mappers.hl7v2 import conformance

HEAD = "MSH|^~\\&|PAS|RTK|WEALD|REGION|20240501101112||ADT^A01^ADT_A01|M1|P|2.4\r"
GOOD = f"{HEAD}EVN|A01|20240501101000\rPID|1||1^^^RTK^MR||SMITH^ALICE||19700311|F\rPV1|1|I\rZZZ|anything\r"


def report(text: str) -> list[str]:
    return conformance.report(text.encode())


def test_a_message_that_conforms_has_no_findings():
    assert report(GOOD) == []
    assert report(GOOD.replace("^ADT_A01", "")) == []


def test_missing_and_foreign_segments_are_named():
    found = report(f"{HEAD}PID|1||1||SMITH\rOBR|1\rRXX|1\rP|1\r")
    assert "EVN: required segment is missing" in found
    assert "PV1: required segment is missing" in found
    assert "OBR: segment is not part of the message" in found
    assert "RXX[1]: segment is not part of this version" in found
    assert "segment 5: its name is not three letters or digits" in found


def test_fields_are_named_by_segment_and_position_without_values():
    found = report(GOOD.replace("PID|1||1^^^RTK^MR||SMITH^ALICE||19700311|F", f"PID|SECRET|||||||||SECRET{'|' * 29}SECRET||"))
    assert "PID[1]-1: does not conform to its data type or table" in found
    assert "PID[1]-3: required field is empty" in found
    assert "PID[1]-39: field is not part of the segment in this version" in found
    assert "SECRET" not in "".join(found)


def test_repeats_over_the_limit_and_endless_fields_are_named():
    found = report(GOOD.replace("|19700311|", f"|19700311~1970|{'F' * 5000}~"))
    assert "PID[1]-7: more repeats than 1" in found
    assert "PID[1]-8: too long to examine" in found


def test_an_unreadable_message_gives_its_one_reason():
    assert report("garbage") == ["MSH^1: a message begins with an MSH segment"]
    assert conformance.report(b"MSH|^~\\&|" + b"x" * (5 << 20)) == ["message: the message is larger than its source may send"]


def test_versions_and_structures_that_hl7apy_lacks_are_said():
    assert report(HEAD.replace("|2.4", "|2.9")) == ["MSH-12: hl7apy has no tables of this version"]
    assert report(HEAD.replace("ADT^A01^ADT_A01", "XXX^A01"))[0] == "MSH-9: hl7apy has no structure of this message in this version"
    assert report(GOOD.replace("|2.4", "|")) == ["MSH[1]-12: required field is empty"]


def test_groups_are_flattened_and_findings_bounded():
    in_group = GOOD.replace("ZZZ", "IN1|1|A|B\rZZZ")
    assert not any("IN1: " in finding for finding in report(in_group))
    assert len(report(GOOD + "PID|x\r" * 200)) == conformance.MAX_FINDINGS
