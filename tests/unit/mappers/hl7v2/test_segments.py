"""What PID, PD1, NK1, ZU8 and PV1 assert (hl7v2.md 2)."""

from __future__ import annotations

from typing import Any

import pytest

from mappers.context import NHS_NUMBER
from mappers.hl7v2.messages import AdtEvent

KEY = "RTK1^^^RTK^MR"


def pid(**fields: str) -> str:
    """A PID of Alice's number and the given fields."""
    values = {3: KEY, **{int(name[1:]): value for name, value in fields.items()}}
    return "|".join(["PID", *(values.get(n, "") for n in range(1, max(values) + 1))])


def said(event: AdtEvent) -> dict[str, Any]:
    assert event.subject is not None
    return {a.field: a.value for a in event.subject.assertions}


def test_an_empty_field_asserts_nothing(event):
    assert said(event("A31", pid())) == {}


def test_a_deleted_field_asserts_that_it_is_gone(event):
    deleted = dict.fromkeys(("p5", "p6", "p7", "p8", "p9", "p11", "p13", "p14", "p15", "p16", "p17", "p22", "p23", "p24", "p26", "p29", "p40"), '""')
    found = said(event("A31", pid(**deleted)))
    assert set(found) == {
        "name", "mothersMaidenName", "birthDate", "gender", "name.alias", "address", "telecom.home", "telecom.work", "language",
        "maritalStatus", "religion", "ethnicCategory", "birthPlace", "multipleBirth", "citizenship", "deceased", "telecom.other",
    }  # fmt: skip
    assert set(found.values()) == {None}


def test_a_field_whose_components_are_all_deleted_is_deleted(event):
    assert said(event("A31", pid(p5='""^""')))["name"] is None
    assert "name" not in said(event("A31", pid(p5="^^^^^^L")))


def test_one_deleted_component_is_left_out(event):
    assert said(event("A31", pid(p5='SMITH^""^MARY')))["name"] == [{"use": "official", "family": "SMITH", "given": ["MARY"]}]


def test_names_are_a_snapshot_and_the_first_is_official(event):
    found = said(event("A31", pid(p5="SMITH^ALICE~JONES^ALICE^^^^^M", p9="ALI", p6="BROWN^ANN")))
    assert found["name"] == [
        {"use": "official", "family": "SMITH", "given": ["ALICE"]},
        {"use": "maiden", "family": "JONES", "given": ["ALICE"]},
    ]
    assert found["name.alias"] == [{"family": "ALI"}]
    assert found["mothersMaidenName"] == [{"family": "BROWN", "given": ["ANN"]}]
    assert said(event("A31", pid(p5="SMITH^^^^^^N")))["name"] == [{"use": "nickname", "family": "SMITH"}]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("19700311", {"value": "1970-03-11"}),
        ("197003", {"value": "1970-03"}),
        ("19700311142500", {"value": "1970-03-11", "time": "1970-03-11T14:25:00+01:00"}),
        ("197003110000", {"value": "1970-03-11"}),
        ("1970031114", {"value": "1970-03-11"}),
        ("19700311999", {"value": "1970-03-11"}),
    ],
)
def test_birth_date_keeps_precision_and_time(event, sent, value):
    if sent == "19700311999":
        assert said(event("A31", pid(p7=sent))) == {}
    else:
        assert said(event("A31", pid(p7=sent)))["birthDate"] == value


@pytest.mark.parametrize("sent", ["19700231", "00000000", "11/03/1970", "20990101"])
def test_an_impossible_or_future_birth_date_is_left_out_and_flagged(event, sent):
    made = event("A31", pid(p7=sent))
    assert said(made) == {}
    assert made.flags == ("birth-date-invalid",)


@pytest.mark.parametrize(
    ("sent", "gender"),
    [
        ("1", "male"), ("M", "male"), ("2", "female"), ("f", "female"), ("9", "other"), ("A", "other"), ("O", "other"),
        ("0", "unknown"), ("U", "unknown"), ("X", "unknown"), ("N", "unknown"),
    ],
)  # fmt: skip
def test_gender_codes(event, sent, gender):
    made = event("A31", pid(p8=sent))
    assert said(made)["gender"] == {"value": gender, "raw": sent}
    assert made.flags == ()


def test_an_unknown_gender_code_is_unknown_and_flagged(event):
    made = event("A31", pid(p8="Q"))
    assert said(made)["gender"] == {"value": "unknown", "raw": "Q"}
    assert made.flags == ("sex-unmapped",)


def test_addresses_and_telecoms(event):
    found = said(event("A31", pid(p11="1 HIGH ST^^X^^TN37 7PT~^^^^GU2 7XX^^C", p13="01932 1^PRN^PH~07700900123^PRN^CP", p14="01932 2", p40="^NET^Internet^a@b.uk")))
    assert [a["postalCode"] for a in found["address"]] == ["TN37 7PT", "GU2 7XX"]
    assert [t["use"] for t in found["telecom.home"]] == ["home", "mobile"]
    assert found["telecom.work"] == [{"system": "phone", "value": "01932 2", "use": "work"}]
    assert found["telecom.other"] == [{"system": "email", "value": "a@b.uk"}]


def test_codes_are_text_unless_the_source_maps_them(event, context_with):
    sent = pid(p15="EN", p16="M^Married", p17="C22", p22="Q9", p23="LONDON", p26="GBR")
    found = said(event("A31", sent))
    assert (found["language"], found["maritalStatus"], found["religion"]) == ({"text": "EN"}, {"text": "Married"}, {"text": "C22"})
    assert (found["birthPlace"], found["citizenship"], found["ethnicCategory"]) == ("LONDON", {"text": "GBR"}, {"text": "Q9"})
    maps = {"language": {"EN": ("urn:ietf:bcp:47", "en", "English")}, "ethnicCategory": {"Q9": ("urn:x", "A", "British")}}
    mapped = event("A31", sent, of=context_with(code_maps=maps))
    assert said(mapped)["language"]["coding"][0]["code"] == "en"
    assert said(mapped)["ethnicCategory"]["coding"][0]["system"] == "urn:x"
    assert mapped.flags == ()


def test_a_birth_place_holds_no_control_characters(event):
    assert said(event("A31", pid(p23="LON\\X00\\DON")))["birthPlace"] == "LONDON"
    assert said(event("A31", pid(p23=" ~X"))) == {}


def test_ethnic_category_of_england_is_coded_and_another_flagged(event):
    coded = event("A31", pid(p22="A"))
    assert said(coded)["ethnicCategory"]["coding"] == [
        {"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland", "code": "A", "display": "White - British"}
    ]
    assert event("A31", pid(p22="Q9")).flags == ("ethnic-category-unmapped",)


@pytest.mark.parametrize(
    ("indicator", "order", "value"),
    [("Y", "2", {"integer": 2}), ("Y", "", {"boolean": True}), ("N", "", {"boolean": False}), ("", "0", None), ("?", "x", None)],
)
def test_birth_order_wins_over_the_multiple_birth_indicator(event, indicator, order, value):
    assert said(event("A31", pid(p24=indicator, p25=order))).get("multipleBirth") == value


@pytest.mark.parametrize(
    ("when", "indicator", "value", "flags"),
    [
        ("20240430", "Y", {"dateTime": "2024-04-30"}, ()),
        ("202404301200", "", {"dateTime": "2024-04-30T12:00:00+01:00"}, ()),
        ("", "Y", {"boolean": True}, ()),
        ("", "N", {"boolean": False}, ()),
        ('""', "", None, ()),
        ("", '""', None, ()),
        ('""', "Y", {"boolean": True}, ()),
        ("rubbish", "Y", {"boolean": True}, ("death-time-invalid",)),
    ],
)
def test_death(event, when, indicator, value, flags):
    made = event("A31", pid(p29=when, p30=indicator))
    assert said(made) == {"deceased": value}
    assert made.flags == flags


@pytest.mark.parametrize(("when", "indicator", "flags"), [("20240430", "N", ("death-contradicted",)), ("rubbish", "", ("death-time-invalid",))])
def test_a_death_that_contradicts_itself_or_cannot_be_read_asserts_nothing(event, when, indicator, flags):
    made = event("A31", pid(p29=when, p30=indicator))
    assert said(made) == {}
    assert made.flags == flags


@pytest.mark.parametrize(("sent", "pseudo"), [("Y", True), ("N", False), ('""', False)])
def test_pseudo_person(event, sent, pseudo):
    assert said(event("A31", pid(p31=sent))) == {"pseudo": pseudo}


@pytest.mark.parametrize(
    ("sent", "status", "flags"),
    [
        ("NSTS01", "01", ()),
        ("01", "01", ()),
        ("nsts08", "08", ()),
        ("NSTS01~UD", "01", ()),
        ("NSTS01~NSTS03", None, ("nhs-number-status-conflict",)),
        ("NSTS01~01", "01", ()),
        ("PDS1", None, ()),
        ("NSTS09", None, ()),
        ('""', None, ()),
        ("", None, ()),
    ],
)
def test_the_verification_status_belongs_to_the_nhs_number(event, sent, status, flags):
    made = event("A31", pid(p3=f"9434765919^^^NHS^NH~{KEY}", p32=sent))
    assert made.subject is not None
    assert [f.status for f in made.subject.identifiers] == [status, None]
    assert made.flags == flags


def test_reliability_codes_are_kept_and_say_what_is_no_evidence(event):
    found = said(event("A31", pid(p7="19700101", p11="^^^^ZZ99 3VZ", p32="UD~UA~AL~PDS1")))
    assert found["birthDate"] == {"value": "1970-01-01", "quality": "default"}
    assert (found["reliability"], found["alias"], found["addressDefault"]) == (["UD", "UA", "AL", "PDS1"], True, True)
    assert said(event("A31", pid(p7="19700101", p32="ED")))["birthDate"]["quality"] == "estimated"
    plain = said(event("A31", pid(p7="19700101", p32="NSTS01")))
    assert (plain["birthDate"]["quality"], plain["alias"], "addressDefault" in plain) == ("", False, False)
    assert said(event("A31", pid(p32='""')))["reliability"] is None


def test_identifiers_are_each_named_once_and_pid_4_is_temporary(event):
    made = event("A31", pid(p3=f"{KEY}~{KEY}~9434765919^^^NHS^NH", p4="TMP1^^^RTK^MR", p2="X", p18="ACC1", p19="SSN", p21="MOTHER^^^RTK^MR"))
    assert made.subject is not None
    assert [(f.value, f.use) for f in made.subject.identifiers] == [("RTK1", None), ("9434765919", None), ("TMP1", "temp")]
    assert not any("MOTHER" in key for key in made.patient_keys)


def test_two_nhs_numbers_in_one_message_are_a_conflict(event):
    assert event("A31", pid(p3=f"9434765919^^^NHS^NH~9434765870^^^NHS^NH~{KEY}")).flags == ("nhs-number-conflict",)


def test_a_deleted_nhs_number_deletes_the_field(event):
    assert said(event("A31", pid(p3=f'{KEY}~""^^^NHS^NH'))) == {"nhsNumber": None}
    assert said(event("A31", pid(p3=f'{KEY}~""^^^NHS^NH~9434765919^^^NHS^NH'))) == {}


def test_the_gp_is_found_by_ods_code_and_gmp_or_gmc_number(event):
    found = said(event("A31", pid(), "PD1|||THE SURGERY^^h81011~^^^^^^^^^H81012|G1234567^BROWN^JOHN^^^DR~C7654321^GREEN~1234567~^WHITE"))
    assert found["generalPractitioner.practice"] == [
        {"type": "Organization", "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "H81011"}, "display": "THE SURGERY"},
        {"type": "Organization", "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "H81012"}},
    ]
    assert [(r.get("identifier", {}).get("system", "")[-10:], r.get("display")) for r in found["generalPractitioner.practitioner"]] == [
        ("gmp-number", "DR JOHN BROWN"), ("gmc-number", "GREEN"), ("gmc-number", None), ("", "WHITE"),
    ]  # fmt: skip
    assert said(event("A31", pid(), 'PD1|||""|""'))["generalPractitioner.practice"] is None
    assert said(event("A31", pid(), "PD1|||^|^")) == {}


def test_contacts_replace_all_or_are_kept_or_deleted(event):
    full = "NK1|1|SMITH^BOB|SPO^Spouse|1 HIGH ST^^X|01932 1|01932 2"
    found = said(event("A31", pid(), full, "NK1|2|JONES^ANN"))["contact"]
    assert found[0] == {
        "relationship": [{"text": "Spouse"}],
        "name": {"family": "SMITH", "given": ["BOB"]},
        "telecom": [{"system": "phone", "value": "01932 1", "use": "home"}, {"system": "phone", "value": "01932 2", "use": "work"}],
        "address": {"line": ["1 HIGH ST"], "city": "X"},
    }
    assert found[1] == {"name": {"family": "JONES", "given": ["ANN"]}}
    assert said(event("A31", pid(), 'NK1|""'))["contact"] is None
    assert said(event("A31", pid(), 'NK1|1|""'))["contact"] is None
    nameless = event("A31", pid(), "NK1|1||SPO")
    assert said(nameless) == {}
    assert nameless.flags == ("contact-without-name",)


@pytest.mark.parametrize(
    ("zu8", "found"),
    [
        ("ZU8|1|Y|N|2", {"consent": {"2": "Y", "3": "N"}, "restricted": True}),
        ("ZU8|1|||1", {"restricted": False}),
        ('ZU8|1|""||""', {"restricted": None}),
        ("ZU8|1", {}),
    ],
)
def test_the_s_flag_is_zu8_4(event, zu8, found):
    assert said(event("A31", pid(), zu8)) == found


def test_the_visit_of_pv1(event):
    made = event("A01", pid(p18="ACC7"), f"PV1|1|I|WARD{'|' * 16}V99{'|' * 17}4{'|' * 8}20240430120000|20240501090000{'|' * 5}ALT1")
    visit = made.visit
    assert visit is not None
    assert visit.number is not None
    assert (visit.number.value, visit.number.type_code, visit.number.system) == ("V99", "VN", "https://weald.example/fhir/Id/RTK/mrn/VN")
    assert visit.alternate is not None
    assert visit.account is not None
    assert (visit.alternate.value, visit.account.value, visit.account.type_code) == ("ALT1", "ACC7", "AN")
    assert (visit.patient_class, visit.status, visit.disposition) == ("IMP", "in-progress", "4")
    assert (visit.admitted, visit.discharged) == ("2024-04-30T11:00:00.000000Z", "2024-05-01T08:00:00.000000Z")
    assert made.flags == ()


def test_a_visit_may_say_little(event):
    visit = event("A08", pid(), "PV1|1|Q").visit
    assert visit is not None
    assert (visit.number, visit.patient_class, visit.status, visit.admitted) == (None, "Q", None, None)
    assert event("A08", pid()).visit is None
    assert event("A28", pid(), "PV1|1|N").visit is None


def test_the_nhs_number_is_no_number_of_a_trust(event):
    made = event("A31", pid(p3=f"943 476 5919^^^NHS^NH~{KEY}"))
    assert made.patient_keys == (f"{NHS_NUMBER}|9434765919", "https://weald.example/fhir/Id/RTK/mrn|RTK1")


def test_a_source_may_add_to_some_fields(event, context_with):
    adding = context_with(snapshot_add=frozenset({"address"}))
    made = event("A31", pid(p5="SMITH", p11="1 HIGH ST"), of=adding)
    assert made.subject is not None
    assert {a.field: a.add for a in made.subject.assertions} == {"name": False, "address": True}
    assert event("A31", pid(p11='""'), of=adding).subject.assertions[0].add
