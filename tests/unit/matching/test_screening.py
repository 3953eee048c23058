"""Screening of many pairs at once against the scorer's own word on each (relink; matching.md 9)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.columns import Coder, Values
from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName, RecordFacts
from matching.model import GRADES, Level, default_model
from matching.normalise import normalise
from matching.scoring import LEAST_WEIGHT, Scorer
from matching.screening import Combinations, Screen, _Pairs, least_weight
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, ASP, RSC, alice, anna, bea
from tests.unit.matching.population import population

SCORER = Scorer(default_model())
RECORDS, _ = population(120, 8)


def screen(records, scorer=SCORER):
    coder = Coder()
    for one in records:
        coder.add(one)
    return Screen(coder.columns(), scorer)


def rows(records):
    first, second = np.triu_indices(len(records), 1)
    return first.astype(np.int64), second.astype(np.int64)


def is_kept(a, b, scorer=SCORER):
    return bool(screen([a, b], scorer).possible(np.array([0]), np.array([1]))[0])


def is_wanted(a, b, scorer=SCORER):
    return scorer.grade(scorer.weigh(a, b)) != GRADES[-1] or (bool(a.nhs_number) and a.nhs_number == b.nhs_number)


def test_no_pair_of_a_population_is_lost_and_few_are_kept_in_vain():
    i, j = rows(RECORDS)
    kept = screen(RECORDS).possible(i, j)
    wanted = np.array([is_wanted(RECORDS[x], RECORDS[y]) for x, y in zip(i.tolist(), j.tolist(), strict=True)])
    assert not (wanted & ~kept).any()
    assert kept.sum() <= 1.02 * wanted.sum()


givens = st.sampled_from(["", "Alice", "Alicia", "Anna", "A", "Zoe", "Archer", "Kate", "Catherine", "Mary Ann", "Ann"])
families = st.sampled_from(["", "Archer", "Archer Quill", "Baker", "Barker", "Alice", "Quill"])
raw_names = st.builds(RawName, families, givens, st.sampled_from(["", "Rose", "R", "Rosa", "May"]))
addresses = st.builds(
    RawAddress, st.sampled_from([("1 High St",), ("1 High Street",), ("High Street 1",), ("9 Low Rd",), ()]), st.sampled_from(["", "Lewes", "Lewis", "Hove"]),
    st.sampled_from(["", "BN7 1AA", "BN7 1AB", "BN7 9ZZ", "N1 1AA"]),
)  # fmt: skip
facts = st.builds(
    RecordFacts, names=st.lists(raw_names, max_size=3).map(tuple), addresses=st.lists(addresses, max_size=3).map(tuple),
    birth_date=st.sampled_from(["", "1980-03-14", "1980-04-13", "1980-03-15", "1980-03-25", "1980-14-03", "1981-03-14", "1980-03", "1980-05", "1980", "1991", "1980-01-01"]),
    sex=st.sampled_from(["", "male", "female"]), nhs_number=st.sampled_from(["", ALICE_NUMBER, ANNA_NUMBER, "4010232138", "4010232183", "401023213"]),
    nhs_status=st.sampled_from(["01", "02", None]), phones=st.lists(st.sampled_from(["01483 571122", "01483 571123", "01483 571213", "07000 1234"]), max_size=2).map(tuple),
    emails=st.lists(st.sampled_from(["alice@example.org", "alica@example.org", "bea@example.com"]), max_size=1).map(tuple),
    identifiers=st.lists(st.builds(RawIdentifier, st.sampled_from([ASP, RSC]), st.sampled_from(["1", "2"])), max_size=2).map(tuple),
    guardian=st.sampled_from(["", "Rose", "Rosa", "May"]), birth_order=st.sampled_from(["", "1", "2"]), alias=st.booleans(),
)  # fmt: skip
records = st.builds(normalise, facts)


@settings(max_examples=300)
@given(st.lists(records, min_size=2, max_size=6))
def test_no_bound_falls_short_of_a_weight(found):
    look = screen(found)
    kept = look.possible(*rows(found))
    for place, (a, b) in enumerate(combinations(found, 2)):
        if is_wanted(a, b):
            assert kept[place]


@settings(max_examples=300)
@given(records, records)
def test_levels_are_the_comparators_own_or_better(a, b):
    look, weights = screen([a, b]), {one.field: one.weight for one in SCORER.score(a, b).contributions}
    pairs = _Pairs(np.arange(1), np.array([0]), np.array([1]))
    for step in (look._look_first, look._look_for_exchange, look._look_at_contacts, look._look_at_the_rest):
        step(pairs)
    for name, bits in pairs.bits.items():
        assert bits[0] >= weights.get(name, 0.0) - 1e-9, name


def test_each_level_is_found_where_nothing_is_left_open():
    pairs = [
        (alice(birth_date=one), alice(birth_date=other))
        for one, other in combinations(("1980-03-14", "1980-03-15", "1980-03-26", "1980-12-14", "1981-03-14", "1992-08-29", "1980-10-01"), 2)
    ]
    pairs += [(alice(given=one), alice(given=other)) for one, other in combinations(("Alice", "Alicia", "Alison", "Kate", "Catherine", "A", "K", "Bob"), 2)]
    pairs += [
        (alice(addresses=(RawAddress((one,), "", post),)), alice(addresses=(RawAddress((other,), "", host),)))
        for one, other in (("1 High Street", "1 Hihg Street"), ("1 High Street", "High Street 1 Flat 2"), ("1 High Street", "9 Low Road"))
        for post, host in (("BN7 1AA", "BN7 1AB"), ("BN7 1AA", "BN7 9ZZ"), ("BN7 1AA", "N1 1AA"))
    ]
    for a, b in pairs:
        look = screen([a, b])
        found = _Pairs(np.arange(1), np.array([0]), np.array([1]))
        for step in (look._look_first, look._look_for_exchange, look._look_at_contacts, look._look_at_the_rest):
            step(found)
        contributions = {one.field: one.weight for one in SCORER.score(a, b).contributions}
        assert {name: round(float(bits[0]), 6) for name, bits in found.bits.items() if bits[0]} == {name: round(bits, 6) for name, bits in contributions.items() if bits}
        assert look._sum(found)[0] - look._penalty(found)[0] == pytest.approx(SCORER.weigh(a, b))


def test_exchanged_names_are_seen_in_any_of_several():
    one = alice(names=(RawName("Quince", "Rose"), RawName("Archer", "Alice")))
    assert is_kept(one, alice(given="Archer", family="Alice"))
    far = {"birth_date": "", "sex": "", "addresses": ()}
    assert not is_kept(alice(**far), bea(**far))


def test_one_nhs_number_is_always_looked_at():
    a = alice(nhs_number=ALICE_NUMBER, nhs_status="01")
    assert is_kept(a, bea(nhs_number=ALICE_NUMBER, nhs_status="02", birth_date="1920-01-02", sex="male"))
    assert not is_kept(alice(birth_date="1920-05-05", addresses=(), sex="male"), bea())


def test_a_model_that_knows_identifiers_by_themselves_is_only_wider():
    model = default_model()
    fields = {name: levels for name, levels in model.fields.items() if name != "same_authority"} | {"id:ssn": (Level(0.9, 0.001),) * 4}
    scorer = Scorer(replace(model, fields=fields))
    assert is_kept(alice(), anna(), scorer) >= is_kept(alice(), anna())
    bare = Scorer(replace(model, fields={name: model.fields[name] for name in ("sex", "birth_date")}))
    assert is_kept(alice(), alice(), bare) == is_wanted(alice(), alice(), bare)


def test_the_least_weight_is_that_of_possible():
    assert least_weight(SCORER) == pytest.approx(SCORER.weight_bounds[2], abs=1e-5)
    sure = Scorer(replace(default_model(), calibration=((-10.0, 0.5), (0.0, 0.9))))
    assert least_weight(sure) == LEAST_WEIGHT
    late = Scorer(replace(default_model(), calibration=((0.0, 0.01), (10.0, 0.9))))
    assert late.grade(least_weight(late)) == GRADES[-1]
    assert late.grade(least_weight(late) + 1e-5) == GRADES[2]


def test_combinations_are_all_there_are():
    values = Values(np.array([0, 1, 3, 3, 5]), np.array([7, 7, 8, 9, 8], dtype=np.int32))
    both = Combinations(values, np.array([0, 0, 0, 1, 2]), np.array([0, 1, 2, 3, 3]))
    found = list(zip(values.codes[both.a].tolist(), values.codes[both.b].tolist(), strict=True))
    assert found == [(7, 7), (7, 7), (7, 8), (7, 9), (7, 8), (8, 9), (8, 8)]
    levels = np.array([3, 1, 2, 4, 5, 6, 2], dtype=np.int8)
    assert both.least(levels).tolist() == [3, 1, 0, 2, 0]
    assert both.greatest(levels.astype(float)).tolist() == [3, 2, -np.inf, 6, -np.inf]


def test_records_without_anything_are_compared_too():
    empty = Demographics()
    assert not is_kept(empty, empty)
    coder = Coder()
    coder.add(empty)
    assert len(coder.columns()) == 1
