"""Which notes give way to an instance that is sent again, and when (imaging.md 3.5)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from mappers.dicom.accumulation import standing
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.rejections import first_and_last, receipts, repeats_matter, says_more
from tests.unit.mappers.dicom.making import CONTEXTS, RTK, SERIES, instance, rejection

RESTORING = {**CONTEXTS, "RTK-PACS": replace(RTK, source=replace(RTK.source, restores_quality=True))}


def _at(day: int, fact: InstanceFacts) -> InstanceFacts:
    return replace(fact, received=f"2025-03-{day:02d}T12:00:00.000000Z" if day else "")


def _note(title: str = "113039", **values: Any) -> InstanceFacts:
    return rejection(title, [f"{SERIES}.1"], **values)


def _visible(facts: list[InstanceFacts], contexts: Any = CONTEXTS) -> bool:
    """Whether the one instance shows, which it does whatever the order of the facts."""
    [found] = {len(standing(order, contexts).visible) for order in permutations(facts)}
    return bool(found)


@pytest.mark.parametrize(
    ("instances", "notes", "visible"),
    [
        ((1,), (2,), False),
        ((1, 3), (2,), True),
        ((3,), (2,), False),
        ((3, 4), (2,), False),
        ((2, 3), (2,), False),
        ((1, 2), (2,), False),
        ((1, 3), (2, 4), False),
        ((1, 3, 5), (2, 4), True),
        ((1, 3), (2, 3), False),
        ((0,), (0,), False),
        ((0, 2), (1,), True),
        ((0, 2), (0,), False),
        ((0, 3), (0, 2), True),
        ((0, 2), (0, 2), False),
        ((1, 3), (0, 2), False),
    ],
)
def test_an_instance_returns_if_it_was_known_before_the_note_and_came_after_it(instances: tuple[int, ...], notes: tuple[int, ...], visible: bool) -> None:
    facts = [_at(day, instance(1)) for day in instances] + [_at(day, _note()) for day in notes]
    assert _visible(facts) is visible


@pytest.mark.parametrize(("made", "visible"), [("20250301", False), ("20250303", True), ("20250401", True)])
def test_a_note_is_as_old_as_it_says_and_no_younger_than_its_receipt(made: str, visible: bool) -> None:
    note = _note(InstanceCreationDate=made, InstanceCreationTime="1000")
    assert _visible([_at(2, instance(1)), _at(4, note), _at(5, instance(1))]) is visible


@pytest.mark.parametrize(("made", "visible"), [("20250301", False), ("20250302", True), ("20250303", True), ("20250401", True)])
def test_a_note_that_tells_its_day_alone_was_made_by_the_end_of_it(made: str, visible: bool) -> None:
    note = _note(InstanceCreationDate=made)
    assert _visible([_at(2, instance(1)), _at(4, note), _at(5, instance(1))]) is visible


@pytest.mark.parametrize(("instances", "visible"), [((0, 4), True), ((3, 4), False), ((0,), False)])
@pytest.mark.parametrize("time", [None, "1000"])
def test_a_note_whose_receipt_is_not_known_gives_way_to_what_was_kept_as_long_ago_if_it_says_when_it_was_made(
    time: str | None, instances: tuple[int, ...], visible: bool
) -> None:  # fmt: skip
    note = _note(InstanceCreationDate="20250302", InstanceCreationTime=time)
    assert _visible([_at(0, note), *(_at(day, instance(1)) for day in instances)]) is visible


def test_other_content_of_the_same_instance_restores_it_too() -> None:
    assert _visible([_at(1, instance(1)), _at(2, _note()), _at(3, instance(1, ContentLabel="AGAIN"))])


def test_what_another_archive_sends_again_restores_nothing() -> None:
    facts = [_at(1, instance(1)), _at(2, _note()), _at(3, instance(1, "RA2-PACS"))]
    assert [fact.source for fact in standing(facts, CONTEXTS).visible] == ["RA2-PACS"]


def test_each_of_two_notes_must_give_way() -> None:
    facts = [_at(1, instance(1)), _at(2, _note()), _at(3, instance(1)), _at(4, _note(number=901))]
    assert not _visible(facts)
    assert _visible([*facts, _at(5, instance(1))])


@pytest.mark.parametrize("title", ["113001", "113037", "113038"])
def test_the_other_titles_stay_but_quality_where_the_archive_restores_it(title: str) -> None:
    facts = [_at(1, instance(1)), _at(2, _note(title)), _at(3, instance(1))]
    assert not _visible(facts)
    assert _visible(facts, RESTORING) is (title == "113001")
    assert bool(repeats_matter(facts, RESTORING)) is (title == "113001")


def test_it_matters_that_a_note_and_what_it_lists_come_again() -> None:
    facts = [instance(1), instance(2), _note()]
    assert repeats_matter(facts, CONTEXTS) == {("RTK-PACS", f"{SERIES}.1"), ("RTK-PACS", f"{SERIES}.900")}
    assert repeats_matter(facts[:2], CONTEXTS) == set()


@pytest.mark.parametrize(
    ("held", "came", "matters", "says"),
    [
        ((2,), 1, False, True), ((2,), 1, True, True), ((2,), 2, True, False), ((2,), 3, True, True), ((2,), 3, False, False), ((1, 3), 2, True, False),
        ((0,), 1, True, True), ((0,), 1, False, False), ((0, 3), 2, False, True), ((0, 3), 4, True, True),
    ],
)  # fmt: skip
def test_a_receipt_says_more_if_it_is_the_first_that_is_known_or_the_last_where_that_matters(
    held: tuple[int, ...], came: int, matters: bool, says: bool
) -> None:  # fmt: skip
    [same] = receipts(_at(day, instance(1)) for day in held[::-1]).values()
    assert says_more(same, _at(came, instance(1)).received, matters=matters) is says


def test_of_a_content_without_a_time_the_first_receipt_that_is_known_is_kept_too() -> None:
    kept = first_and_last([_at(day, instance(1)) for day in (4, 0, 2, 3)])
    assert [one.received[8:10] for one in kept] == ["", "02", "04"]


def test_of_many_receipts_the_first_and_the_last_are_kept() -> None:
    many = [_at(day, instance(number)) for number in (1, 2) for day in (3, 1, 2)] + [_at(1, instance(2)), _at(1, instance(3))]
    kept = first_and_last(many)
    assert sorted((one.sop_uid[-1], one.received[8:10]) for one in kept) == [("1", "01"), ("1", "03"), ("2", "01"), ("2", "03"), ("3", "01")]
