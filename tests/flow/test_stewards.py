"""What stewards do to links over HTTP, and that all of it can be taken back (matching.md 9, fhir.md 3)."""

from datetime import timedelta
from itertools import count

import pytest

from app.principal import SYSTEM, Principal
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import DECISION, EVENT, REVIEW
from tests.flow.conftest import NOW
from tests.flow.doors import mrn
from tests.flow.images import image
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, mrg, pid
from tests.flow.stewarding import Steward, deciding, everything, named, parameters

OLD = {"at": "20250101090000"}
AT_RXC = mrn("X1", "RXC")


@pytest.fixture
def services(settings_file, tmp_path):
    """A clock that goes on, a second each time it is looked at."""
    seconds = count()
    settings = load_settings(settings_file, env={"WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"})
    services = services_from_settings(settings, clock=lambda: NOW + timedelta(seconds=next(seconds)))
    yield services
    services.store.close()


@pytest.fixture
def jo(weald):
    return Steward(weald)


@pytest.fixture
def region(weald, tmp_path):
    """Alice at two trusts, linked by her number; Anna, her twin; Charlie. Each has a study."""
    weald.accept(
        adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD),
        adt("A28", pid(cx("N1"), number=NUMBERS["anna"], who=ANNA), **OLD),
        adt("A28", pid(cx("C1"), who=CHARLIE), **OLD),
    )
    weald.load(image(tmp_path, patient="A1", study=1), image(tmp_path, patient="N1", study=3, PatientName="Hollis^Anna"), source="RTK-PACS")
    weald.load(image(tmp_path, patient="X1", study=2), source="RXC-PACS")
    return weald


def ids(weald, *numbers):
    return [weald.patient(number)["id"] for number in numbers]


def person(weald, number):
    return weald.golden(weald.patient(number))


def test_an_unlinked_record_leaves_its_person_and_an_undo_restores_everything(region, jo):
    records = ids(region, mrn("A1"), AT_RXC, mrn("N1"), mrn("C1"))
    before = everything(region, records)
    assert len(region.studies(mrn("A1"))) == 2
    decision = jo.unlink(region.patient(mrn("A1")), region.patient(AT_RXC))
    assert len(region.studies(mrn("A1"))) == 1
    assert person(region, mrn("A1")) != person(region, AT_RXC)
    jo.undo(decision)
    assert everything(region, records) == before


def test_an_unlink_bars_the_matcher_when_the_record_changes_and_the_undo_after_that_still_restores_the_link(region, jo):
    decision = jo.unlink(mrn("A1"), AT_RXC)
    region.accept(adt("A31", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE, f16="S"), at="20250601090000"))
    assert person(region, mrn("A1")) != person(region, AT_RXC)
    jo.undo(decision)
    assert person(region, mrn("A1")) == person(region, AT_RXC)


def test_records_may_be_named_by_identifier_and_what_their_trust_merged_counts_as_the_survivor(region, jo):
    region.accept(adt("A40", pid(cx("A9"), who=ALICE), mrg(cx("C1")), at="20250301090000"))
    jo.link(mrn("C1"), AT_RXC)
    assert person(region, mrn("A9")) == person(region, AT_RXC)


def test_a_link_makes_one_person_of_records_that_no_matcher_would_link(region, jo):
    records = ids(region, mrn("A1"), AT_RXC, mrn("N1"), mrn("C1"))
    before = everything(region, records)
    decision = jo.link(region.patient(mrn("C1")), region.patient(mrn("A1")))
    assert person(region, mrn("C1")) == person(region, AT_RXC)
    assert len(region.studies(mrn("C1"))) == 2
    jo.undo(decision)
    assert everything(region, records) == before


def test_a_link_makes_no_new_version_of_a_record_or_a_study(region, jo):
    before = region.versions()
    jo.link(mrn("C1"), mrn("A1"))
    after = region.versions()
    touched = {key for key in after if after[key] != before.get(key)}
    golden = {one["id"] for one in region.found("Patient?_tag=golden")}
    assert all(id in golden for type_, id in touched if type_ == "Patient")
    assert not [id for type_, id in touched if type_ == "ImagingStudy"]


def test_two_verified_nhs_numbers_are_never_linked_nor_their_persons_merged(region, jo):
    alice, anna = region.patient(mrn("A1")), region.patient(mrn("N1"))
    assert jo.refused("Patient/$link", named("record", alice), named("record", anna)) == (422, "business-rule")
    assert jo.refused("Patient/$merge", named("person", region.golden(alice)), named("person", region.golden(anna))) == (422, "business-rule")
    jo.link(mrn("C1"), mrn("N1"))
    assert jo.refused("Patient/$link", named("record", mrn("C1")), named("record", AT_RXC)) == (422, "business-rule")


def test_a_pseudo_person_is_linked_to_nobody(region, jo):
    region.accept(adt("A28", pid(cx("P1"), who=CHARLIE, f31="Y"), **OLD))
    assert jo.refused("Patient/$link", named("record", mrn("P1")), named("record", mrn("C1"))) == (422, "business-rule")


def test_a_merge_joins_whole_persons_and_its_undo_parts_them_with_the_ids_they_had(region, jo):
    region.accept(adt("A28", pid(cx("X2", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    jo.link(mrn("C1"), mrn("X2", "RXC"))
    records = ids(region, mrn("A1"), AT_RXC, mrn("C1"), mrn("X2", "RXC"))
    before = everything(region, records)
    decision = jo.merge(person(region, mrn("C1")), person(region, mrn("A1")))
    assert len({person(region, number)["id"] for number in (mrn("A1"), AT_RXC, mrn("C1"), mrn("X2", "RXC"))}) == 1
    jo.undo(decision)
    assert everything(region, records) == before


def test_a_split_parts_records_from_their_person_and_its_undo_restores_it(region, jo):
    region.accept(adt("A28", pid(cx("P1", "RPC"), number=NUMBERS["alice"], who=ALICE), trust="RPC", **OLD))
    numbers = (mrn("A1"), AT_RXC, mrn("P1", "RPC"))
    records = ids(region, *numbers)
    before = everything(region, records)
    assert len(set(before[2].values())) == 1
    decision = jo.split(person(region, mrn("A1")), region.patient(AT_RXC), region.patient(mrn("P1", "RPC")))
    assert person(region, AT_RXC) == person(region, mrn("P1", "RPC")) != person(region, mrn("A1"))
    jo.undo(decision)
    assert everything(region, records) == before


def test_a_split_names_some_but_not_all_records_of_the_person(region, jo):
    alice = person(region, mrn("A1"))
    both = [named("record", mrn("A1")), named("record", AT_RXC)]
    assert jo.refused("Patient/$split", named("person", alice), *both) == (422, "business-rule")
    assert jo.refused("Patient/$split", named("person", alice), named("record", mrn("C1"))) == (422, "business-rule")
    assert jo.refused("Patient/$split", named("person", alice)) == (400, "required")


def test_a_retired_golden_patient_reads_as_replaced_until_the_undo_revives_it(region, jo):
    charlie, alice = person(region, mrn("C1")), person(region, mrn("A1"))
    decision = jo.merge(charlie, alice)
    retired = region.get(f"Patient/{charlie['id']}")
    assert retired["active"] is False
    assert retired["link"] == [{"other": {"reference": f"Patient/{alice['id']}", "type": "Patient"}, "type": "replaced-by"}]
    jo.undo(decision)
    assert region.get(f"Patient/{charlie['id']}")["active"] is True


def test_an_undo_can_be_undone(region, jo):
    records = ids(region, mrn("A1"), AT_RXC)
    decision = jo.unlink(mrn("A1"), AT_RXC)
    parted = everything(region, records)
    withdrawal = jo.undo(decision)
    jo.undo(withdrawal)
    assert everything(region, records) == parted


def test_a_decision_is_undone_once(region, jo):
    decision = jo.unlink(mrn("A1"), AT_RXC)
    jo.undo(decision)
    part = {"name": "provenance", "valueReference": {"reference": f"Provenance/{decision}"}}
    assert jo.refused("Patient/$undo", part) == (422, "business-rule")


def test_an_undo_may_name_the_two_records_instead_of_the_decision(region, jo):
    jo.unlink(mrn("A1"), AT_RXC)
    jo.done("Patient/$undo", named("record", mrn("A1")), named("record", AT_RXC))
    assert person(region, mrn("A1")) == person(region, AT_RXC)
    assert jo.refused("Patient/$undo", named("record", mrn("A1")), named("record", AT_RXC)) == (422, "business-rule")


def test_undoing_an_older_decision_leaves_the_newer_one_in_force(region, jo):
    first = jo.link(mrn("C1"), mrn("A1"))
    second = jo.unlink(mrn("C1"), mrn("A1"))
    jo.undo(first)
    assert person(region, mrn("C1")) != person(region, mrn("A1"))
    jo.undo(second)
    assert person(region, mrn("C1")) != person(region, mrn("A1"))


def test_a_decision_has_one_provenance_with_who_and_why_and_the_versions_it_made(region, jo):
    decision = jo.unlink(mrn("A1"), AT_RXC)
    found = region.get(f"Provenance/{decision}")
    assert found["agent"][0]["who"]["display"] == "jo"
    assert found["reason"] == [{"text": "They said so."}]
    assert found["activity"]["coding"][0]["code"] == "unlinked"
    targets = {one["reference"] for one in found["target"]}
    records = {region.patient(number)["id"]: region.patient(number) for number in (mrn("A1"), AT_RXC)}
    persons = [region.golden(one) for one in records.values()]
    assert {f"Patient/{one['id']}/_history/{one['meta']['versionId']}" for one in [*records.values(), *persons]} == targets
    assert [one["id"] for one in region.found(f"Provenance?target=Patient/{persons[0]['id']}&recorded=ge2000&_tag=unlinked")] == [decision]
    withdrawal = jo.undo(decision)
    assert region.get(f"Provenance/{withdrawal}")["entity"] == [{"role": "removal", "what": {"reference": f"Provenance/{decision}"}}]


def test_a_decision_is_told_to_subscribers_in_the_same_commit(region, jo):
    jo.unlink(mrn("A1"), AT_RXC)
    assert membership(region)[-1][0]["action"] == "unlinked"
    jo.merge(person(region, mrn("A1")), person(region, mrn("C1")))
    [*_, (told, _)] = membership(region)
    assert (told["action"], len(told["before"]), len(told["after"])) == ("merged", 1, 2)
    jo.split(person(region, mrn("A1")), mrn("C1"))
    assert membership(region)[-1][0]["action"] == "split"


def membership(weald):
    """The events of membership: those that have a person's records before and after."""
    return [one for one in weald.kept(EVENT) if "after" in one[0]]


@pytest.mark.parametrize(("outcome", "event"), [("same", "confirmed"), ("different", "rejected")])
def test_an_answer_is_told_whether_or_not_it_moves_a_record(doubtful, jo, outcome, event):
    weald, task = doubtful
    jo.settle(task, outcome)
    told = [head for head, _ in membership(weald) if head["action"] == event]
    assert told
    assert {len(one["after"]) for one in told} == ({2} if outcome == "same" else {1})


def test_a_trust_that_has_two_numbers_for_one_patient_is_told(weald):
    """matching.md 6, same authority."""
    weald.accept(adt("A28", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), **OLD), adt("A28", pid(cx("B2"), number=NUMBERS["bea"], who=BEA), **OLD))
    told = [head for head, _ in weald.kept(EVENT) if head["action"] == "duplicate-in-trust"]
    assert [sorted(one["records"]) for one in told] == [sorted(ids(weald, mrn("B1"), mrn("B2")))]


def test_a_decision_needs_who_and_why(region, jo):
    record = [named("record", mrn("A1")), named("record", AT_RXC)]
    assert jo.refused("Patient/$unlink", *record, why="") == (400, "required")
    assert jo.refused("Patient/$unlink", *record, who="") == (400, "required")
    assert jo.refused("Patient/$unlink", *record, why="  ") == (422, "structure")
    assert region.kept(DECISION) == []


@pytest.mark.parametrize("operation", ["$link", "$unlink", "$merge", "$split", "$undo", "$match"])
def test_an_operation_is_asked_by_post_alone(region, operation):
    response = region._http.get(f"/fhir/Patient/{operation}")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_what_an_operation_cannot_read_is_refused(region, jo):
    two = [named("record", mrn("A1")), named("record", AT_RXC)]
    assert jo.refused("Patient/$link", two[0]) == (400, "required")
    assert jo.refused("Patient/$link", *two, named("record", mrn("C1"))) == (400, "value")
    assert jo.refused("Patient/$link", *two, {"name": "target", "valueString": "x"}) == (400, "not-supported")
    assert jo.refused("Patient/$link", two[0], {"name": "record", "valueBoolean": True}) == (400, "value")
    assert jo.refused("Patient/$link", two[0], {"name": "record", "valueString": "no such thing"}) == (400, "value")
    assert jo.refused("Patient/$link", two[0], {"name": "record", "valueString": "none"}) == (422, "not-found")
    assert jo.refused("Patient/$link", two[0], two[0]) == (422, "business-rule")
    assert jo.refused("Patient/$link?reason=x", *two) == (400, "not-supported")
    assert jo.refused("Patient/$merge", named("person", region.patient(mrn("A1"))), named("person", person(region, mrn("C1")))) == (422, "not-found")
    assert jo.refused("Patient/$undo", {"name": "provenance", "valueString": "none"}) == (422, "not-found")
    assert jo.refused("Patient/$undo", {"name": "provenance", "valueString": "none"}, *two) == (400, "value")
    assert jo.refused("Task/none/$settle", {"name": "outcome", "valueCode": "same"}) == (404, "not-found")


def test_a_task_whose_review_item_is_gone_is_not_found(doubtful, jo):
    weald, task = doubtful
    weald.services.store.apply(SYSTEM, [lambda tx: [tx.remove(REVIEW, key) for key in dict(tx.scan(REVIEW, limit=10))]])
    assert jo.refused(f"Task/{task['id']}/$settle", {"name": "outcome", "valueCode": "same"}) == (404, "not-found")


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (b"{", {}, (400, "structure")),
        (b"[]", {}, (400, "structure")),
        (b'{"resourceType":"Patient","id":"x"}', {}, (400, "structure")),
        (b'{"resourceType":"Parameters","resourceType":"Parameters"}', {}, (400, "structure")),
        (b'{"resourceType":"Parameters","parameter":{}}', {}, (400, "structure")),
        (b'{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":""}]}', {}, (422, "structure")),
        (b'{"resourceType":"Parameters","x":' + b"[" * 80 + b"]" * 80 + b"}", {}, (400, "structure")),
        (b"{}", {"Content-Type": "text/plain"}, (415, "not-supported")),
        (b"{}", {"Content-Encoding": "br"}, (415, "not-supported")),
        (b"{}", {"Content-Encoding": "gzip"}, (400, "structure")),
    ],
)
def test_a_body_that_is_no_parameters_resource_is_refused(region, jo, body, headers, answer):
    status, outcome = jo.post("Patient/$link", body, **headers)
    assert (status, outcome["issue"][0]["code"]) == answer


def test_the_capability_statement_names_the_operations(region):
    statement = region.get("metadata")
    found = {one["type"]: {op["name"]: op["definition"] for op in one.get("operation", [])} for one in statement["rest"][0]["resource"]}
    assert found["Patient"].keys() == {"match", "explain", "link", "unlink", "merge", "split", "undo"}
    assert found["Patient"]["match"] == "http://hl7.org/fhir/OperationDefinition/Patient-match"
    assert found["Task"] == {"settle": "https://weald.example/fhir/OperationDefinition/Task-settle"}


# What is doubtful.

@pytest.fixture
def doubtful(weald):
    """Bea twice at one trust: the trust itself has two numbers for her, so that a steward is asked (matching.md 6, same authority)."""
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), **OLD), adt("A28", pid(cx("B2"), who=BEA), **OLD))
    [task] = weald.tasks("probable-match")
    return weald, task


def test_a_review_item_settled_as_the_same_links_its_records(doubtful, jo):
    weald, task = doubtful
    records = ids(weald, mrn("B1"), mrn("B2"))
    before = everything(weald, records)
    decision = jo.settle(task, "same")
    assert person(weald, mrn("B1")) == person(weald, mrn("B2"))
    done = weald.get(f"Task/{task['id']}")
    assert (done["status"], done["output"][0]["valueCode"]) == ("completed", "same")
    assert weald.get(f"Provenance/{decision}")["activity"]["coding"][0]["code"] == "confirmed"
    assert jo.refused(f"Task/{task['id']}/$settle", {"name": "outcome", "valueCode": "different"}) == (422, "business-rule")
    jo.undo(decision)
    assert everything(weald, records) == before


def test_a_review_item_settled_as_different_parts_its_records_for_good(doubtful, jo):
    weald, task = doubtful
    before = everything(weald, ids(weald, mrn("B1"), mrn("B2")))
    decision = jo.settle(task, "different")
    assert weald.tasks() == []
    assert weald.get(f"Provenance/{decision}")["activity"]["coding"][0]["code"] == "rejected"
    jo.undo(decision)
    assert everything(weald, ids(weald, mrn("B1"), mrn("B2"))) == before
    jo.settle(task, "different")
    weald.accept(*(adt("A31", pid(cx(number), number=NUMBERS["bea"], who=BEA), at="20250601090000") for number in ("B1", "B2")))
    assert person(weald, mrn("B1")) != person(weald, mrn("B2"))
    assert weald.tasks() == []


def test_what_nobody_could_tell_is_asked_again_with_new_evidence_only(doubtful, jo):
    weald, task = doubtful
    jo.settle(task, "cannot-tell")
    assert weald.tasks() == []
    weald.accept(adt("A31", pid(cx("B1"), who=BEA, f16="S"), at="20250602090000"))
    assert weald.tasks() == []
    weald.accept(adt("A31", pid(cx("B1"), who={**BEA, 13: "01632 960018^PRN^PH"}), at="20250603090000"))
    assert weald.tasks() == []
    weald.accept(adt("A31", pid(cx("B2"), who={**BEA, 13: "01632 960018^PRN^PH"}), at="20250603090000"))
    assert [one["id"] for one in weald.tasks()] == [task["id"]]


def test_an_outcome_is_one_of_four(doubtful, jo):
    _, task = doubtful
    assert jo.refused(f"Task/{task['id']}/$settle", {"name": "outcome", "valueCode": "perhaps"}) == (400, "value")
    assert jo.refused(f"Task/{task['id']}/$settle") == (400, "required")


# Feeds and stewards.


def test_no_feed_links_what_a_steward_parted_and_the_steward_is_asked(region, jo):
    region.accept(adt("A28", pid(cx("A2"), who=ALICE), **OLD))
    jo.unlink(mrn("A1"), mrn("A2"))
    region.accept(adt("A24", pid(cx("A1")), pid(cx("A2")), at="20270101090000"))
    assert person(region, mrn("A1")) != person(region, mrn("A2"))
    assert len(region.tasks("refused-assertion")) == 1


def test_no_feed_merges_what_a_steward_parted(region, jo):
    region.accept(adt("A28", pid(cx("A2"), who=ALICE), **OLD))
    jo.unlink(mrn("A1"), mrn("A2"))
    region.accept(adt("A40", pid(cx("A1")), mrg(cx("A2")), at="20270101090000"))
    assert region.patient(mrn("A2"))["active"]
    assert person(region, mrn("A1")) != person(region, mrn("A2"))
    [task] = region.tasks("merge-across-not-same")
    jo.settle(task, "same")
    assert person(region, mrn("A1")) == person(region, mrn("A2"))


def test_a_stewards_link_ends_an_unlink_of_a_feed_and_its_undo_brings_that_back(region, jo):
    region.accept(adt("A28", pid(cx("A2"), who=ALICE), **OLD), adt("A37", pid(cx("A1")), pid(cx("A2")), at="20250301090000"))
    decision = jo.link(mrn("A1"), mrn("A2"))
    assert person(region, mrn("A1")) == person(region, mrn("A2"))
    jo.undo(decision)
    assert person(region, mrn("A1")) != person(region, mrn("A2"))


def test_a_stewards_unlink_beats_an_earlier_link_of_a_feed_without_asking_again(region, jo):
    region.accept(adt("A24", pid(cx("A1")), pid(cx("C1")), at="20250301090000"))
    assert person(region, mrn("A1")) == person(region, mrn("C1"))
    decision = jo.unlink(mrn("A1"), mrn("C1"))
    assert person(region, mrn("A1")) != person(region, mrn("C1"))
    assert region.tasks("refused-assertion") == []
    jo.undo(decision)
    assert person(region, mrn("A1")) == person(region, mrn("C1"))


def test_a_feeds_unlink_after_a_stewards_link_parts_and_asks(region, jo):
    jo.link(mrn("A1"), mrn("C1"))
    region.accept(adt("A37", pid(cx("A1")), pid(cx("C1")), at="20270101090000"))
    assert person(region, mrn("A1")) != person(region, mrn("C1"))
    assert len(region.tasks("refused-assertion")) == 1


def test_of_two_words_of_one_trust_the_later_holds_in_whichever_order_they_arrive(region):
    region.accept(adt("A37", pid(cx("A1")), pid(cx("C1")), at="20250601090000"), adt("A24", pid(cx("A1")), pid(cx("C1")), at="20250301090000"))
    assert person(region, mrn("A1")) != person(region, mrn("C1"))
    region.accept(adt("A24", pid(cx("A1")), pid(cx("C1")), at="20250801090000"), adt("A37", pid(cx("A1")), pid(cx("C1")), at="20250701090000"))
    assert person(region, mrn("A1")) == person(region, mrn("C1"))


# Who may.


def test_a_caller_of_one_trust_reaches_no_record_of_another(region, monkeypatch):
    charlie = Principal("charlie", frozenset({"RTK"}), frozenset({"sample"}))
    monkeypatch.setattr("app.web.application.principal_for", lambda *_: charlie)
    jo = Steward(region)
    assert jo.refused("Patient/$link", named("record", mrn("C1")), named("record", AT_RXC)) == (422, "not-found")


def test_explain_shows_a_waterfall_that_sums_to_the_weight_and_no_value(region):
    alice, other = ids(region, mrn("A1"), AT_RXC)
    found = region.get(f"Patient/{alice}/$explain?other={other}")
    bars = [one for one in found["parameter"] if one["name"] in ("start", "field", "rival", "cut")]
    said = {one["name"]: one for one in found["parameter"]}
    assert sum(map(bits, bars)) == pytest.approx(said["weight"]["valueDecimal"], abs=1e-4)
    assert said["together"]["valueBoolean"] is True
    assert said["edge"]["part"][0]["valueCode"] == "number"
    assert said["rank"]["valueInteger"] == 1
    assert "HOLLIS" not in str(found).upper()
    assert region.get(f"Patient/{alice}/$explain?other={AT_RXC}")["parameter"][:2] == found["parameter"][:2]


def test_explain_names_vetoes_and_refuses_what_it_cannot_find(region):
    alice, anna = ids(region, mrn("A1"), mrn("N1"))
    found = region.get(f"Patient/{alice}/$explain?other={anna}")
    assert [one["valueCode"] for one in found["parameter"] if one["name"] == "veto"] == ["two-evidential-numbers"]
    assert region.ask(f"Patient/{alice}/$explain?other=none")[0] == 404
    assert region.ask(f"Patient/none/$explain?other={anna}")[0] == 404
    assert region.ask(f"Patient/{alice}/$explain")[0] == 400
    assert region.ask(f"Patient/{alice}/$explain?other={anna}&x=1")[0] == 400
    assert region._http.post(f"/fhir/Patient/{alice}/$explain").status_code == 405


def test_parameters_are_made_as_the_standard_has_them(region, jo):
    status, body = jo.post("Patient/$unlink", deciding(named("record", mrn("A1")), named("record", AT_RXC)))
    assert status == 200
    assert parameters(*body["parameter"]) == body


def test_a_task_an_explanation_and_a_match_tell_one_waterfall(doubtful, jo):
    """matching.md 10: one structure, whose bars sum to the weight."""
    weald, task = doubtful
    why = waterfall_of(task["extension"])
    a, b = (one["valueReference"]["reference"] for one in task["input"])
    told = weald.get(f"{a}/$explain?other={b}")["parameter"]
    assert [one["url"] for one in why] == [one["name"] for one in told if one["name"] in {one["url"] for one in why}]
    bars = [one for one in why if one["url"] in ("start", "field", "rival", "cut")]
    assert sum(map(bits, bars)) == pytest.approx(next(one["valueDecimal"] for one in why if one["url"] == "weight"), abs=1e-4)
    matches, _ = jo.match({"name": [{"family": "Marsh", "given": ["Bea"]}], "birthDate": "1985-06-30", "gender": "female"})
    assert {"start", "field", "bound", "model"} <= {one["url"] for one in waterfall_of(matches[0]["search"]["extension"])}


def waterfall_of(extensions):
    return next(one["extension"] for one in extensions if one["url"].endswith("/match-waterfall"))


def bits(bar):
    """The weight of a bar, of a task's or of an explanation's."""
    under = bar.get("extension", ()) or bar.get("part", ())
    return bar["valueDecimal"] if "valueDecimal" in bar else next(part["valueDecimal"] for part in under if "weight" in (part.get("url"), part.get("name")))


def test_a_superseded_number_that_a_link_would_not_look_at_is_refused(region, jo):
    """A1 and X1 are one person already, by one number: nothing is taken and forgotten."""
    pair = (named("record", mrn("A1")), named("record", AT_RXC))
    assert jo.refused("Patient/$link", *pair, {"name": "superseded", "valueString": NUMBERS["anna"]}) == (422, "business-rule")
