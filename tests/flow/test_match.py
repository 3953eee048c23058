"""Patient/$match: who a person may be, tolerant of errors, never certain of a twin (fhir.md 3)."""

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.ingest import finding
from app.ingest.evidence import facts_from_patient, is_enough
from app.principal import Principal
from app.store.contract import KINDS
from tests.flow.doors import NHS_NUMBER, mrn
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, pid
from tests.flow.stewarding import Steward, grade, parameters

OLD = {"at": "20250101090000"}
ADDRESS = {"line": ["1 High Street"], "city": "Crawley", "postalCode": "RH10 1AA"}
VERIFIED = [{
    "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
    "valueCodeableConcept": {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland", "code": "01"}]},
}]  # fmt: skip


def patient(family="Hollis", given="Alice", birth_date="1970-01-15", number=None, **more):
    numbers = {"identifier": [{"extension": VERIFIED, "system": NHS_NUMBER, "value": number}]} if number else {}
    return {"name": [{"family": family, "given": [given]}], "birthDate": birth_date, "gender": "female", **numbers, **more}


@pytest.fixture
def region(weald):
    weald.accept(
        adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD),
        adt("A28", pid(cx("N1"), number=NUMBERS["anna"], who=ANNA), **OLD),
        adt("A28", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), **OLD),
        adt("A28", pid(cx("C1"), who=CHARLIE), **OLD),
    )
    return weald


@pytest.fixture
def jo(region):
    return Steward(region)


def ids(entries):
    return [one["resource"]["id"] for one in entries]


def golden(weald, number):
    return weald.golden(weald.patient(mrn(number)))["id"]


def test_a_person_of_two_records_is_one_entry_and_the_best_comes_first(region, jo):
    entries, told = jo.match(patient(number=NUMBERS["alice"], address=[ADDRESS]))
    assert ids(entries)[0] == golden(region, "A1")
    assert grade(entries[0]) == "certain"
    assert len(set(ids(entries))) == len(entries)
    assert told == []


@pytest.mark.parametrize(
    "typo",
    [
        {"family": "Holliss"}, {"given": "Alise"}, {"family": "Alice", "given": "Hollis"}, {"birth_date": "1970-01-16"}, {"birth_date": "1970-10-15"},
        {"birth_date": "1970"}, {"given": "A"},
    ],
    ids=["surname", "given name", "names exchanged", "day", "month", "year alone", "initial"],
)  # fmt: skip
def test_a_person_is_found_under_an_error(region, jo, typo):
    entries, _ = jo.match(patient(**typo, address=[ADDRESS]))
    assert ids(entries)[0] == golden(region, "A1")


def test_where_a_restricted_person_lives_is_neither_found_by_nor_confirmed(region, jo):
    region.accept(adt("A31", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), "ZU8|1|N|N|2", at="20260101090000"))
    known = {"name": [{"family": "Fielding", "given": ["Bea"]}], "birthDate": "1985-06-30"}
    home = {"line": ["7 Mill Lane"], "city": "Lewes", "postalCode": "BN7 2DD"}
    guesses = [jo.match(known | more)[0] for more in ({}, {"address": [home]}, {"address": [{**home, "line": ["9 Elm Row"], "postalCode": "RH10 9ZZ"}]})]
    assert [ids(entries) for entries in guesses] == [[golden(region, "B1")]] * 3
    assert len({entries[0]["search"]["score"] for entries in guesses}) == 1
    entries, _ = jo.match({"name": [{"family": "Zzz"}], "address": [home]})
    assert golden(region, "B1") not in ids(entries)


def test_a_changed_surname_is_found_by_what_stayed(region, jo):
    entries, _ = jo.match({"name": [{"family": "Field", "given": ["Bea"]}], "birthDate": "1985-06-30", "address": [{"line": ["7 Mill Lane"], "postalCode": "BN7 2DD"}]})
    assert ids(entries)[0] == golden(region, "B1")


def test_a_twin_is_never_certain(region, jo):
    entries, _ = jo.match(patient(given="Anna", address=[ADDRESS]))
    assert ids(entries)[0] == golden(region, "N1")
    assert all(grade(one) != "certain" for one in entries if one["resource"]["id"] == golden(region, "A1"))


def test_a_twin_of_the_verified_number_of_the_other_is_left_out(region, jo):
    entries, _ = jo.match(patient(given="Anna", number=NUMBERS["alice"]))
    assert golden(region, "N1") not in ids(entries)


def test_scores_fall_and_grades_fall_with_them(region, jo):
    entries, _ = jo.match(patient(address=[ADDRESS]))
    grades = ["certain", "probable", "possible"]
    scores = [one["search"]["score"] for one in entries]
    assert scores == sorted(scores, reverse=True)
    assert [grades.index(grade(one)) for one in entries] == sorted(grades.index(grade(one)) for one in entries)
    assert all(0 <= score <= 1 for score in scores)


def test_an_entry_shows_the_evidence_of_each_field_without_values(region, jo):
    [entry, *_], _ = jo.match(patient(address=[ADDRESS]))
    fields = {piece["extension"][0]["valueCode"] for one in entry["search"]["extension"] for piece in one.get("extension", ()) if piece["url"] == "field"}
    assert {"given", "family", "birth-date", "postcode"} <= fields
    assert "Hollis" not in str(entry["search"])


def test_only_certain_matches_gives_one_certain_person_or_nobody(region, jo):
    certain = {"onlyCertainMatches": {"valueBoolean": True}}
    entries, _ = jo.match(patient(number=NUMBERS["alice"], address=[ADDRESS]), **certain)
    assert ids(entries) == [golden(region, "A1")]
    assert jo.match(patient(birth_date="1970"), **certain)[0] == []


def test_two_persons_as_good_as_each_other_are_both_in_doubt(region, jo):
    twin = {**ALICE, 5: "HOLLIS^ALICE^ROSE^^MISS^^L"}
    region.accept(adt("A28", pid(cx("A3"), number=NUMBERS["charlie"], who=twin), **OLD))
    entries, _ = jo.match(patient(address=[ADDRESS]))
    found = [one for one in entries if one["resource"]["id"] in (golden(region, "A1"), golden(region, "A3"))]
    assert [grade(one) for one in found] == ["probable", "probable"]
    assert jo.match(patient(address=[ADDRESS]), onlyCertainMatches={"valueBoolean": True})[0] == []


def test_count_cuts_after_ranking_and_says_how_many_it_cut(region, jo):
    whole, _ = jo.match(patient(address=[ADDRESS]))
    assert len(whole) > 1
    entries, told = jo.match(patient(address=[ADDRESS]), count={"valueInteger": 1})
    assert ids(entries) == ids(whole)[:1]
    assert told == [f"{len(whole) - 1} more person(s) were found than count asks."]


def test_nobody_found_is_an_empty_searchset(region, jo):
    status, bundle = jo.post("Patient/$match", {"resourceType": "Patient", **patient("Nobody", "Else", "1900-02-03")})
    assert status == 200
    assert (bundle["total"], "entry" in bundle) == (0, False)


def test_the_answer_is_a_bundle_of_the_standard(region, jo):
    status, bundle = jo.post("Patient/$match", {"resourceType": "Patient", **patient()})
    assert status == 200
    Bundle.model_validate(bundle)


@pytest.mark.parametrize(
    ("given", "enough"),
    [
        ({"identifier": [{"system": "urn:x", "value": "1"}]}, True),
        ({"name": [{"family": "Hollis"}], "birthDate": "1970"}, True),
        ({"name": [{"text": "Hollis"}], "address": [{"postalCode": "RH10 1AA"}]}, True),
        ({"name": [{"given": ["Alice"]}], "telecom": [{"system": "email", "value": "alice@example.org"}]}, True),
        ({"name": [{"family": "Hollis"}]}, False),
        ({"name": [{"family": "Hollis"}], "gender": "female", "address": [{"city": "Crawley"}]}, False),
        ({"birthDate": "1970-01-15", "address": [{"postalCode": "RH10 1AA"}]}, False),
        ({"identifier": [{"system": "urn:x"}]}, False),
        ({}, False),
    ],
)
def test_enough_is_an_identifier_or_a_name_with_something_beside_it(region, jo, given, enough):
    assert is_enough(facts_from_patient(given)) is enough
    status, body = jo.post("Patient/$match", {"resourceType": "Patient", **given})
    assert status == (200 if enough else 400)
    if not enough:
        assert body["issue"][0]["code"] == "required"


def test_a_patient_may_lack_elements_but_must_be_well_formed(region, jo):
    link_without_type = {"link": [{"other": {"reference": "Patient/x"}}]}
    assert jo.post("Patient/$match", {"resourceType": "Patient", **patient(), **link_without_type})[0] == 200
    status, outcome = jo.post("Patient/$match", {"resourceType": "Patient", **patient(gender="f", birthDate="15/01/1970")})
    assert status == 422
    assert {one["expression"][0] for one in outcome["issue"]} == {"Patient.gender", "Patient.birthDate"}


def test_what_is_no_match_request_is_refused(region, jo):
    assert jo.post("Patient/$match", parameters())[0] in (400, 422)
    assert jo.post("Patient/$match", parameters({"name": "count", "valueInteger": 1}))[0] == 400
    assert jo.post("Patient/$match", parameters({"name": "resource", "resource": {"resourceType": "Task"}}))[0] == 400
    resource = {"name": "resource", "resource": {"resourceType": "Patient", **patient()}}
    assert jo.post("Patient/$match", parameters(resource, resource))[0] == 400
    assert jo.post("Patient/$match", parameters(resource, {"name": "count", "valueInteger": 0}))[0] == 400
    assert jo.post("Patient/$match", parameters(resource, {"name": "threshold", "valueDecimal": 0.5}))[0] == 400


def test_a_match_writes_nothing(region, jo):
    before = list(region.services.store.dump())
    jo.match(patient(address=[ADDRESS]))
    assert list(region.services.store.dump()) == before
    assert KINDS


def test_too_many_equal_records_are_a_warning_and_nobody_is_certain(region, jo, monkeypatch):
    monkeypatch.setattr("matching.blocking.CANDIDATES_KEPT", 1)
    monkeypatch.setattr("matching.blocking.CANDIDATES_KEPT_THIN", 1)
    entries, told = jo.match({"name": [{"family": "Hollis"}], "birthDate": "1970-01-15"})
    assert len(told) == 1
    assert all(grade(one) != "certain" for one in entries)
    monkeypatch.setattr("app.ingest.linking.BLOCK_CAP", 1)
    entries, told = jo.match({"name": [{"family": "Hollis"}], "birthDate": "1970-01-15"})
    assert (entries, len(told)) == ([], 1)


def test_another_trusts_person_is_neither_shown_nor_counted(region, jo, monkeypatch):
    charlie = Principal("charlie", frozenset({"RXC"}), frozenset())
    monkeypatch.setattr("app.web.application.principal_for", lambda *_: charlie)
    entries, _ = jo.match(patient(number=NUMBERS["alice"], address=[ADDRESS]))
    assert [one["resource"]["managingOrganization"]["identifier"]["value"] for one in entries] == ["RXC"]


def test_a_confused_number_is_never_certain(region, jo):
    proposals = jo.match(patient("Okoro", "Charlie", "1952-02-29", number=NUMBERS["alice"]))[0]
    assert finding.CERTAIN not in [grade(one) for one in proposals if one["resource"]["id"] == golden(region, "A1")]


@pytest.mark.parametrize("status", [VERIFIED, None], ids=["verified", "unverified"])
def test_an_nhs_number_alone_names_its_holders_as_possible(region, jo, status):
    number = {"system": NHS_NUMBER, "value": NUMBERS["alice"], **({"extension": status} if status else {})}
    found, _ = jo.match({"identifier": [number]})
    assert ids(found) == [golden(region, "A1")]
    assert grade(found[0]) == "possible"
    assert jo.match({"identifier": [{**number, "value": NUMBERS["charlie"]}]}) == ([], [])


@pytest.mark.parametrize("text", ["Alice Hollis", "Hollis, Alice", " hollis ,alice "])
def test_a_name_of_text_alone_is_read(region, jo, text):
    found, _ = jo.match({"name": [{"text": text}], "birthDate": "1970-01-15", "gender": "female", "address": [ADDRESS]})
    assert golden(region, "A1") in ids(found)
