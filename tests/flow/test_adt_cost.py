"""What a message costs that says nothing new, counted and not timed: nine of ten that a feed sends all day are such."""

import pytest

from app.ingest import people
from tests.flow.doors import mrn
from tests.flow.messages import ALICE, NUMBERS, adt, cx, pid

STATEMENTS = 15
"""One commit's own included: a look for a repeat, one for the record, its person's document, the record and the message written."""

OTHERWISE = {**ALICE, 11: "9 Mill Lane^^Crawley^West Sussex^RH10 9ZZ^GB^H"}


def of_rtk(at, who=ALICE):
    return adt("A08", pid(cx("A100"), number=NUMBERS["alice"], who=who), at=at)


def of_rxc(at, who=ALICE):
    return adt("A08", pid(cx("X500", "RXC"), number=NUMBERS["alice"], who=who), at=at, trust="RXC")


@pytest.fixture
def built(monkeypatch):
    """The ids of the persons whose golden patient was made, in order."""
    made = []

    def counted(members, *, id, **more):
        made.append(id)
        return elected(members, id=id, **more)

    elected = people.elected
    monkeypatch.setattr(people, "elected", counted)
    return made


def test_a_record_that_confirms_what_its_person_shows_makes_no_golden_patient(weald, built):
    weald.accept(of_rtk("20250101090000"), of_rxc("20250102090000"))
    before = weald.golden(weald.patient(mrn("A100")))
    built.clear()
    weald.accept(of_rtk("20250201090000"), of_rxc("20250202090000"), of_rtk("20250203090000"))
    assert built == []
    assert weald.golden(weald.patient(mrn("A100"))) == before


def test_a_rival_is_heard_when_it_says_its_own_again(weald, built):
    weald.accept(of_rtk("20250101090000"), of_rxc("20250102090000", OTHERWISE))
    alice = weald.patient(mrn("A100"))
    assert weald.golden(alice)["address"][0]["postalCode"] == "RH10 9ZZ"
    built.clear()
    weald.accept(of_rxc("20250201090000", OTHERWISE))
    assert built == []
    weald.accept(of_rtk("20250202090000"))
    assert len(built) == 1
    assert weald.golden(alice)["address"][0]["postalCode"] == "RH10 1AA"
    weald.accept(of_rtk("20250203090000"))
    assert len(built) == 1


def test_a_message_that_says_nothing_new_takes_few_statements(weald):
    weald.accept(of_rtk("20250101090000"), of_rxc("20250102090000"), of_rtk("20250103090000"))
    asked = []
    writer = weald.services.store._open().writer
    writer.set_trace_callback(asked.append)
    weald.accept(of_rtk("20250201090000"))
    writer.set_trace_callback(None)
    assert len(asked) <= STATEMENTS, asked
