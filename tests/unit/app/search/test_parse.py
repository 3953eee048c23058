"""The query parser: every value form and modifier, and refusal by default (fhir.md 2)."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest, InvalidValue, NotSupported, TooCostly, UnknownType
from app.search import normal
from app.search.controls import MAX_COUNT, Include
from app.search.criteria import (
    AnyOf,
    DateIs,
    HasId,
    Missing,
    Not,
    RefersTo,
    SortKey,
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)
from app.search.params import PARAMETERS
from app.search.parse import Chain, Parser
from app.search.values import RefersToPerson, split, unescaped

BASE = "http://weald.test/fhir"
CANONICAL = "https://weald.example/fhir"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
NOW = normal.date_range("2024-11-01T12:00:00Z")[0]
SOURCES = Not(TokenIs("_tag", f"{CANONICAL}/CodeSystem/record-class", "golden"))


def search(type_, *pairs: tuple[str, str], lenient=False):
    return Parser(BASE, CANONICAL, NOW, lenient).search(type_, pairs)


def term(type_, name, value):
    return search(type_, (name, value)).terms[0]


def criterion(name, value):
    return term("Patient", name, value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("family", "O'Neill", StringStarts("family", "oneill")),
        ("family:exact", "O'Neill", StringIs("family", "O'Neill")),
        ("family:contains", "neil", StringHas("family", "neil")),
        ("family:missing", "true", Missing("family", True)),
        ("family", "Smith,Jones", AnyOf((StringStarts("family", "smith"), StringStarts("family", "jones")))),
        ("family", "Smith\\,Jones", StringStarts("family", "smith,jones")),
        ("address-postalcode", "RH10 1AA", StringStarts("address-postalcode", "rh101aa")),
        ("identifier", "9990000018", TokenIs("identifier", None, "9990000018")),
        ("identifier", f"{NHS}|9990000018", TokenIs("identifier", NHS, "9990000018")),
        ("identifier", "|RTK001", TokenIs("identifier", "", "rtk001")),
        ("identifier", f"{NHS}|", TokenIs("identifier", NHS, None)),
        ("identifier", "s|a|b", TokenIs("identifier", "s", "a|b")),
        ("identifier", "s\\|t|a", TokenIs("identifier", "s|t", "a")),
        ("identifier", "a\\|b", TokenIs("identifier", None, "a|b")),
        ("identifier:not", "a,b", Not(AnyOf((TokenIs("identifier", None, "a"), TokenIs("identifier", None, "b"))))),
        ("identifier:text", "NHS Number", TextStarts("identifier", "nhs number")),
        ("identifier:of-type", "sys|MR|12\\|3", TypedIdentifier("identifier", "sys", "mr", "12|3")),
        ("identifier:missing", "false", Missing("identifier", False)),
        ("gender", "female", TokenIs("gender", None, "female")),
        ("gender", "FEMALE", TokenIs("gender", None, "female")),
        ("gender", "http://hl7.org/fhir/administrative-gender|female", TokenIs("gender", None, "female")),
        ("gender", "|female", TokenIs("gender", None, "female")),
        ("gender", "other|female", TokenIs("gender", "other", "female")),
        ("active", "true", TokenIs("active", None, "true")),
        ("phone", "+44 20 7946 0018", TokenIs("phone", None, "02079460018")),
        ("telecom", "phone|020 79460018", TokenIs("telecom", "phone", "02079460018")),
        ("birthdate", "1970-01", DateIs("birthdate", "eq", *normal.date_range("1970-01"))),
        ("birthdate", "ge1970", DateIs("birthdate", "ge", *normal.date_range("1970"))),
        ("organization", "rtk", RefersTo("organization", ("Organization/rtk",))),
        ("organization", "Organization/rtk", RefersTo("organization", ("Organization/rtk",))),
        ("organization", f"{BASE}/Organization/rtk/_history/3", RefersTo("organization", ("Organization/rtk",))),
        ("organization", "https://other.example/fhir/Organization/9", RefersTo("organization", ("https://other.example/fhir/Organization/9",))),
        ("organization:identifier", "ods|RTK", TokenIs("organization:identifier", "ods", "rtk")),
        ("link", "x", RefersTo("link", ("Patient/x", "RelatedPerson/x"))),
        ("link:Patient", "x", RefersTo("link", ("Patient/x",))),
        ("_profile", "https://p", StringIs("_profile", "https://p")),
        ("_profile:below", "https://h/p", AnyOf((StringIs("_profile", "https://h/p"), StringStarts("_profile", "https://h/p/")))),
        ("_profile:above", "https://h/p/q", AnyOf((StringIs("_profile", "https://h"), StringIs("_profile", "https://h/p"), StringIs("_profile", "https://h/p/q")))),
        ("_profile:above", "urn:x", StringIs("_profile", "urn:x")),
        ("_source", "urn:rtk", StringIs("_source", "urn:rtk")),
    ],
)  # fmt: skip
def test_each_value_form_is_one_criterion(name, value, expected):
    assert criterion(name, value) == expected


def test_ids_are_looked_up_together():
    assert search("Patient", ("_id", "a,b")).terms == (HasId(("a", "b")),)
    assert search("Patient", ("_id:not", "a")).terms == (Not(HasId(("a",))),)


def test_a_uid_is_asked_with_or_without_its_prefix():
    assert term("ImagingStudy", "identifier", "urn:dicom:uid|urn:oid:1.2.3") == TokenIs("identifier", "urn:dicom:uid", "1.2.3")
    assert term("ImagingStudy", "instance", "urn:oid:1.2.3.4") == TokenIs("instance", None, "1.2.3.4")


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
def test_each_prefix_is_handed_to_the_store(prefix):
    assert term("ImagingStudy", "started", f"{prefix}2024-05-01") == DateIs("started", prefix, *normal.date_range("2024-05-01"))


def test_approximately_widens_by_a_tenth_of_the_distance_to_now():
    low, high = normal.date_range("2024-10-22T12:00:00Z")
    found = term("ImagingStudy", "started", "ap2024-10-22T12:00:00Z")
    day = 86_400_000_000
    assert found.prefix == "overlaps"
    assert abs((low - found.low) - day) < 1_000_000
    assert abs((found.high - high) - day) < 1_000_000


def test_a_blank_before_an_offset_is_read_as_plus():
    assert term("ImagingStudy", "started", "2024-05-01T10:00:00 01:00") == DateIs("started", "eq", *normal.date_range("2024-05-01T10:00:00+01:00"))


def test_a_golden_patient_is_found_by_id_or_tag_only():
    assert search("Patient", ("family", "Smith")).terms[-1] == SOURCES
    assert search("Patient").terms == (SOURCES,)
    assert SOURCES not in search("Patient", ("_id", "a")).terms
    assert SOURCES not in search("Patient", ("_tag", f"{CANONICAL}/CodeSystem/record-class|golden")).terms
    assert SOURCES not in search("ImagingStudy", ("status", "available")).terms


def test_a_patient_reference_of_a_study_is_to_be_widened_to_the_person():
    assert term("ImagingStudy", "patient", "alice,Patient/bea") == RefersToPerson("subject", ("alice", "bea"))
    assert term("ImagingStudy", "subject", "Device/d") == RefersToPerson("subject", (), ("Device/d",))
    assert term("ImagingStudy", "subject:Patient", "alice") == RefersToPerson("subject", ("alice",))
    assert term("ImagingStudy", "subject:identifier", "s|1") == RefersToPerson("subject", (), identified=TokenIs("subject:identifier", "s", "1"))
    assert term("ImagingStudy", "patient:missing", "false") == Missing("subject", False)


def test_a_chain_asks_source_patients_only():
    found = term("ImagingStudy", "patient.identifier", f"{NHS}|9990000018")
    assert found == Chain("subject", True, (("Patient", (TokenIs("identifier", NHS, "9990000018"), SOURCES)),))


def test_a_chain_by_id_or_of_several_steps_or_typed():
    assert term("ImagingStudy", "patient._id", "golden") == Chain("subject", True, (("Patient", (HasId(("golden",)),)),))
    assert term("ImagingStudy", "subject:Patient.birthdate", "1970").targets[0][0] == "Patient"
    inner = term("ImagingStudy", "patient.organization.name", "Surrey").targets[0][1][0]
    assert inner == Chain("organization", False, (("Organization", (StringStarts("name", "surrey"),)),))
    assert term("ImagingStudy", "endpoint.organization.partof.name", "x").targets[0][0] == "Endpoint"


def test_an_untyped_chain_asks_every_type_that_has_the_parameter():
    assert [type_ for type_, _ in term("Provenance", "target.identifier", "1").targets] == ["Endpoint", "ImagingStudy", "List", "Organization", "Patient", "Task"]


@pytest.mark.parametrize(
    ("type_", "name", "value", "refusal"),
    [
        ("Patient", "surname", "Smith", NotSupported),
        ("Patient", "_text", "x", NotSupported),
        ("Patient", "_has:ImagingStudy:patient:modality", "CT", NotSupported),
        ("Patient", "family:fuzzy", "x", NotSupported),
        ("Patient", "family:", "x", NotSupported),
        ("Patient", "family:not", "x", NotSupported),
        ("Patient", "gender:of-type", "a|b|c", NotSupported),
        ("Patient", "birthdate:exact", "1970", NotSupported),
        ("Patient", "_id:text", "x", NotSupported),
        ("Patient", "birthdate", "xx1970", NotSupported),
        ("Patient", "family.name", "x", NotSupported),
        ("Patient", "organization.family", "x", NotSupported),
        ("Patient", "organization:Patient.name", "x", NotSupported),
        ("ImagingStudy", "encounter.identifier", "x", NotSupported),
        ("Patient", "link.link.link.link.name", "x", NotSupported),
        ("ImagingStudy", "subject:Group.name", "x", NotSupported),
        ("Patient", "family", "", InvalidValue),
        ("Patient", "family", " ", InvalidValue),
        ("Patient", "family", "a,,b", InvalidValue),
        ("Patient", "family", "'", InvalidValue),
        ("Patient", "identifier", "|", InvalidValue),
        ("Patient", "gender", "|", InvalidValue),
        ("Patient", "organization:identifier", "|", InvalidValue),
        ("Patient", "identifier:of-type", "a|b", InvalidValue),
        ("Patient", "identifier:of-type", "a||c", InvalidValue),
        ("Patient", "family:missing", "yes", InvalidValue),
        ("Patient", "birthdate", "01/02/1970", InvalidValue),
        ("Patient", "birthdate", "ge", InvalidValue),
        ("Patient", "organization", "Patient/x", InvalidValue),
        ("Patient", "link:Patient", "RelatedPerson/x", InvalidValue),
        ("Patient", "organization", "a b", InvalidValue),
        ("Patient", "organization", "a/b/c", InvalidValue),
        ("Patient", "family:contains", "ab", TooCostly),
        ("Patient", "family", ",".join("x" * 1001), TooCostly),
        ("Patient", "_sort", "surname", NotSupported),
        ("Patient", "_include", "Patient:nothing", NotSupported),
        ("Patient", "_include", "Patient:organization:Nothing", NotSupported),
        ("Patient", "_revinclude", "ImagingStudy:endpoint", NotSupported),
        ("Patient", "_include:iterate", "Patient:link", NotSupported),
        ("Patient", "_count", "many", InvalidValue),
        ("Patient", "_count", "-1", InvalidValue),
        ("Patient", "_summary", "some", InvalidValue),
        ("Patient", "_total", "exact", InvalidValue),
        ("Patient", "_elements", "a b", InvalidValue),
        ("Patient", "-reach", "all", InvalidValue),
        ("Patient", "-min-grade", "wild", InvalidValue),
    ],
)
def test_what_is_not_known_is_refused(type_, name, value, refusal):
    with pytest.raises(refusal) as caught:
        search(type_, (name, value))
    assert type(caught.value) is refusal
    assert not value.strip() or len(value) < 6 or value not in caught.value.text


def test_a_refusal_lists_what_is_valid():
    with pytest.raises(NotSupported, match=r"address-postalcode.*birthdate.*identifier"):
        search("Patient", ("surname", "x"))
    with pytest.raises(NotSupported, match=":exact"):
        search("Patient", ("family:fuzzy", "x"))
    with pytest.raises(NotSupported, match="birthdate"):
        search("Patient", ("_sort", "x"))
    with pytest.raises(NotSupported, match="ImagingStudy:endpoint"):
        search("ImagingStudy", ("_include", "x"))


def test_a_refusal_repeats_no_strange_name():
    with pytest.raises(NotSupported) as caught:
        search("Patient", ("Smith, Alice <x>", "1"))
    assert "Smith" not in caught.value.text
    assert caught.value.expression is None


def test_an_unknown_type_is_refused():
    with pytest.raises(UnknownType):
        search("Basic")


def test_lenient_handling_leaves_out_what_is_not_known_and_says_so():
    found = search("Patient", ("surname", "x"), ("family", "Smith"), ("_sort", "nothing"), lenient=True)
    assert found.terms == (StringStarts("family", "smith"), SOURCES)
    assert len(found.ignored) == 2
    assert ("surname", "x") not in found.applied


def test_lenient_handling_still_refuses_a_bad_value():
    with pytest.raises(InvalidValue):
        search("Patient", ("birthdate", "soon"), lenient=True)


def test_short_contains_is_taken_beside_another_parameter():
    assert search("Patient", ("family:contains", "ab"), ("gender", "female")).terms[0] == StringHas("family", "ab")


def test_a_repeated_parameter_is_and():
    assert len(search("Patient", ("given", "Alice"), ("given", "Mary")).terms) == 3


def test_the_default_order_is_newest_first_and_of_studies_latest_first():
    assert search("Patient").controls.sort == (SortKey("_commit", descending=True),)
    assert search("ImagingStudy").controls.sort == (SortKey("started", descending=True),)
    assert search("ImagingStudy", ("_sort", "patient,-_lastUpdated")).controls.sort == (SortKey("subject"), SortKey("_lastUpdated", descending=True))


def test_count_is_clamped_and_zero_is_a_summary_count():
    assert search("Patient", ("_count", "999999999")).controls.count == MAX_COUNT
    none = search("Patient", ("_count", "0")).controls
    assert (none.count, none.summary) == (0, "count")


def test_self_shows_defaults_clamps_reach_and_grade():
    assert search("ImagingStudy", ("patient", "alice"), ("_count", "5000")).applied == (
        ("patient", "alice"), ("-reach", "person"), ("-min-grade", "certain"), ("_sort", "-started"), ("_count", "1000"),
    )  # fmt: skip
    assert search("ImagingStudy", ("patient", "alice"), ("-reach", "record")).applied[1:3] == (("-reach", "record"), ("_sort", "-started"))
    assert search("Patient", ("_format", "json"), ("_total", "none")).applied == (("_total", "none"), ("_count", "50"))


def test_includes_name_type_parameter_and_target():
    controls = search("ImagingStudy", ("_include", "ImagingStudy:endpoint"), ("_include", "ImagingStudy:subject:Patient")).controls
    assert controls.includes == (Include("ImagingStudy", "endpoint", None), Include("ImagingStudy", "subject", "Patient"))
    assert len(search("ImagingStudy", ("_include", "*")).controls.includes) > 3
    assert search("Patient", ("_revinclude", "ImagingStudy:patient")).controls.reverse_includes == (Include("ImagingStudy", "patient", None),)


def test_a_control_is_given_once_and_subsets_exclude_each_other():
    with pytest.raises(InvalidValue):
        search("Patient", ("_count", "1"), ("_count", "2"))
    with pytest.raises(InvalidValue):
        search("Patient", ("_summary", "true"), ("_elements", "name"))


@given(st.lists(st.text(alphabet="ab|,$\\", min_size=1), min_size=1, max_size=5))
def test_escaped_parts_come_back_from_a_joined_value(parts):
    escaped = [part.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$") for part in parts]
    assert [unescaped(part) for part in split(",".join(escaped), ",")] == parts


@given(st.sampled_from([(type_, name) for type_, own in PARAMETERS.items() for name in own]), st.sampled_from(["", ":not", ":exact", ":missing", ":of-type", ":Patient"]), st.text(max_size=20))
def test_any_value_is_a_criterion_or_a_refusal(param, modifier, value):
    type_, name = param
    with suppress(BadRequest):
        assert search(type_, (name + modifier, value)).terms


def test_a_chain_that_does_not_exist_is_answered_with_the_parameters_that_a_chain_may_have():
    with pytest.raises(NotSupported) as refused:
        Parser("http://x/fhir", "https://weald.example/fhir", 0).search("ImagingStudy", [("patient.nonsense", "x")])
    offered = re.search("valid are Patient: (.*)[.]$", refused.value.text)[1].split(", ")
    assert offered == sorted(PARAMETERS["Patient"])
    for name in sorted({"_count", "_sort", "_summary"}):
        assert name not in offered
