"""Each cap and veto decides a grade on its own: without it, its scenario is graded otherwise (matching.md 6, 13)."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest

from matching import caps as rules
from matching.demographics import RawAddress, RawName
from matching.model import GRADES, default_model
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, ASP, RSC, alice, mrn, record
from tests.unit.matching.test_scoring import SCORER

VERIFIED = {"nhs_number": ALICE_NUMBER, "nhs_status": "01"}
HOME = {"phones": ("01483 571122",), "emails": ("a@example.org",)}
BORN = {"first_seen": "2024-05-02", "sex": "female", "identifiers": mrn(ASP, "1"), **HOME}
SPARSE = {"nhs_number": ALICE_NUMBER, "nhs_status": "02"}


def father(born="1960-05-12", suffix="", **known):
    return record("John", "Archer", born, sex="male", names=(RawName("Archer", "John", "Paul", suffix),), **HOME, **known)


def baby(**known):
    return record("Baby", "Archer", "2024-05-02", **BORN, **known)


CAPS = {
    "too-few-fields": (record("Zebedee", "", middle="Ptolemy", **HOME),) * 2,
    "sex-postcode-birth-date-alone": (record("", "", "1980-03-14", sex="female", birth_order="2"),) * 2,
    "names-birth-date-sex-alone": (record("Zebedee", "Quillfeather", "1985-05-12", sex="male", addresses=(RawAddress(city="Crawley"),)),) * 2,
    "names-and-communal-address-alone": tuple(record("Wei", "Zhang", day, sex="male", addresses=(RawAddress(("Falmer Hall",), "Brighton", "BN1 9QA"),)) for day in ("1999-01-12", "1999-01-13")),
    "past-names": (
        record(names=(RawName("Archer", "Alice"), RawName("Archer", "Anna")), birth_date="1980-03-14", sex="female", **HOME), record("Anna", "Archer", "1980-03-14", sex="female", **HOME),
    ),
    "weak-number-alone": tuple(record("Alice", name, "1980-03-14", sex="female", addresses=(), **SPARSE) for name in ("Archer", "Quill")),
    "twin-pattern": tuple(record(name, "Archer", "1990-05-12", sex="male", multiple=name == "Daniel", **HOME) for name in ("Daniel", "Daniell")),
    "other-suffix": (father(suffix="JR"), father(suffix="SR")),
    "two-generations": (father(), father("1980-05-12")),
    "number-of-another-birth-date": (father(**VERIFIED), father("1966-07-30", **VERIFIED)),
    "newborn-without-name": (baby(), baby()),
    "other-birth-order": tuple(record("Muhammad", "Archer", "2016-04-20", sex="male", birth_order=order, **HOME) for order in "12"),
    "multiple-birth": (baby(birth_order="1"), baby()),
    "same-authority": (alice(identifiers=mrn(ASP, "1")), alice(identifiers=mrn(ASP, "987654"))),
    "header-only": (alice(header_only=True, usable_identifier=False), alice()),
}
VETOES = {
    rules.TWO_NUMBERS: (alice(**VERIFIED), alice(nhs_number=ANNA_NUMBER, nhs_status="01")),
    rules.PSEUDO_PERSON: (alice(pseudo=True, identifiers=mrn(ASP, "1")), alice(identifiers=mrn(RSC, "2"))),
}


def scorer(rule):
    """The shipped model; too few fields reach certain only where matches are commoner, as in two tables of the same people."""
    return Scorer(replace(default_model(), lambda_match=16 * default_model().lambda_match)) if rule == "too-few-fields" else SCORER


def _without(monkeypatch, function, rule, name):
    """The module's function of that name, as if that rule were not written."""
    monkeypatch.setattr(rules, function.__name__, lambda *a, **k: tuple(one for one in function(*a, **k) if name(one) != rule))


def test_each_cap_that_is_written_has_its_scenario():
    assert set(CAPS) == set(re.findall(r'Cap\("([a-z-]+)"', inspect.getsource(rules)))


@pytest.mark.parametrize("rule", sorted(CAPS))
def test_without_a_cap_its_scenario_has_a_better_grade(monkeypatch, rule):
    a, b = CAPS[rule]
    held = scorer(rule).score(a, b)
    assert rule in {cap.rule for cap in held.caps}
    _without(monkeypatch, rules.caps, rule, lambda cap: cap.rule)
    assert GRADES.index(scorer(rule).score(a, b).grade) < GRADES.index(held.grade)


@pytest.mark.parametrize("rule", sorted(VETOES))
def test_without_a_veto_its_scenario_is_no_longer_refused(monkeypatch, rule):
    a, b = VETOES[rule]
    assert (SCORER.score(a, b).vetoes, SCORER.score(a, b).grade) == ((rule,), "certainly-not")
    _without(monkeypatch, rules.vetoes, rule, lambda veto: veto)
    assert SCORER.score(a, b).grade != "certainly-not"


def test_without_confusion_one_number_on_two_people_is_evidence(monkeypatch):
    known = {"middle": "Noor", "identifiers": mrn(ASP, "1"), **VERIFIED, **HOME}
    a, b = alice(**known), alice(family="Quill", birth_date="1951-09-27", **known)
    held = SCORER.score(a, b)
    monkeypatch.setattr(rules, "is_confusion", lambda *_: False)
    assert held.confusion
    assert SCORER.score(a, b).weight > held.weight
