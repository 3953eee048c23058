"""Which edges a record has to its candidates (matching.md 6, 7)."""

from __future__ import annotations

import pytest

from matching.blocking import blocking_keys
from matching.caps import TWO_NUMBERS, Cap, is_number_edge
from matching.comparisons import FIELDS, Vector
from matching.demographics import DOUBTED, RawAddress
from matching.linking import CONFUSION, decide
from matching.model import default_model
from matching.normalise import NOTHING_LEARNED, Learned, normalise
from matching.records import MATCH, NUMBER, Candidate, Edge, pair
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, ASP, RSC, alice, anna, facts, mrn, record

SCORER = Scorer(default_model())


def candidate(key, demographics, number=0):
    return Candidate(key, number, demographics)


def numbered(make, number=ALICE_NUMBER, status="01", **known: object):
    return make(nhs_number=number, nhs_status=status, **known)


def only(record_, other, **known: object):
    found = decide(record_, [other], SCORER, **known)
    assert [e.kind for e in found] == [e.kind for e in decide(other, [record_], SCORER)] or known
    return found[0] if found else None


def test_equal_evidential_numbers_and_agreeing_people_make_a_number_edge():
    edge = only(candidate("b", numbered(alice)), candidate("a", numbered(alice)))
    assert (edge.kind, edge.a, edge.b, edge.grade) == (NUMBER, "a", "b", "certain")
    assert "nn" in edge.families
    assert edge.edge("2024-05-01T00:00:00Z") == Edge(NUMBER, "a", "b", weight=edge.weight, grade="certain", time="2024-05-01T00:00:00Z")


def test_a_number_edge_stands_though_a_name_was_mistyped_and_the_day_slipped():
    other = numbered(alice, given="Alicia", birth_date="1980-03-15")
    assert only(candidate("a", numbered(alice)), candidate("b", other)).kind == NUMBER


def test_equal_numbers_do_not_link_where_the_birth_dates_differ():
    other = numbered(alice, birth_date="1981-04-14")
    assert only(candidate("a", numbered(alice)), candidate("b", other)).kind == MATCH


def test_a_weak_number_makes_no_number_edge():
    assert only(candidate("a", numbered(alice)), candidate("b", numbered(alice, status="02"))).kind == MATCH


def test_a_match_edge_has_weight_grade_and_the_families_that_found_it():
    edge = only(candidate("a", alice(identifiers=mrn(ASP, "1"))), candidate("b", alice(identifiers=mrn(RSC, "1"))))
    assert (edge.kind, edge.grade) == (MATCH, "certain")
    assert edge.weight == edge.scored.weight
    assert {"db", "pg", "sn"} <= set(edge.families)


def test_a_hard_veto_leaves_no_edge():
    assert only(candidate("a", numbered(alice)), candidate("b", numbered(anna, ANNA_NUMBER))) is None


def test_a_pseudo_person_has_no_edge_though_all_else_agrees():
    assert only(candidate("a", alice(pseudo=True)), candidate("b", alice())) is None


def test_an_asserted_not_same_leaves_no_edge():
    assert only(candidate("a", alice()), candidate("b", alice()), not_same={"b"}) is None


def test_a_confusion_is_proposed_though_it_is_no_edge():
    other = numbered(record, given="Zoe", family="Quill", birth_date="1951-09-27", sex="male")
    edge = only(candidate("a", numbered(alice)), candidate("b", other))
    assert (edge.kind, edge.grade) == (CONFUSION, "certainly-not")


def test_people_unlike_each_other_have_no_edge():
    assert only(candidate("a", alice()), candidate("b", record("Zoe", "Quill", "1951-09-27"))) is None
    same_number = numbered(record, status="02", given="Zoe", family="Quill", birth_date="1951-09-27", sex="male", addresses=())
    assert only(candidate("a", numbered(alice, status="02")), candidate("b", same_number)) is None


def test_a_record_is_no_candidate_of_itself():
    assert decide(candidate("a", alice()), [candidate("a", alice())], SCORER) == []


def test_the_order_of_candidates_does_not_matter():
    others = [candidate(key, alice(identifiers=mrn(RSC, key))) for key in "bcd"]
    assert decide(candidate("a", alice()), others, SCORER) == decide(candidate("a", alice()), others[::-1], SCORER)


def test_a_nameless_newborns_number_is_no_edge_by_itself():
    def baby():
        return numbered(record, given="Baby", family="Archer", birth_date="2024-05-02", first_seen="2024-05-02")

    edge = only(candidate("a", baby()), candidate("b", baby()))
    assert (edge.kind, edge.grade) == (MATCH, "probable")


def test_a_pair_has_no_order():
    assert pair("b", "a") == pair("a", "b") == ("a", "b")


# One verified number on two people


def doubting(make, **known: object):
    """A record whose number the store holds to be in doubt on it."""
    kept = {"given": "Alice", "family": "Archer", "birth_date": "1980-03-14", "sex": "female"} | known
    return normalise(facts(kept.pop("given"), kept.pop("family"), kept.pop("birth_date"), nhs_number=ALICE_NUMBER, nhs_status="01", **kept), learned=make)


DOUBT = Learned(doubted=frozenset({ALICE_NUMBER}))


def test_a_number_in_doubt_is_named_and_says_nothing():
    one, other = doubting(DOUBT), doubting(NOTHING_LEARNED)
    assert (one.nhs_number, one.nhs_state) == (ALICE_NUMBER, DOUBTED)
    assert SCORER.weigh(one, other) == SCORER.weigh(alice(), other)
    assert only(candidate("a", one), candidate("b", other)).kind == MATCH


def test_a_verified_number_in_doubt_is_no_evidence_for_anybody_and_still_forbids_another():
    """Else the person of a record whose number is in doubt could have two verified numbers (matching.md 6)."""
    one, other = doubting(DOUBT), alice(nhs_number=ANNA_NUMBER, nhs_status="01")
    assert SCORER.score(one, other).vetoes == SCORER.score(other, one).vetoes == (TWO_NUMBERS,)
    assert SCORER.score(one, other).vector.level("nhs_number") == 0
    assert SCORER.score(one, alice(nhs_number=ANNA_NUMBER, nhs_status="02")).vetoes == ()
    assert not set(blocking_keys(one)) & set(blocking_keys(doubting(NOTHING_LEARNED, family="Quill", given="Zoe", birth_date="1944-11-02")))


@pytest.mark.parametrize("sides", [(DOUBT, DOUBT), (DOUBT, NOTHING_LEARNED), (NOTHING_LEARNED, NOTHING_LEARNED)], ids=["both", "one", "neither"])
@pytest.mark.parametrize(
    "stranger",
    [
        {"given": "Zoe", "family": "Quill", "birth_date": "1951-09-27"},
        {"given": "Zoe", "birth_date": "2010-03-14", "first_seen": "2010-03-20"},
        {"given": "Max", "sex": "male"},
    ],
    ids=["strangers", "mother-and-newborn", "twins"],
)
def test_two_people_on_one_number_are_a_confusion_also_where_it_is_in_doubt_already(sides, stranger):
    first, second = candidate("a", doubting(sides[0])), candidate("b", doubting(sides[1], **stranger))
    assert only(first, second).kind == CONFUSION


def test_a_weak_number_is_in_no_doubt():
    weak = numbered(record, status="02", given="Zoe", family="Quill", birth_date="1951-09-27")
    assert only(candidate("a", doubting(DOUBT)), candidate("b", weak)) is None


@pytest.mark.parametrize(("weight", "kind"), [("possible", None), ("probable", NUMBER)])
def test_a_number_edge_needs_all_evidence_to_be_probable_or_a_life_long_agreement(weight, kind):
    levels = [0] * len(FIELDS)
    levels[FIELDS.index("nhs_number")] = levels[FIELDS.index("birth_date")] = levels[FIELDS.index("family")] = 1
    levels[FIELDS.index("given")] = 6
    assert is_number_edge(Vector(tuple(levels)), weight, ()) is (kind == NUMBER)
    assert not is_number_edge(Vector(tuple(levels)), weight, (Cap("twin-pattern", "probable"),))
    levels[FIELDS.index("given")] = 3
    assert is_number_edge(Vector(tuple(levels)), weight, ())
    levels[FIELDS.index("sex")] = 2
    assert is_number_edge(Vector(tuple(levels)), weight, ()) is (kind == NUMBER)


def test_who_married_and_moved_keeps_her_number():
    new = numbered(alice, family="Carter", phones=("01273 960777",), addresses=(RawAddress(("9 Low Road",), "Hove", "BN3 1AA"),))
    old = numbered(alice, phones=("01483 571122",))
    assert SCORER.score(old, new).grade != "certain"
    assert only(candidate("a", old), candidate("b", new)).kind == NUMBER


def test_newborn_twins_of_one_sex_are_not_joined_by_one_number():
    twin = {"birth_date": "2024-05-02", "first_seen": "2024-05-02"}
    edge = only(candidate("a", numbered(alice, given="Zoe", **twin)), candidate("b", numbered(alice, given="Mia", **twin)))
    assert (edge.kind, edge.grade) == (MATCH, "probable")
