"""Linking plain tables end to end, without files (matching.md 12)."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from matching import training
from matching.linkage import PairFound, UnusableTable, clusters, compared_fields, link, one_to_one, row_of_pair
from matching.model import default_model
from matching.normalise import normalise
from matching.scoring import Scorer
from matching.tables import Row, columns_from_text, row_from_values
from tests.unit.matching.cast import facts
from tests.unit.matching.population import FAMILIES, GIVENS, STREETS

COLUMNS = columns_from_text("id=id,given=given,family=family,birth_date=dob,postcode=pc,id.ssn=ssn")


@pytest.fixture(autouse=True)
def _few_random_pairs(monkeypatch):
    monkeypatch.setattr(training, "RANDOM_PAIRS", 20_000)


def slipped(draw, text):
    place = draw.randrange(len(text))
    return text[:place] + draw.choice("23456789") + text[place + 1 :]


def tables(people=150, seed=2):
    """Two tables of the same people, the second with slips, and the pairs that are one person."""
    draw = random.Random(seed)
    left, right = [], []
    for number in range(people):
        values = {
            "given": draw.choice(GIVENS), "family": draw.choice(FAMILIES), "dob": f"{draw.randrange(1935, 2010)}{draw.randrange(1, 13):02}{draw.randrange(2, 29):02}",
            "pc": f"{draw.randrange(1000, 9999)}", "ssn": f"{draw.randrange(10**7, 10**8)}",
        }  # fmt: skip
        left.append({"id": f"l{number}", **values})
        field = draw.choice(list(values))
        right.append({"id": f"r{number}", **values, field: slipped(draw, values[field])})
    def rows(table):
        return [row_from_values(values, COLUMNS) for values in table]

    return rows(left), rows(right), {(f"l{n}", f"r{n}") for n in range(people)}


LEFT, RIGHT, TRUE = tables()


@pytest.fixture(scope="module")
def linked():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "RANDOM_PAIRS", 20_000)
        return link(LEFT, RIGHT)


def test_two_tables_are_linked(linked):
    found = {(p.left, p.right) for p in linked.pairs if p.scored.p >= 0.95}
    assert found <= TRUE
    assert len(found) > 0.97 * len(TRUE)


def test_pairs_are_graded_possible_or_better_best_first(linked):
    assert all(p.scored.grade != "certainly-not" for p in linked.pairs)
    weights = [p.scored.weight for p in linked.pairs]
    assert weights == sorted(weights, reverse=True)


def test_clusters_hold_every_record_once(linked):
    assert sorted(key for found in linked.clusters for key in found) == sorted(linked.records)
    assert sum(len(found) == 2 for found in linked.clusters) > 0.97 * len(TRUE)


def test_one_table_alone_is_deduplicated():
    both = link(LEFT + RIGHT)
    assert {tuple(sorted((p.left, p.right))) for p in both.pairs if p.scored.p >= 0.95} <= TRUE
    assert both.trained is not None


def test_the_order_of_rows_does_not_matter(linked):
    shuffled = random.Random(5)
    again = link(shuffled.sample(LEFT, len(LEFT)), shuffled.sample(RIGHT, len(RIGHT)))
    assert again.model.id == linked.model.id
    assert (again.pairs, again.clusters) == (linked.pairs, linked.clusters)


def test_a_model_given_is_used_as_it_is(linked):
    again = link(LEFT, RIGHT, model=linked.model)
    assert again.trained is None
    assert again.pairs == linked.pairs


def test_exactly_the_pairs_asked_for_are_scored(linked):
    asked = [("l0", "r0"), ("l0", "r1")]
    found = link(LEFT, RIGHT, model=linked.model, pairs=asked)
    assert [(p.left, p.right) for p in found.pairs] == asked
    assert found.pairs[1].scored.grade == "certainly-not"
    alone = link(LEFT, model=linked.model, pairs=[("l0", "l1")])
    assert [(p.left, p.right) for p in alone.pairs] == [("l0", "l1")]


def test_one_to_one_uses_each_record_once(linked):
    pairs = [PairFound(*ids, linked.pairs[0].scored) for ids in (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("x", "z"))]
    assert [(p.left, p.right) for p in one_to_one(pairs, tables=2)] == [("a", "x"), ("b", "y"), ("x", "z")]
    assert [(p.left, p.right) for p in one_to_one(pairs, tables=1)] == [("a", "x"), ("b", "y")]
    found = link(LEFT, RIGHT, model=linked.model, one_to_one_only=True)
    assert len({p.left for p in found.pairs}) == len(found.pairs) == len({p.right for p in found.pairs})


def test_an_identifier_that_many_rows_share_says_less_than_one_that_two_share():
    """matching.md 5, Term frequency: of identifiers, sharing only lowers."""
    people = [("Ash", "Amy", "19500101", "BN1", "12121212"), ("Oak", "Ben", "19600202", "BN2", "12121212"), ("Elm", "Cat", "19700303", "BN3", "34343434"), ("Fir", "Dan", "19800404", "BN4", "34343434")]
    rows = [
        row_from_values(dict(zip(("id", "family", "given", "dob", "pc", "ssn"), (f"p{n}", *one), strict=True)), COLUMNS) for n, one in enumerate(people)
    ]
    default = [row_from_values({"id": f"x{n}", "family": f"Name{n}", "ssn": "12121212"}, COLUMNS) for n in range(8)]
    found = link([*LEFT, *rows, *default], RIGHT, whole=True)
    scorer = Scorer(found.model)
    said = {row.id: normalise(row.facts, admit_test_numbers=True) for row in rows}
    shared, rare = (next(one for one in scorer.score(said[a], said[b]).contributions if one.field == "id:ssn") for a, b in (("p0", "p1"), ("p2", "p3")))
    assert shared.weight < rare.weight
    assert shared.frequency < 0 == rare.frequency
    assert scorer.weigh(said["p0"], said["p1"]) == pytest.approx(scorer.score(said["p0"], said["p1"]).weight, abs=1e-6)


UNLIKE = (
    "Anna", "Bertram", "Cilla", "Dmitri", "Esther", "Frank", "Gudrun", "Hugo", "Ida", "Jonas", "Klothilde", "Ludwig", "Moira", "Nuri", "Olympia", "Pascal",
    "Quentin", "Rosemary", "Stephen", "Thyra", "Ulf", "Vivien", "Wolfgang", "Xanthe", "Yusuf", "Zbigniew",
)  # fmt: skip
"""Given names of which no two are alike."""


def with_twins(households=500, seed=5):
    """Rows of households of two to four, each person on one to three of them, moving and misspelt now and then; in one of nine the last two are twins."""
    draw = random.Random(seed)
    columns = columns_from_text("id=id,given=given,family=family,birth_date=dob,street=street,postcode=pc")
    rows, persons = [], {}

    def home():
        return {"street": f"{draw.randrange(1, 99)} {draw.choice(STREETS)}", "pc": f"{draw.randrange(10000, 99999)}"}

    for household in range(households):
        here, family = home(), draw.choice(FAMILIES)
        born = [f"{draw.randrange(1935, 2010)}{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}" for _ in range(draw.choice((2, 2, 3, 4)))]
        if household % 9 == 0:
            born.append(born[-1])
        for member, (dob, given) in enumerate(zip(born, draw.sample(UNLIKE, len(born)), strict=True)):
            for _ in range(draw.choice((1, 2, 3))):
                said = {"given": given, "family": family, "dob": dob, **(home() if draw.random() < 0.06 else here)}
                said |= {field: slipped(draw, value) for field, value in said.items() if draw.random() < 0.04}
                persons[f"{len(rows)}"] = f"{household}.{member}"
                rows.append(row_from_values({"id": f"{len(rows)}", **said}, columns))
    return rows, persons


def test_twins_of_a_table_without_a_column_for_sex_are_no_one_person():
    """That their given names differ looks like a slip in an entry of one person: nothing but how rare it is tells one from the other."""
    rows, persons = with_twins()
    found = [pair for pair in link(rows).pairs if pair.scored.p >= 0.95]
    wrong = sum(persons[pair.left] != persons[pair.right] for pair in found)
    true = sum(a == b for a, b in combinations(persons.values(), 2))
    assert wrong <= 0.002 * len(found)
    assert len(found) - wrong >= 0.85 * true


def test_equal_ids_of_two_tables_are_told_apart(linked):
    renamed = [Row("l" + row.id[1:], row.source, row.group, row.facts) for row in RIGHT]
    found = link(LEFT, renamed, model=linked.model)
    assert ("left:l0", "right:l0") in found.clusters or ("left:l0",) in found.clusters
    assert {(p.left, p.right) for p in found.pairs} == {(p.left, "l" + p.right[1:]) for p in linked.pairs}


def test_rows_need_ids_of_their_own():
    with pytest.raises(UnusableTable, match="an id of its own"):
        link([LEFT[0], LEFT[0]])
    with pytest.raises(UnusableTable, match="an id of its own"):
        link([Row("", "", "", LEFT[0].facts)])


def test_a_higher_threshold_never_makes_larger_clusters(linked):
    records = [(row.id, normalise(row.facts, admit_test_numbers=True)) for row in LEFT + RIGHT]
    scorer = Scorer(linked.model)
    low, high = (clusters(linked.pairs, records, scorer, bound) for bound in (0.5, 0.999999))
    pairs_of = lambda found: {pair for group in found for pair in combinations(group, 2)}  # noqa: E731
    assert pairs_of(high) <= pairs_of(low)


def test_vetoed_pairs_make_no_cluster():
    scorer = Scorer(default_model())
    twice = [("a", normalise(facts("Alice", "Archer", "1980-03-14", pseudo=True))), ("b", normalise(facts("Alice", "Archer", "1980-03-14")))]
    scored = scorer.score(twice[0][1], twice[1][1])
    assert clusters([PairFound("a", "b", scored)], twice, scorer, 0.0) == (("a",), ("b",))


def test_a_pairs_line_has_its_levels_and_weights(linked):
    fields = compared_fields(linked.model)
    assert fields == ("given", "family", "birth_date", "postcode", "id:ssn")
    line = row_of_pair(linked.pairs[0], fields)
    assert list(line)[:5] == ["left_id", "right_id", "p", "weight", "grade"]
    assert list(line)[5:] == [f"{name}_{part}" for name in fields for part in ("level", "weight")]
    assert float(line["p"]) >= 0.99


def test_progress_is_told():
    told = set()
    link(LEFT, RIGHT, progress=lambda stage, _done, _total: told.add(stage))
    assert told == {"comparing", "random pairs", "scoring"}


def test_an_empty_table_links_nothing():
    found = link([])
    assert (found.pairs, found.clusters) == ((), ())
