"""Facts packed in chunks come back as they were, small (imaging.md 3.6)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.dicom.chunks import CHUNK_SIZE, chunks, pack, unpack
from mappers.dicom.facts import Attributes, InstanceFacts
from tests.unit.mappers.dicom.making import SERIES, STUDY, facts, instance, rejection


def test_one_and_many_instances_come_back_in_order() -> None:
    many = [instance(number, SeriesNumber=number % 2 + 1) for number in range(1, 30)]
    assert unpack(pack(many)) == many
    assert unpack(pack(many[:1])) == many[:1]


def test_when_each_came_comes_back() -> None:
    many = [replace(instance(number), received=f"2025-03-0{number}T00:00:00.000000Z") for number in (1, 2, 3)] + [instance(4)]
    assert [one.received for one in unpack(pack(many))] == [one.received for one in many]


def test_two_sources_may_share_a_chunk() -> None:
    both = [instance(1), instance(1, "RA2-PACS"), instance(2)]
    assert unpack(pack(both)) == both


def test_findings_and_what_could_not_be_used_come_back() -> None:
    odd = replace(facts(), instance=Attributes({"InstanceNumber": 4}, ("truncated", "value-invalid"), {"NumberOfFrames": "-1"}))
    note = rejection("113037", [f"{SERIES}.1"])
    assert unpack(pack([odd, facts(), note])) == [odd, facts(), note]


def test_shared_attributes_are_one_object_again() -> None:
    back = unpack(pack([instance(1), instance(2)]))
    assert back[0].patient is back[1].patient
    assert back[0].series is back[1].series


def test_a_chunk_holds_one_study_and_at_most_a_thousand() -> None:
    with pytest.raises(ValueError, match="one study"):
        pack([])
    with pytest.raises(ValueError, match="one study"):
        pack([facts(), facts(StudyInstanceUID="1.9")])
    with pytest.raises(ValueError, match="one study"):
        pack([facts()] * (CHUNK_SIZE + 1))


def test_runs_are_cut_to_the_size_of_a_chunk() -> None:
    many = [facts()] * 2500
    assert [len(run) for run in chunks(many)] == [1000, 1000, 500]


def test_five_thousand_instances_take_less_than_250_kilobytes() -> None:
    draw = random.Random(7)
    one = facts()
    many = [
        replace(
            one,
            series_uid=f"{STUDY}.{number // 200}",
            sop_uid=f"1.2.826.0.1.3680043.8.498.{draw.getrandbits(126)}",
            instance=Attributes({**one.instance.values, "InstanceNumber": number, "InstanceCreationTime": f"10:11:{number % 60:02d}"}),
        )
        for number in range(5000)
    ]
    assert sum(len(pack(run)) for run in chunks(many)) < 250_000


VALUES = st.dictionaries(
    st.sampled_from(["InstanceNumber", "ContentLabel", "ImageType"]),
    st.one_of(st.integers(0, 2**31 - 1), st.text(max_size=5), st.lists(st.text(max_size=3))),
)
ATTRIBUTES = st.builds(
    Attributes, VALUES, st.lists(st.sampled_from("ab"), unique=True).map(tuple), st.dictionaries(st.text(max_size=3), st.text(max_size=3))
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            InstanceFacts,
            st.sampled_from(["A", "B"]),
            st.just("1.2"),
            st.sampled_from(["1.2.1", "1.2.2"]),
            st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,5}){0,3}", fullmatch=True),
            ATTRIBUTES,
            ATTRIBUTES,
            ATTRIBUTES,
            ATTRIBUTES,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_facts_come_back(many: list[InstanceFacts]) -> None:
    assert unpack(pack(many)) == many


def test_equal_facts_have_one_digest_and_others_another() -> None:
    assert facts().digest == facts("RA2-PACS").digest
    assert facts().digest != facts(InstanceNumber=2).digest
    assert len({facts().patient, facts("RA2-PACS").patient}) == 1
    assert facts().as_json()["attributes"]["patient"]["PatientID"] == "A100"
