"""Which edges a record has to its candidates (matching.md 6, 7)."""

from __future__ import annotations

from matching.linking import CONFUSION, decide
from matching.model import default_model
from matching.records import MATCH, NUMBER, Candidate, Edge, pair
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, ASP, RSC, alice, anna, mrn, record

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
