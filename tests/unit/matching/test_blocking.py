"""Blocking keys and the ranking of candidates (matching.md 3)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.blocking import (
    EXCLUDED,
    FAMILIES,
    KEYS_KEPT,
    blocking_keys,
    blocking_texts,
    family_of,
    is_thin,
    is_under_blocked,
    rank,
    slow_lane,
)
from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName
from matching.normalise import Learned, normalise, sound
from tests.unit.matching.cast import ALICE_NUMBER, ASP, alice, anna, facts, mrn, record


class Block(NamedTuple):
    size: int
    members: tuple[int, ...]


def full(**known: object):
    return alice(
        middle="Mary", nhs_number=ALICE_NUMBER, nhs_status="01", identifiers=mrn(ASP, "7"), phones=("01483 571122",), emails=("a@example.org",), **known
    )


def texts(d, files=False):
    found = {}
    for family, text in blocking_texts(d, files=files):
        found.setdefault(family, []).append(text)
    return found


def test_each_family_has_its_text():
    a, f = sound("alice"), sound("archer")
    assert texts(full(), files=True) == {
        "nn": [ALICE_NUMBER],
        "id": [ASP + "|7"],
        "db": ["19800314"],
        "di": ["19800314a"],
        "sn": [" ".join(sorted((a, f)))],
        "fy": [f + " 1980"],
        "fm": [f + " 0314"],
        "gy": [a + " 1980"],
        "gm": [a + " 0314"],
        "ds": ["080314a"],
        "pg": ["gu13aa al"],
        "pf": ["gu13aa ar"],
        "ph": ["01483571122"],
        "em": ["a@example.org"],
        "sg": ["1 high street a"],
        "sf": ["1 high street a"],
        "m3": ["ali arc m"],
        "c4": ["ali arc guil"],
    }


def test_the_families_of_files_are_not_in_the_live_store():
    assert {"m3", "c4"}.isdisjoint(texts(full()))


def test_keys_are_signed_64_bit_and_name_their_family():
    keys = blocking_keys(full(), files=True)
    assert Counter(map(family_of, keys)) == Counter(FAMILIES)
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)
    assert any(key < 0 for key in keys)


def test_keys_never_change_from_one_run_to_the_next():
    assert blocking_keys(Demographics(birth_date="19800314")) == (blocking_keys(Demographics(birth_date="19800314"))[0],)
    assert blocking_keys(Demographics(phones=("01483571122",)))[0] == 7121799679531831261


def test_families_left_out_of_em_cover_all_families():
    assert set(EXCLUDED) == set(FAMILIES)


def test_day_and_month_exchanged_still_meet():
    a, b = record("Alice", "Archer", "1980-03-11"), record("Alice", "Archer", "1980-11-03")
    assert "ds" in {family_of(key) for key in set(blocking_keys(a)) & set(blocking_keys(b))}


def test_swapped_names_still_meet():
    a, b = record("Alice", "Archer", "1980-03-11"), record("Archer", "Alice", "1980-03-11")
    assert {"db", "di", "sn"} <= {family_of(key) for key in set(blocking_keys(a)) & set(blocking_keys(b))}


@pytest.mark.parametrize(("born", "families"), [("1980", {"fy", "gy"}), ("1980-03", {"fy", "gy"}), ("", set())])
def test_a_partial_birth_date_makes_only_the_keys_of_its_year(born, families):
    assert set(texts(record("Alice", "Archer", born))) & {"db", "di", "fy", "fm", "gy", "gm", "ds"} == families


def test_an_initial_is_no_sound():
    assert {"sn", "gy", "gm", "pg"}.isdisjoint(texts(record("A", "Archer", "1980-03-14")))
    assert "sg" in texts(record("A", "Archer", "1980-03-14"))


def test_a_record_without_family_or_given_keeps_the_keys_of_what_it_has():
    assert set(texts(record("Alice", "", "1980-03-14"), files=True)) == {"db", "gm", "gy", "pg", "sg"}
    assert set(texts(record("", "Archer", "1980-03-14"), files=True)) == {"db", "ds", "fm", "fy", "pf", "sf"}


def test_an_over_shared_value_makes_no_key():
    learned = Learned(
        identifiers=frozenset({ASP + "|7"}), phones=frozenset({"01483571122"}), emails=frozenset({"a@example.org"}),
        streets=frozenset({"1 high street"}),
    )  # fmt: skip
    d = normalise(
        facts("Alice", "Archer", identifiers=(RawIdentifier(ASP, "7"),), phones=("01483571122",), emails=("a@example.org",)), learned=learned
    )
    assert {"id", "ph", "em", "sg", "sf"}.isdisjoint(texts(d))


def test_a_number_that_is_none_makes_no_key():
    assert "nn" not in texts(alice(nhs_number="4444444444", nhs_status="01"))


def test_at_most_48_keys_those_of_the_newest_values():
    d = record(
        birth_date="1980-03-14",
        names=tuple(RawName("archer" + x, "alice" + x) for x in "bdfk"),
        addresses=tuple(RawAddress((f"{i} High St",), "Lewes", f"BN{i} 1AA") for i in range(1, 7)),
        phones=tuple(f"0148357112{i}" for i in range(6)),
        emails=tuple(f"a{i}@example.org" for i in range(6)),
    )
    keys = blocking_keys(d)
    assert len(keys) == KEYS_KEPT == len(set(keys))
    assert ("pg", "bn11aa al") in set(blocking_texts(d, files=False))


def test_a_record_is_thin_without_number_phone_and_postcode():
    assert is_thin(record("Alice", "Archer", addresses=()))
    assert not is_thin(alice())
    assert not is_thin(alice(addresses=(), phones=("01483571122",)))
    assert not is_thin(alice(addresses=(), nhs_number=ALICE_NUMBER))


def test_candidates_are_ranked_by_the_rarity_of_what_is_shared():
    blocks = {1: Block(2, (7, 8)), 2: Block(100, (7, 9)), 3: Block(100, (9, 10)), 4: Block(201, ()), 5: Block(0, ())}
    assert rank(blocks, 3_000_000, thin=False) == [7, 9, 8, 10]


def test_64_candidates_are_kept_and_128_of_a_thin_record():
    blocks = {1: Block(200, tuple(range(200)))}
    assert rank(blocks, 3_000_000, thin=False) == list(range(64))
    assert rank(blocks, 3_000_000, thin=True) == list(range(128))


def test_a_block_over_the_cap_is_ignored():
    assert rank({1: Block(201, tuple(range(201)))}, 3_000_000, thin=False) == []
    assert rank({1: Block(201, tuple(range(201)))}, 3_000_000, thin=False, cap=1000) != []


def test_a_record_is_under_blocked_where_every_block_is_over_the_cap():
    assert is_under_blocked({1: Block(201, ()), 2: Block(900, ())})
    assert not is_under_blocked({1: Block(201, ()), 2: Block(5, (1,))})
    assert not is_under_blocked({})


@given(st.dictionaries(st.integers(), st.lists(st.integers(0, 30), min_size=1, max_size=9, unique=True), max_size=8))
def test_the_order_of_blocks_does_not_matter(members):
    blocks = {key: Block(len(found), tuple(found)) for key, found in members.items()}
    backwards = dict(reversed(blocks.items()))
    assert rank(blocks, 1000, thin=False) == rank(backwards, 1000, thin=False)


def test_the_twins_share_the_block_of_their_home_and_birth():
    shared = set(blocking_keys(alice())) & set(blocking_keys(anna()))
    assert {"db", "fy", "fm", "pf", "sf", "di"} <= {family_of(key) for key in shared}


def test_the_slow_lane_intersects_blocks_over_the_cap_pairwise():
    blocks = {1: range(300), 2: range(200, 600), 3: [250, 999], 4: [5000]}
    assert slow_lane(blocks)[:2] == [250, 200]
    assert set(slow_lane(blocks)) == set(range(200, 300))
    assert slow_lane(blocks, cap=50) == [250]
    assert slow_lane({1: range(9)}) == []


def test_many_identifiers_do_not_crowd_out_the_other_families():
    few, many = (record("Alice", "Archer", "1980-03-14", identifiers=tuple(RawIdentifier("s", f"{n}") for n in range(count))) for count in (0, 60))
    kept = blocking_keys(many)
    assert len(kept) == 48
    assert set(blocking_keys(few)) <= set(kept)
