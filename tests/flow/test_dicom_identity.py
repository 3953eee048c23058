"""Whose study it is: one study of several archives, of several persons, and headers that contradict the record (imaging.md 2.2 and 3.3)."""

import pytest

from tests.flow.doors import W, mrn
from tests.flow.images import CHARLIE_HEADER, image, study_uid
from tests.flow.messages import ALICE, CHARLIE, NUMBERS, adt, cx, pid

UID = "urn:dicom:uid"
OLD = {"at": "20250101090000"}


def studies_of(weald, number=1):
    return weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(number)}")


def flags(resource):
    return {tag["code"] for tag in resource["meta"].get("tag", [])}


def bases(weald, endpoints):
    return {weald.get(one["reference"])["address"] for one in endpoints}


@pytest.fixture
def alice(weald):
    """Alice at two trusts, one person by her verified number."""
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("X500", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD))
    return weald


def shared(weald, folder, *, other="X500", header=None, series=2):
    """One study sent by two archives, each under its own number; the second archive has another series too."""
    weald.load(image(folder / "rtk", patient="A100"), source="RTK-PACS")
    weald.load(image(folder / "rxc", patient=other, **(header or {})), image(folder / "rxc", patient=other, series=series, **(header or {})), source="RXC-PACS")


def test_one_study_at_two_trusts_of_one_person_is_one_with_the_endpoints_of_both(alice, tmp_path):
    shared(alice, tmp_path)
    [study] = studies_of(alice)
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 2)
    assert bases(alice, study["endpoint"]) == {"https://pacs.rtk.example/dicom-web", "https://pacs.rxc.example/dicom-web"}
    assert [bases(alice, series.get("endpoint", study["endpoint"])) for series in study["series"]] == [
        {"https://pacs.rtk.example/dicom-web", "https://pacs.rxc.example/dicom-web"}, {"https://pacs.rxc.example/dicom-web"},
    ]  # fmt: skip
    assert study["subject"]["reference"] in {f"Patient/{alice.patient(mrn(*key))['id']}" for key in (("A100",), ("X500", "RXC"))}
    assert [one["id"] for one in alice.studies(mrn("A100"))] == [one["id"] for one in alice.studies(mrn("X500", "RXC"))] == [study["id"]]


def test_one_study_of_two_persons_is_a_study_each_and_the_plain_id_is_gone(alice, tmp_path):
    alice.accept(adt("A28", pid(cx("X900", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    alice.load(image(tmp_path / "rtk", patient="A100"), source="RTK-PACS")
    [plain] = studies_of(alice)
    alice.load(image(tmp_path / "rxc", patient="X900", **CHARLIE_HEADER), source="RXC-PACS")
    both = studies_of(alice)
    assert len(both) == 2
    assert all("patient-conflict" in flags(one) for one in both)
    assert plain["id"] not in {one["id"] for one in both}
    [hers], [his] = alice.studies(mrn("A100")), alice.studies(mrn("X900", "RXC"))
    assert bases(alice, hers["endpoint"]) == {"https://pacs.rtk.example/dicom-web"}
    assert bases(alice, his["endpoint"]) == {"https://pacs.rxc.example/dicom-web"}
    status, outcome = alice.ask(f"ImagingStudy/{plain['id']}")
    assert (status, outcome["resourceType"]) == (410, "OperationOutcome")
    assert all(f"ImagingStudy/{one['id']}" in outcome["issue"][0]["details"]["text"] for one in both)
    assert len(alice.tasks("study-of-two-persons")) == 1


def test_the_conflict_is_the_same_whichever_archive_came_first(alice, tmp_path):
    alice.accept(adt("A28", pid(cx("X900", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    alice.load(image(tmp_path / "rxc", patient="X900", **CHARLIE_HEADER), source="RXC-PACS")
    alice.load(image(tmp_path / "rtk", patient="A100"), source="RTK-PACS")
    assert len(studies_of(alice)) == 2
    assert alice.studies(mrn("A100"))[0]["id"] != alice.studies(mrn("X900", "RXC"))[0]["id"]


def test_a_link_of_the_two_persons_solves_the_conflict_and_the_plain_id_returns(weald, tmp_path):
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("X500", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    weald.load(image(tmp_path / "rtk", patient="A100"), source="RTK-PACS")
    [plain] = studies_of(weald)
    weald.load(image(tmp_path / "rxc", patient="X500", **CHARLIE_HEADER), source="RXC-PACS")
    parted = {one["id"] for one in studies_of(weald)}
    assert len(parted) == 2
    weald.accept(adt("A31", pid(cx("X500", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", at="20250601090000"))
    weald.accept(adt("A31", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), at="20250601090000"))
    assert [one["id"] for one in studies_of(weald)] == [plain["id"]]
    assert weald.tasks("study-of-two-persons") == []
    assert {weald.ask(f"ImagingStudy/{id}")[0] for id in parted} == {410}
    assert [one["id"] for one in weald.studies(mrn("A100"))] == [plain["id"]]


def test_a_header_that_contradicts_the_record_in_all_is_asked_about_and_belongs_to_nobody(alice, tmp_path):
    alice.load(image(tmp_path, patient="A100", **CHARLIE_HEADER), source="RTK-PACS")
    [study] = studies_of(alice)
    assert "identity-mismatch" in flags(study)
    assert "reference" not in study["subject"]
    assert study["subject"]["identifier"]["value"] == "A100"
    assert alice.studies(mrn("A100")) == []
    [task] = alice.tasks("identity-mismatch")
    assert task["for"]["reference"] == f"Patient/{alice.patient(mrn('A100'))['id']}"


@pytest.mark.parametrize(
    "header",
    [{"PatientName": "Hollis^Anna"}, {"PatientName": "Married^Alice"}, {**CHARLIE_HEADER, "PatientSex": "F"}, {"PatientBirthDate": "19710816", "PatientSex": "M"}],
    ids=["another given name", "another surname", "same sex", "same name"],
)
def test_a_header_that_contradicts_in_part_is_filed_as_it_says(alice, tmp_path, header):
    alice.load(image(tmp_path, patient="A100", **header), source="RTK-PACS")
    assert len(alice.studies(mrn("A100"))) == 1
    assert alice.tasks("identity-mismatch") == []


def test_a_contradiction_is_seen_when_the_message_comes_after_the_images_and_ends_with_it(weald, tmp_path):
    weald.load(image(tmp_path, patient="A100", **CHARLIE_HEADER), source="RTK-PACS")
    assert len(weald.studies(mrn("A100"))) == 1
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE), **OLD))
    [study] = studies_of(weald)
    assert ("reference" in study["subject"], "identity-mismatch" in flags(study)) == (False, True)
    assert len(weald.tasks("identity-mismatch")) == 1
    weald.accept(adt("A31", pid(cx("A100"), who=CHARLIE), at="20250601090000"))
    [study] = studies_of(weald)
    assert ("reference" in study["subject"], "identity-mismatch" in flags(study)) == (True, False)
    assert weald.tasks("identity-mismatch") == []
    assert len(weald.studies(mrn("A100"))) == 1


def test_a_number_that_the_archive_corrected_moves_the_study(weald, tmp_path):
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE), **OLD), adt("A28", pid(cx("A200"), who=ALICE), **OLD))
    weald.load(image(tmp_path / "wrong", patient="A200"), source="RTK-PACS")
    weald.load(image(tmp_path / "right", patient="A100", corrected="A200"), source="RTK-PACS")
    [study] = studies_of(weald)
    assert study["subject"]["reference"] == f"Patient/{weald.patient(mrn('A100'))['id']}"


def test_studies_of_anothers_number_never_reach_a_person(alice, tmp_path):
    alice.load(image(tmp_path, patient="A100", study=9, **CHARLIE_HEADER), source="RXC-PACS")
    assert alice.studies(mrn("A100")) == []
    assert len(alice.studies(mrn("A100", "RXC"))) == 1


def test_the_same_number_at_two_archives_is_two_patients(weald, tmp_path):
    weald.load(image(tmp_path / "a", patient="100", study=1), source="RTK-PACS")
    weald.load(image(tmp_path / "b", patient="100", study=2, **CHARLIE_HEADER), source="RXC-PACS")
    [hers], [his] = weald.studies(mrn("100")), weald.studies(mrn("100", "RXC"))
    assert hers["subject"]["reference"] != his["subject"]["reference"]
    assert W in hers["subject"]["identifier"]["system"]
