"""Two people whom something lets look like one are never joined through the MLLP door: somebody is asked (matching.md 6)."""

import pytest

from app.ingest.again import sweep
from app.ingest.learned import all_known
from app.principal import SYSTEM
from tests.flow.doors import mrn
from tests.flow.messages import NUMBERS, adt, cx, pid
from tests.flow.stewarding import Steward

N = NUMBERS["alice"]
HOME = {11: "1 HIGH STREET^^CRAWLEY^WEST SUSSEX^RH10 1AA^826^H", 13: "01632 960018^PRN^PH"}
OLD, BIRTH = "20250101090000", "20241221090000"


def who(family, given, born, sex="F", **more):
    return {**HOME, 5: f"{family}^{given}", 7: born, 8: sex, **{int(name[1:]): value for name, value in more.items()}}


def tell(weald, key, who, number=None, *, status="01", trigger="A28", at=OLD):
    value, _, trust = key.partition("@")
    weald.accept(adt(trigger, pid(cx(value, trust), number=number, status=status, who=who), trust=trust, at=at))


def persons(weald, *keys):
    return len({weald.golden(weald.patient(mrn(*key.split("@"))))["id"] for key in keys})


def asked(weald):
    return sorted(task["code"]["coding"][0]["code"] for task in weald.tasks())


def doubted(weald):
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        return [len(said["records"]) for said in all_known(snapshot) if said["state"] == "doubted"]


ALICE = ("A1@RTK", who("HOLLIS", "ALICE", "19900115"), N)
ZOE = ("X1@RXC", who("HOLLIS", "ZOE", "20241220"), N)
MAX = ("P1@RPC", who("HOLLIS", "MAX", "20241220", "M"), N)
MIA = ("P1@RPC", who("HOLLIS", "MIA", "20241220"), N)
CHARLIE = ("X1@RXC", who("OKORO", "CHARLIE", "19520229", "M"), N)
PETER = ("P1@RPC", who("OKORO", "PETER", "19520229", "M", f11="", f13=""), N)


@pytest.mark.parametrize("three", [[ALICE, ZOE, MAX], [ALICE, ZOE, MIA], [ALICE, CHARLIE, PETER]], ids=["twins", "sisters", "two-strangers"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)], ids=str)
def test_a_number_in_doubt_joins_nobody_else_either(weald, three, order):
    for place in order:
        key, said, number = three[place]
        tell(weald, key, said, number, at=OLD if place == 0 else "20250102090000")
    assert persons(weald, *(key for key, _, _ in three)) == 3
    assert asked(weald).count("confusion") >= 2
    assert doubted(weald) == [3]


def test_two_people_of_one_number_and_each_ones_second_record_are_two_persons(weald):
    bo = ("C2@RPC", who("OKORO", "CHARLIE", "19520229", "M"), N)
    al = ("A2@RA2", who("HOLLIS", "ALICE", "19900115"), N)
    for key, said, number in (ALICE, CHARLIE, bo, al):
        tell(weald, key, said, number)
    assert persons(weald, "A1@RTK", "X1@RXC", "C2@RPC", "A2@RA2") == 2
    assert persons(weald, "A1@RTK", "A2@RA2") == persons(weald, "X1@RXC", "C2@RPC") == 1
    assert doubted(weald) == [4]


def test_a_confusion_closes_itself_when_the_trust_corrects_the_number(weald):
    for one in (ALICE, CHARLIE):
        tell(weald, *one)
    assert (asked(weald), doubted(weald)) == (["confusion"], [2])
    tell(weald, "X1@RXC", CHARLIE[1], NUMBERS["charlie"], trigger="A31", at="20250103090000")
    assert "confusion" not in asked(weald)
    assert doubted(weald) == []
    tell(weald, "A2@RPC", ALICE[1], N)
    assert persons(weald, "A1@RTK", "A2@RPC") == 1


def test_a_confusion_closes_itself_when_the_number_is_taken_away(weald):
    for one in (ALICE, CHARLIE):
        tell(weald, *one)
    weald.accept(adt("A37", pid(cx("X1", "RXC")), pid(number=N), trust="RXC", at="20250103090000"))
    assert "confusion" not in asked(weald)
    assert doubted(weald) == []


def test_a_confusion_closes_itself_when_its_record_is_merged_away(weald):
    tell(weald, *ALICE)
    tell(weald, "A9@RTK", who("OKORO", "CHARLIE", "19520229", "M"), N)
    assert asked(weald) == ["confusion"]
    weald.accept(adt("A40", pid(cx("A1")), "MRG|" + cx("A9"), at="20250201090000"))
    assert "confusion" not in asked(weald)
    assert doubted(weald) == []


@pytest.mark.parametrize("outcome", ["same", "different"])
def test_a_settled_number_is_evidence_again_until_that_is_undone(weald, outcome):
    for one in (ALICE, CHARLIE):
        tell(weald, *one)
    jo = Steward(weald)
    [task] = weald.tasks("confusion")
    decision = jo.settle(task, outcome)
    assert persons(weald, "A1@RTK", "X1@RXC") == (1 if outcome == "same" else 2)
    assert (asked(weald), doubted(weald)) == ([], [0])
    jo.undo(decision)
    assert persons(weald, "A1@RTK", "X1@RXC") == 2
    assert (asked(weald), doubted(weald)) == (["confusion"], [2])


def test_what_nobody_can_tell_leaves_the_number_in_doubt(weald):
    for one in (ALICE, CHARLIE):
        tell(weald, *one)
    Steward(weald).settle(weald.tasks("confusion")[0], "cannot-tell")
    assert doubted(weald) == [2]
    tell(weald, *PETER)
    assert persons(weald, "A1@RTK", "X1@RXC", "P1@RPC") == 3


def test_the_sweep_judges_numbers_in_doubt_again(weald):
    for one in (ALICE, CHARLIE):
        tell(weald, *one)
    sweep(weald.services, SYSTEM)
    assert (asked(weald), doubted(weald)) == (["confusion"], [2])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (who("HOLLIS", "ZOE", "20141220"), who("HOLLIS", "MAX", "20161220", "M")),
        (who("HOLLIS", "ZOE", "20241220"), who("HOLLIS", "MAX", "20241220", "M")),
        (who("HOLLIS", "ZOE", "20010512"), who("HOLLIS", "ANNA", "20210512")),
    ],
    ids=["siblings", "twins", "mother-and-named-baby"],
)
def test_one_verified_number_on_two_of_a_family_joins_nobody_and_is_asked_about(weald, one, other):
    tell(weald, "X1@RXC", one, N, at=BIRTH)
    tell(weald, "P1@RPC", other, N, at="20210601090000" if other[7] == "20210512" else BIRTH)
    assert persons(weald, "X1@RXC", "P1@RPC") == 2
    assert asked(weald) == ["confusion"]


def test_who_married_and_moved_is_still_known_by_her_number(weald):
    tell(weald, "X1@RXC", who("MARSH", "BEA", "19850630"), N)
    tell(weald, "P1@RPC", who("FIELD", "BEA", "19850630", f11="7 MILL LANE^^LEWES^EAST SUSSEX^BN7 2DD^826^H", f13="01273 960777^PRN^PH"), N)
    assert persons(weald, "X1@RXC", "P1@RPC") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (who("BEGUM", "FATIMA", "19850512", f11="", f13=""), who("BEGUM", "FATIMA", "19850512")),
        (who("HOLLIS", "JOHN^PAUL", "19600512", "M"), who("HOLLIS", "JOHN^PAUL", "19900512", "M")),
        (who("HOLLIS", "JOHN^PAUL^SR", "19600512", "M"), who("HOLLIS", "JOHN^PAUL^JR", "", "M")),
        (who("HOLLIS", "TWIN1", "20241220", f24="Y"), who("HOLLIS", "TWIN1", "20241220")),
    ],
    ids=["common-minority-name", "father-and-son", "senior-and-junior", "twin1"],
)
def test_who_may_be_somebody_else_is_asked_about_not_linked(weald, one, other):
    tell(weald, "A1@RTK", one, at=BIRTH)
    tell(weald, "X1@RXC", other, at=BIRTH)
    assert persons(weald, "A1@RTK", "X1@RXC") == 2
    assert asked(weald) == ["probable-match"]


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [(("LUKE", "19800512"), ("LUCA", "19800512"), "02"), (("JOHN^PAUL", "19600512"), ("JOHN^PAUL", "19660730"), "01"), (("", "20240512"), ("", "20240512"), "02")],
    ids=["twins-alike", "another-birth-date", "nameless-children"],
)
def test_a_number_alone_does_not_make_two_people_one(weald, one, other, status):
    for key, said in (("A1@RTK", one), ("X1@RXC", other)):
        tell(weald, key, who("HOLLIS", *said, "M"), N, status=status)
    assert persons(weald, "A1@RTK", "X1@RXC") == 2
    assert asked(weald) == ["probable-match"]


@pytest.mark.parametrize(("name", "indicator"), [("BABY", "Y"), ("BABYGIRL", "")])
def test_babies_without_a_name_are_not_linked_by_being_called_baby(weald, name, indicator):
    for key, more in (("A1@RTK", {"f24": indicator}), ("X1@RXC", {})):
        tell(weald, key, who("HOLLIS", name, "20241220", **more), at=BIRTH)
    assert persons(weald, "A1@RTK", "X1@RXC") == 2
    assert asked(weald) == []


MONICA = ("V1@RTK", who("ZETTERLING", "MONICA", "19400101"), N)
JUDITH = ("V2@RXC", who("ORMEROD", "JUDITH", "19770702", f11="1 ALDER WALK^^HORSHAM^WEST SUSSEX^RH12 3QA^826^H"), N)
JUDITH_AGAIN = ("V3@RPC", JUDITH[1], NUMBERS["bea"])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)], ids=str)
def test_a_verified_number_in_doubt_still_forbids_another(weald, order):
    for place in order:
        tell(weald, *(MONICA, JUDITH, JUDITH_AGAIN)[place])
    assert persons(weald, "V1@RTK", "V2@RXC", "V3@RPC") == 3
    assert "confusion" in asked(weald)
