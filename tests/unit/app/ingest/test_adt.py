"""What no trust can bring about through the listener: a store that fails, a production site, a group's order (hl7v2.md 6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import RequiredMissing, StoreUnavailable
from app.ingest import adt as ingest
from app.ingest.frame import Frame
from app.ingest.letters import letters
from app.ingest.resolve import first_key
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.sources import ClientCertificate, SourceRegistry
from app.store.contract import DEAD_LETTER, MESSAGE
from mappers.context import Authority, Source
from mappers.facts import IdentifierFact
from tests.flow.doors import answer_from_frame
from tests.flow.messages import ALICE, BEA, adt, cx, pid


@pytest.fixture
def services(tmp_path):
    services = services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"}))
    yield services
    services.store.close()


class Failing:
    """A store that cannot commit."""

    def apply(self, principal, changes):
        raise StoreUnavailable("The store cannot commit now.")


def kept(services, kind):
    with services.store.snapshot(SYSTEM) as snapshot:
        return [body.partition(b"\n")[2] for _, body in snapshot.scan(kind)]


def answers(services, *messages):
    return [answer_from_frame(one) for (one,) in ingest.receive_group(services, messages, SYSTEM)]


def test_every_answer_of_a_group_is_withheld_while_the_store_cannot_commit(services):
    failing = replace(services, store=Failing())
    assert ingest.receive_group(failing, [adt("A28", pid(cx("A1"))), b"junk"], SYSTEM) == [None, None]


def test_a_fault_that_cannot_even_be_kept_is_not_answered(services):
    assert ingest.receive_failed(replace(services, store=Failing()), b"junk", RuntimeError(), principal=SYSTEM) is None


def test_a_fault_is_told_by_its_kind_alone(services):
    [answered] = ingest.receive_failed(services, adt("A28", pid(cx("A1"))), RuntimeError("SECRET"), principal=SYSTEM)
    answer = answer_from_frame(answered)
    assert (answer.code, answer.errors) == ("AE", ("207",))
    assert "RuntimeError" in answer.text
    assert "SECRET" not in answer.text


def test_a_fault_in_production_is_kept_under_its_feed_and_answered_as_its_settings_say(services):
    feeds = {code: feed.model_copy(update={"certificates": ["pas.rtk.example"], "acknowledgements": {"AE": "AR"}}) for code, feed in services.settings.sources.items()}
    settings = services.settings.model_copy(update={"mode": "production", "sources": feeds})
    site = replace(services, settings=settings, sources=SourceRegistry(settings))
    frame = Frame(adt("A28", pid(cx("A1"))), certificate=ClientCertificate("00", frozenset({"pas.rtk.example"})))
    [answered] = ingest.receive_failed(site, frame, RuntimeError(), principal=SYSTEM)
    with services.store.snapshot(SYSTEM) as snapshot:
        [letter] = letters(snapshot)
    assert (answer_from_frame(answered).code, letter.head["source"]) == ("AR", "RTK-PAS")


def test_a_refused_message_that_is_sent_again_is_one_dead_letter(services):
    message, other = adt("A17", pid(cx("A1"))), adt("A17", pid(cx("A2")))
    assert {one.code for one in answers(services, message, message, other, message)} == {"AR"}
    with services.store.snapshot(SYSTEM) as snapshot:
        assert [(one.raw, one.head.get("times", 1)) for one in letters(snapshot)] == [(message, 3), (other, 1)]


@pytest.mark.parametrize("version", ["2." + "5" * 5_000, "5" * 5_000, "2.5.1.1", "two"])
def test_a_version_that_is_none_is_refused_in_the_form_of_every_version(services, version):
    [answer] = answers(services, adt("A28", pid(cx("A1")), version=version))
    assert (answer.code, kept(services, DEAD_LETTER) != []) == ("AR", True)


def test_a_birth_order_of_thousands_of_digits_is_none(services):
    assert [one.code for one in answers(services, adt("A28", pid(cx("A1"), f25="9" * 5_000)))] == ["AA"]


def test_answers_come_in_the_order_of_the_frames_and_refusals_are_kept(services):
    messages = [adt("A28", pid(cx("A1"), who=ALICE)), b"junk", adt("A17", pid(cx("A1"))), adt("A28", pid(cx("B1"), who=BEA)), adt("A40", pid(cx("A1")))]
    assert [one.code for one in answers(services, *messages)] == ["AA", "AR", "AR", "AA", "AE"]
    assert kept(services, MESSAGE) == [messages[0], messages[3]]
    assert kept(services, DEAD_LETTER) == [messages[1], messages[2], messages[4]]


def test_the_same_message_twice_in_one_group_is_applied_once(services):
    message = adt("A28", pid(cx("A1"), who=ALICE))
    assert [one.code for one in answers(services, message, message)] == ["AA", "AA"]
    assert kept(services, MESSAGE) == [message]


def test_messages_of_one_patient_in_one_group_are_applied_in_their_order(services):
    group = [adt("A28", pid(cx("A1"), who=ALICE)), adt("A40", pid(cx("A2")), "MRG|" + cx("A1"), at="20250401090000")]
    group += [adt("A31", pid(cx("A1"), f16="M"), at="20250501090000")]
    assert {one.code for one in answers(services, *group)} == {"AA"}
    with services.store.snapshot(SYSTEM) as snapshot:
        bodies = [snapshot.resource("Patient", one.id).body for one in snapshot.history("Patient")]
    assert any(b'"maritalStatus":{"text":"M"}' in body and b'"active":true' in body for body in bodies)


def test_a_message_over_its_limit_is_refused_with_what_is_known_of_it(services):
    head = adt("A28", pid(cx("A1")), control_id="BIG")
    [answer] = answers(services, Frame(head, size=2 << 20))
    assert (answer.code, answer.control_id) == ("AR", "BIG")


def test_production_takes_only_processing_id_p(services):
    site = replace(services, settings=services.settings.model_copy(update={"mode": "production"}))
    [training, real] = answers(site, adt("A28", pid(cx("A1")), f11="T"), adt("A28", pid(cx("A1"))))
    assert (training.code, training.errors, real.code) == ("AR", ("202",), "AA")


def test_a_new_record_is_keyed_by_the_primary_scheme_else_by_the_smallest_identifier():
    west, east = Authority("W", "urn:west", owner="RYR"), Authority("E", "urn:east", owner="RYR")
    source = Source("RYR-PAS", "RYR", default_authority=west)
    numbers = [IdentifierFact(east.system, "2"), IdentifierFact(west.system, "9"), IdentifierFact(east.system, "1")]
    assert first_key(numbers, source) == "urn:west|9"
    assert first_key(numbers[::2], source) == "urn:east|1"
    assert first_key(numbers, replace(source, default_authority=None)) == "urn:east|1"
    with pytest.raises(RequiredMissing):
        first_key([replace(one, ended=True) for one in numbers], source)
