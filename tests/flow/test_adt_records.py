"""What each supported trigger does to a trust's record (hl7v2.md 1 and 2), seen from outside."""

from dataclasses import replace

import orjson
import pytest

from app.ingest.adt import receive_group
from app.principal import SYSTEM
from app.settings import load_settings
from app.sources import SourceRegistry
from app.store.contract import VISIT
from tests.flow.conftest import RTK_FEED
from tests.flow.doors import NHS_NUMBER, W, mrn
from tests.flow.messages import ALICE, ANNA, BEA, BEA_MARRIED, CHARLIE, NUMBERS, adt, cx, nhs, pid, pv1, segment

ENROLLING = ("A01", "A04", "A05", "A08", "A14", "A28", "A31")
PRESENT = ("A20", "A60")


def numbers(patient):
    return {(one["system"], one["value"]) for one in patient["identifier"]}


def family(patient):
    return patient["name"][0]["family"]


@pytest.mark.parametrize("trigger", ENROLLING)
def test_a_demographic_event_enrols_an_unknown_patient_with_all_it_says(weald, trigger):
    weald.accept(adt(trigger, pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), pv1(), control_id="FIRST"))
    alice = weald.patient(mrn("A100"))
    assert alice["name"] == [{"use": "official", "family": "HOLLIS", "given": ["ALICE", "ROSE"], "prefix": ["MISS"]}]
    assert (alice["gender"], alice["birthDate"], alice["address"][0]["postalCode"]) == ("female", "1970-01-15", "RH10 1AA")
    assert alice["telecom"] == [{"system": "phone", "value": "01632 960018", "use": "home"}]
    assert numbers(alice) == {(NHS_NUMBER, NUMBERS["alice"]), (f"{W}/Id/RTK/mrn", "A100")}
    assert alice["meta"]["source"] == f"{W}/source/RTK-PAS#FIRST"
    assert alice["managingOrganization"]["reference"] == "Organization/RTK"
    assert weald.patient(f"{NHS_NUMBER}|{NUMBERS['alice']}") == alice


@pytest.mark.parametrize("trigger", ["A03", "A13"])
def test_an_event_of_a_visit_enrols_an_unknown_patient(weald, trigger):
    weald.accept(adt(trigger, pid(cx("C300"), who=CHARLIE), pv1("V7")))
    assert family(weald.patient(mrn("C300"))) == "OKORO"


@pytest.mark.parametrize("trigger", ENROLLING)
def test_a_demographic_event_updates_what_it_names_and_keeps_the_rest(weald, trigger):
    weald.accept(adt("A28", pid(cx("B200"), who=BEA), at="20250101090000"))
    weald.accept(adt(trigger, pid(cx("B200"), f5=BEA_MARRIED[5]), pv1(), at="20250601090000"))
    bea = weald.patient(mrn("B200"))
    assert (family(bea), bea["birthDate"], bea["gender"]) == ("FIELD", "1985-06-30", "female")
    assert bea["meta"]["versionId"] == "2"


def test_a_discharge_says_less_of_a_person_than_a_demographic_event_whichever_is_later(weald):
    weald.accept(adt("A31", pid(cx("B200"), who=BEA_MARRIED), at="20250101090000"))
    weald.accept(adt("A03", pid(cx("B200"), who=BEA), pv1(), at="20250601090000"))
    assert family(weald.patient(mrn("B200"))) == "FIELD"


def test_an_older_event_never_overwrites_a_newer_field(weald):
    weald.accept(adt("A31", pid(cx("B200"), who=BEA_MARRIED), at="20250601090000"))
    weald.accept(adt("A28", pid(cx("B200"), f16="M", who=BEA), at="20250101090000"))
    bea = weald.patient(mrn("B200"))
    assert family(bea) == "FIELD"
    assert bea["maritalStatus"] == {"text": "M"}


def test_an_empty_field_keeps_and_a_quoted_empty_one_deletes(weald):
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE), at="20250101090000"))
    weald.accept(adt("A31", pid(cx("A100"), f5=ALICE[5]), at="20250102090000"))
    assert "telecom" in weald.patient(mrn("A100"))
    weald.accept(adt("A31", pid(cx("A100"), f5=ALICE[5], f11='""', f13='""', f7='""'), at="20250103090000"))
    alice = weald.patient(mrn("A100"))
    assert not {"telecom", "address", "birthDate"} & alice.keys()
    assert family(alice) == "HOLLIS"
    assert weald.found("Patient?address-postalcode=RH10") == []


def test_identifiers_are_added_and_never_dropped_by_their_absence(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), at="20250101090000"))
    weald.accept(adt("A31", pid(cx("A100"), cx("A101"), who=ALICE), at="20250102090000"))
    weald.accept(adt("A31", pid(cx("A101"), who=ALICE), at="20250103090000"))
    alice = weald.patient(mrn("A100"))
    assert alice == weald.patient(mrn("A101"))
    assert numbers(alice) == {(NHS_NUMBER, NUMBERS["alice"]), (f"{W}/Id/RTK/mrn", "A100"), (f"{W}/Id/RTK/mrn", "A101")}


def test_a_typed_deletion_ends_the_identifier_of_that_authority(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), at="20250101090000"))
    weald.accept(adt("A31", pid(cx("A100"), nhs('""'), who=ALICE), at="20250102090000"))
    assert numbers(weald.patient(mrn("A100"))) == {(f"{W}/Id/RTK/mrn", "A100")}


def test_a_record_stays_one_whatever_order_its_identifiers_come_in(weald):
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE)))
    weald.accept(adt("A31", pid(nhs(NUMBERS["alice"]), cx("A100"), who=ALICE, f32="NSTS01"), at="20250302120000"))
    weald.accept(adt("A31", pid(nhs(NUMBERS["alice"]), f32="NSTS01", f5="HOLLIS^ALICE^R"), at="20250303120000"))
    assert weald.patient(mrn("A100"))["name"][0]["given"] == ["ALICE", "R"]
    assert len(weald.found(f"Patient?active=true&_tag={W}/CodeSystem/record-class|source")) == 1


def test_an_nhs_number_alone_that_two_records_hold_joins_neither(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)), adt("A28", pid(cx("A101"), number=NUMBERS["alice"], who=ALICE)))
    weald.accept(adt("A31", pid(nhs(NUMBERS["alice"]), f5="HOLLIS^ALICIA"), at="20250302120000"))
    assert {family(weald.patient(mrn(one))) for one in ("A100", "A101")} == {"HOLLIS"}
    assert len(weald.found("Patient?given=alicia&_tag=source")) == 1


def test_identifiers_of_two_records_update_the_one_of_the_primary_scheme_and_ask_a_steward(weald):
    weald.accept(adt("A28", pid(cx("W1", "RYRW"), who=ALICE), trust="RYR"), adt("A28", pid(cx("B9", "RYRB"), who=ANNA), trust="RYR"))
    both = pid(cx("B9", "RYRB"), cx("W1", "RYRW"), who=ALICE, f5="HOLLIS^ALICE^GRACE")
    weald.accept(adt("A31", both, trust="RYR", at="20250302120000"))
    west, brighton = weald.patient(mrn("W1", "RYR-west")), weald.patient(mrn("B9", "RYR-brighton"))
    assert (west["name"][0]["given"], brighton["name"][0]["given"]) == (["ALICE", "GRACE"], ["ANNA", "JANE"])
    [task] = weald.tasks("identifiers-of-two-records")
    assert {one["valueReference"]["reference"] for one in task["input"]} == {f"Patient/{west['id']}", f"Patient/{brighton['id']}"}


def test_two_trusts_with_one_number_are_two_records(weald):
    weald.accept(adt("A28", pid(cx("100"), who=ALICE)), adt("A28", pid(cx("100", "RXC"), who=CHARLIE), trust="RXC"))
    assert family(weald.patient(mrn("100"))) == "HOLLIS"
    assert family(weald.patient(mrn("100", "RXC"))) == "OKORO"
    assert len(weald.found("Patient?identifier=100")) == 2


def test_one_trust_with_two_schemes_keeps_the_same_number_of_two_people_apart(weald):
    weald.accept(adt("A28", pid(cx("100", "RYRW"), who=ALICE), trust="RYR"), adt("A28", pid(cx("100", "RYRB"), who=CHARLIE), trust="RYR"))
    assert family(weald.patient(mrn("100", "RYR-west"))) == "HOLLIS"
    assert family(weald.patient(mrn("100", "RYR-brighton"))) == "OKORO"


def test_one_nhs_number_at_two_trusts_is_two_records_of_one_person(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    weald.accept(adt("A28", pid(cx("X500", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC"))
    first, second = weald.patient(mrn("A100")), weald.patient(mrn("X500", "RXC"))
    assert first["id"] != second["id"]
    assert weald.golden(first) == weald.golden(second)
    assert first["meta"]["versionId"] == "1"


def test_twins_are_never_one_person(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    weald.accept(adt("A28", pid(cx("X600", "RXC"), number=NUMBERS["anna"], who=ANNA), trust="RXC"))
    weald.accept(adt("A28", pid(cx("P700", "RPC"), who=ANNA), trust="RPC"))
    alice, anna = weald.golden(weald.patient(mrn("A100"))), weald.golden(weald.patient(mrn("X600", "RXC")))
    assert alice["id"] != anna["id"]
    assert weald.golden(weald.patient(mrn("P700", "RPC")))["id"] != alice["id"]


def test_death_is_told_by_indicator_or_date_and_withdrawn(weald):
    charlie = {"who": CHARLIE}
    weald.accept(adt("A08", pid(cx("C300"), f30="Y", **charlie), pv1(), at="20250101090000"))
    assert weald.patient(mrn("C300"))["deceasedBoolean"] is True
    weald.accept(adt("A31", pid(cx("C300"), f29="20241230", f30="Y", **charlie), at="20250102090000"))
    assert weald.patient(mrn("C300"))["deceasedDateTime"] == "2024-12-30"
    weald.accept(adt("A31", pid(cx("C300"), f29="20241231", f30="N", **charlie), at="20250103090000"))
    contradicted = weald.patient(mrn("C300"))
    assert contradicted["deceasedDateTime"] == "2024-12-30"
    assert "death-contradicted" in {tag["code"] for tag in contradicted["meta"]["tag"]}
    weald.accept(adt("A31", pid(cx("C300"), f29='""', **charlie), at="20250104090000"))
    assert not {"deceasedBoolean", "deceasedDateTime"} & weald.patient(mrn("C300")).keys()


def test_a_denied_death_reads_as_alive(weald):
    weald.accept(adt("A28", pid(cx("C300"), f30="N", who=CHARLIE)))
    assert weald.patient(mrn("C300"))["deceasedBoolean"] is False
    assert [one["id"] for one in weald.found("Patient?deceased=false&family=okoro&_tag=source")]


def test_a_discharge_by_death_is_withdrawn_by_the_cancel_of_that_discharge_alone(weald):
    charlie = pid(cx("C300"), who=CHARLIE)
    weald.accept(adt("A01", charlie, pv1("V7"), at="20250101090000"), adt("A03", charlie, pv1("V7", f36="4"), at="20250102090000"))
    assert weald.patient(mrn("C300"))["deceasedBoolean"] is True
    weald.accept(adt("A13", charlie, pv1("V6"), at="20250103090000"))
    assert weald.patient(mrn("C300"))["deceasedBoolean"] is True
    weald.accept(adt("A13", charlie, pv1("V7"), at="20250104090000"))
    assert "deceasedBoolean" not in weald.patient(mrn("C300"))


def test_a_cancelled_discharge_leaves_a_death_that_another_message_told(weald):
    charlie = pid(cx("C300"), who=CHARLIE)
    weald.accept(adt("A03", charlie, pv1("V7", f36="4"), at="20250102090000"))
    weald.accept(adt("A31", pid(cx("C300"), f30="Y", who=CHARLIE), at="20250103090000"))
    weald.accept(adt("A13", charlie, pv1("V7"), at="20250104090000"))
    assert weald.patient(mrn("C300"))["deceasedBoolean"] is True


def test_a_discharge_home_says_nothing_of_death(weald):
    weald.accept(adt("A03", pid(cx("C300"), who=CHARLIE), pv1("V7", f36="1")))
    assert "deceasedBoolean" not in weald.patient(mrn("C300"))


@pytest.mark.parametrize("trigger", ["A11", "A27", "A38"])
def test_a_cancelled_visit_changes_nothing_of_the_person(weald, trigger):
    weald.accept(adt("A01", pid(cx("B200"), who=BEA_MARRIED), pv1("V7"), at="20250101090000"))
    before, versions = weald.patient(mrn("B200")), weald.versions()
    weald.accept(adt(trigger, pid(cx("B200"), number=NUMBERS["bea"], who=BEA), pv1("V7"), at="20250601090000"))
    assert weald.patient(mrn("B200")) == before
    assert weald.versions() == versions


@pytest.mark.parametrize("trigger", ["A11", "A27", "A38"])
def test_a_cancelled_visit_of_an_unknown_patient_enrols_nobody(weald, trigger):
    versions = weald.versions()
    weald.accept(adt(trigger, pid(cx("B200"), who=BEA), pv1("V7")), adt(trigger, pid(cx("B200"), who=BEA), pv1("V7"), at="20250601090000"))
    assert weald.versions() == versions
    weald.accept(adt("A28", pid(cx("B200"), who=BEA)))
    assert family(weald.patient(mrn("B200"))) == "MARSH"


@pytest.mark.parametrize("trigger", PRESENT)
def test_an_event_without_effect_by_definition_is_kept_and_changes_nothing(weald, trigger):
    versions = weald.versions()
    weald.accept(adt(trigger, segment("NPU", {1: "W1"})))
    assert weald.versions() == versions
    [(head, _)] = weald.messages()
    assert head["trigger"] == trigger


def test_a_pseudo_person_is_never_linked_by_likeness(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    weald.accept(adt("A28", pid(cx("X500", "RXC"), who=ALICE, f31="Y"), trust="RXC"))
    assert weald.golden(weald.patient(mrn("A100")))["id"] != weald.golden(weald.patient(mrn("X500", "RXC")))["id"]


def test_a_restricted_patient_shows_neither_address_nor_phone(weald):
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE), segment("ZU8", {4: "2"})))
    alice = weald.patient(mrn("A100"))
    assert not {"address", "telecom"} & alice.keys()
    assert alice["meta"]["security"][0]["code"] == "R"


def test_what_is_withheld_of_a_restricted_patient_is_in_no_earlier_version_and_on_no_page_begun_before(weald):
    """nhs.md 6, S-flag: read, search, include, history."""
    people = {f"A10{n}": {**ALICE, 5: f"HOLLIS^ALICE{n}"} for n in range(3)}
    weald.accept(*(adt("A28", pid(cx(number), who=who), control_id=f"E{number}") for number, who in people.items()))
    first = weald.get("Patient?address-postalcode=RH10&_tag=source&_count=1")
    [following] = [link["url"].split("/fhir/")[1] for link in first["link"] if link["relation"] == "next"]
    weald.accept(*(adt("A31", pid(cx(number), who=who), segment("ZU8", {4: "2"}), at="20260101120000", control_id=f"R{number}") for number, who in people.items()))
    alice = weald.patient(mrn("A100"))
    golden = weald.golden(alice)
    shown = [
        *weald.get(f"Patient/{alice['id']}/_history")["entry"], *weald.get(f"Patient/{golden['id']}/_history")["entry"], *weald.get("Patient/_history?_count=100")["entry"],
        {"resource": weald.get(f"Patient/{alice['id']}/_history/1")},
    ]  # fmt: skip
    assert len(shown) > 8
    assert not [one for one in shown if {"address", "telecom"} & one["resource"].keys()]
    assert all(one["resource"]["meta"]["security"][0]["code"] == "R" for one in shown)
    assert "entry" not in weald.get(following)
    assert "entry" not in weald.get("Patient?address-postalcode=RH10&_tag=source")


@pytest.mark.parametrize("withdrawn", [{"f30": "N"}, {"f29": '""', "f30": '""'}])
def test_a_death_told_by_a_discharge_is_withdrawn_by_the_source_that_told_it(weald, withdrawn):
    """hl7v2.md 1, Death: PID-30=N or PID-29="" withdraws that source's assertion."""
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE)), adt("A03", pid(cx("A100"), who=ALICE), pv1(f36="4"), at="20250302120000"))
    assert weald.patient(mrn("A100"))["deceasedBoolean"] is True
    weald.accept(adt("A31", pid(cx("A100"), who=ALICE, **withdrawn), at="20250303120000"))
    assert weald.patient(mrn("A100")).get("deceasedBoolean") in (False, None)
    weald.accept(adt("A03", pid(cx("A100"), who=ALICE), pv1("V2", f36="4"), at="20250304120000"))
    assert weald.patient(mrn("A100"))["deceasedBoolean"] is True
    weald.accept(adt("A31", pid(cx("A100"), who=ALICE, **withdrawn), at="20250305120000"))
    assert weald.patient(mrn("A100")).get("deceasedBoolean") in (False, None)


def visits(weald):
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        return [orjson.loads(body) for _, body in snapshot.scan(VISIT)]


def test_a_visit_without_a_number_is_kept_under_its_account_and_one_with_neither_is_flagged(weald):
    no_number = pv1(f19="")
    weald.accept(adt("A01", pid(cx("A100"), who=ALICE, f18="ACC7^^^RTK^AN"), no_number))
    weald.accept(adt("A03", pid(cx("A100"), who=ALICE, f18="ACC7^^^RTK^AN"), no_number, at="20250302120000"))
    [visit] = visits(weald)
    assert visit["by_account"].endswith("ACC7")
    assert "number" not in visit
    assert visit["said"]["status"][1] == "finished"
    weald.accept(adt("A01", pid(cx("A100"), who=ALICE), no_number))
    assert len(visits(weald)) == 1
    assert ["visit-without-number" in head["flags"] for head, _ in weald.messages()] == [False, False, True]


def test_a_feed_that_sends_only_what_is_new_adds_to_its_addresses(weald, settings_file, tmp_path):
    adding = tmp_path / "weald.toml"
    adding.write_text(settings_file.read_text("utf-8").replace(RTK_FEED, f'{RTK_FEED}snapshot_add = ["address"]\n'), "utf-8")
    services = replace(weald.services, sources=SourceRegistry(load_settings(adding, env={})))
    first, second = (adt("A31", pid(cx("A100"), who={**ALICE, 11: f"{street}^^CRAWLEY^^RH10 1AA^826^H"}), at=at) for street, at in (("1 HIGH STREET", "20250301"), ("2 LOW ROAD", "20250401")))
    assert [b"MSA|AA" in answer for (answer,) in receive_group(services, [first, second], SYSTEM)] == [True, True]
    assert {one["line"][0] for one in weald.patient(mrn("A100"))["address"]} == {"1 HIGH STREET", "2 LOW ROAD"}


def test_a_time_in_whole_seconds_hides_no_version_of_the_same_second(weald):
    """RFC 9110 8.8.2.2: Last-Modified does not tell two versions of one second apart."""
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE)))
    path = f"/fhir/Patient/{weald.patient(mrn('A100'))['id']}"
    first = weald._http.get(path)
    known = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert weald._http.get(path, headers=known).status_code == 304
    weald.accept(adt("A31", pid(cx("A100"), who=ALICE, f16="M"), at="20260101120000"))
    second = weald._http.get(path, headers=known)
    assert (second.status_code, second.headers["ETag"]) == (200, 'W/"2"')
    assert weald._http.get(path, headers={"If-None-Match": second.headers["ETag"]}).status_code == 304
