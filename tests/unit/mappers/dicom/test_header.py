"""The header walker: what it reads, where it stops, what it costs (imaging.md 4 and 7)."""

from __future__ import annotations

import zlib
from io import BytesIO

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from mappers.dicom.dataset import facts_from_bytes, header_by_pydicom, read_header
from mappers.dicom.errors import DicomOverLimit, DicomTruncated, NotDicom, UidUnusable
from mappers.dicom.facts import facts_from_header
from mappers.dicom.header import Inflater, Irregular, Items, Limits, header_from_bytes, items_from_raw, looks_like_dicom
from mappers.dicom.tables import WANTED_ITEMS
from tests.unit.mappers.dicom.making import (
    CT,
    IDENTITY,
    ITEM_END,
    RTK,
    SEQUENCE_END,
    STUDY,
    UNDEFINED,
    bare,
    code,
    dataset,
    element,
    implicit,
    item,
    part10,
    plain_item,
)  # fmt: skip

PROCEDURE_CODES = 0x00081032


class Counting(BytesIO):
    """A stream that counts the bytes it gives."""

    given = 0

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        self.given += len(part)
        return part


def test_pixels_are_never_read() -> None:
    content = part10(dataset(PixelData=bytes(3_000_000), BitsAllocated=16))
    stream = Counting(content)
    header_from_bytes(stream)
    assert stream.given <= 16 * 1024


def test_reading_stops_at_the_last_mapped_tag_so_that_per_frame_groups_cost_nothing() -> None:
    frames = element(0x52009230, "SQ", bytes(5_000_000))
    stream = Counting(bare(frames))
    header_from_bytes(stream)
    assert stream.given <= 16 * 1024


def test_an_unmapped_value_is_skipped_by_its_length_and_not_held() -> None:
    private = element(0x00091001, "OB", bytes(3_000_000))
    header = header_from_bytes(BytesIO(bare(private, element(0x00100020, "LO", b"A100"))))
    assert header.elements[0x00100020] == b"A100"
    assert 0x00091001 not in header.elements


def test_a_mapped_value_larger_than_the_limit_is_skipped() -> None:
    header = header_from_bytes(bare(element(0x00420010, "ST", b"x" * 70), element(0x00081030, "LO", b"Chest ")), Limits(value=64))
    assert 0x00420010 not in header.elements
    assert header.elements[0x00081030] == b"Chest "


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_encoding_gives_the_same_facts(syntax: str) -> None:
    made = {"ProcedureCodeSequence": [code("77477000", "SCT", "CT")], "Rows": 512, "StudyDescription": "CT head"}
    assert facts_from_bytes(part10(dataset(**made), syntax), RTK) == facts_from_bytes(part10(dataset(**made)), RTK)


def test_sequences_of_undefined_length_are_read() -> None:
    made = dataset(ProcedureCodeSequence=[code("1", "99X", "A"), code("2", "99X", "B")])
    made["ProcedureCodeSequence"].is_undefined_length = True
    for one in made.ProcedureCodeSequence:
        one.is_undefined_length_sequence_item = True
    facts = facts_from_bytes(part10(made), RTK)
    assert [one["CodeValue"] for one in facts.study.values["ProcedureCodeSequence"]] == ["1", "2"]


def test_an_unmapped_sequence_of_undefined_length_is_passed_over_whatever_it_nests() -> None:
    inner = element(0x00081199, "SQ", plain_item(element(0x00081155, "UI", b"1.2\0"), UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    outer = plain_item(inner + element(0x00081150, "UI", b"1.2\0"), UNDEFINED) + ITEM_END + plain_item(b"") + SEQUENCE_END
    header = header_from_bytes(bare(element(0x00081111, "SQ", outer, UNDEFINED), element(0x00100020, "LO", b"A100")))
    assert header.elements[0x00100020] == b"A100"


def test_an_unmapped_open_sequence_in_implicit_vr_is_passed_over() -> None:
    nested = implicit(0x00081140, plain_item(implicit(0x00081155, b"1.2\0"), UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    outer = implicit(0x00081111, plain_item(nested, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    head = implicit(0x00080016, CT.encode() + b"\0") + implicit(0x00080018, b"1.2.3.10")
    tail = implicit(0x00100020, b"A100") + implicit(0x0020000D, b"1.2.3\0") + implicit(0x0020000E, b"1.2.3.1\0")
    assert facts_from_bytes(head + outer + tail, RTK).patient.values == {"PatientID": "A100"}


def test_a_sequence_sent_as_unknown_vr_is_read_as_implicit_little_endian() -> None:
    codes = plain_item(implicit(0x00080100, b"77477000") + implicit(0x00080102, b"SCT "))
    facts = facts_from_bytes(bare(element(PROCEDURE_CODES, "UN", codes)), RTK)
    assert facts.study.values["ProcedureCodeSequence"] == [{"CodeValue": "77477000", "CodingSchemeDesignator": "SCT"}]
    undefined = element(PROCEDURE_CODES, "UN", codes + SEQUENCE_END, UNDEFINED)
    assert facts_from_bytes(bare(undefined), RTK) == facts


def test_a_value_sent_as_unknown_vr_is_read_by_its_dictionary_vr() -> None:
    assert facts_from_bytes(bare(element(0x00100020, "UN", b"A100")), RTK).patient.values == {"PatientID": "A100"}


def test_a_plain_tag_sent_as_a_sequence_is_absent() -> None:
    assert facts_from_bytes(bare(element(0x00100020, "SQ", plain_item(b""))), RTK).patient.values == {}


def test_neither_preamble_nor_meta_information_is_needed() -> None:
    whole = part10(dataset())
    without_preamble = whole[132:]
    assert facts_from_bytes(without_preamble, RTK) == facts_from_bytes(whole, RTK)
    data_set = without_preamble[12 + int.from_bytes(without_preamble[8:12], "little") :]
    assert facts_from_bytes(data_set, RTK) == facts_from_bytes(whole, RTK)


def test_identity_falls_back_to_the_meta_information() -> None:
    facts = facts_from_bytes(part10(dataset(SOPInstanceUID=None, SOPClassUID=None)), RTK)
    assert (facts.sop_uid, facts.instance.values["SOPClassUID"]) == ("1.2", CT)


def test_the_source_ae_title_names_the_archive() -> None:
    assert read_header(part10(dataset(), source_ae_title="RTKPACS")).source_ae_title == "RTKPACS"
    assert read_header(part10(dataset())).source_ae_title is None


@pytest.mark.parametrize("content", [b"", b"DICM", b"MSH|^~\\&|A", bytes(200), b"%PDF-1.7 and so on, more than eight bytes"])
def test_what_is_not_dicom_is_refused(content: bytes) -> None:
    with pytest.raises(NotDicom):
        facts_from_bytes(content, RTK)
    assert not looks_like_dicom(content)


def test_a_file_that_ends_before_its_uids_is_refused_as_truncated() -> None:
    whole = part10(dataset())
    with pytest.raises(DicomTruncated):
        facts_from_bytes(whole[: whole.index(STUDY.encode()) + 5], RTK)


def test_a_file_that_ends_after_its_uids_is_accepted_and_flagged() -> None:
    content = bare(element(0x00280010, "US", b"\0\2"), element(0x00420010, "ST", b"A title"))
    facts = facts_from_bytes(content[:-3], RTK)
    assert facts.instance.flags == ("truncated",)
    assert facts_from_bytes(bare(element(0x00431001, "OB", bytes(50_000)))[:-1], RTK).instance.flags == ("truncated",)
    assert facts_from_bytes(content[: -len("A title") - 3], RTK).instance.flags == ("truncated",)


@pytest.mark.parametrize("uid", [b"", b"1.2.A\0", b"1" * 66, b"1..2"])
def test_a_study_uid_that_is_missing_or_none_is_refused(uid: bytes) -> None:
    parts = (IDENTITY[0], IDENTITY[1], element(0x0020000D, "UI", uid), IDENTITY[3])
    with pytest.raises(UidUnusable) as refused:
        facts_from_bytes(b"".join(parts), RTK)
    assert refused.value.status == 0xA900


def test_elements_out_of_order_and_unknown_vrs_are_left_to_pydicom() -> None:
    shuffled = b"".join(reversed(IDENTITY))
    with pytest.raises(NotDicom):
        header_from_bytes(shuffled)
    swapped = b"".join((IDENTITY[1], IDENTITY[0], *IDENTITY[2:]))
    odd = b"".join((*IDENTITY[:2], element(0x00081030, "ZZ", b"Chest "), *IDENTITY[2:]))
    for content in (swapped, odd):
        with pytest.raises(Irregular):
            header_from_bytes(content)
        assert facts_from_bytes(content, RTK).study_uid == "1.2.3"
        assert facts_from_bytes(BytesIO(content), RTK).study_uid == "1.2.3"


def test_a_transfer_syntax_that_lies_is_left_to_pydicom() -> None:
    whole = part10(dataset(), ImplicitVRLittleEndian)
    lying = whole.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0", 1).replace(b"UI\x12\0", b"UI\x14\0", 1)
    assert facts_from_bytes(lying, RTK).study_uid == STUDY


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = part10(dataset(), DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    return whole[:start] + packer.compress(content) + packer.flush()


def test_a_deflated_data_set_is_inflated_no_further_than_needed() -> None:
    bomb = _deflated(bare(element(0x7FE00010, "OB", bytes(200_000_000))))
    assert facts_from_bytes(bomb, RTK).study_uid == "1.2.3"


@pytest.mark.parametrize("limits", [Limits(), Limits(ratio=10**6, inflated=1_000_000)])
def test_a_deflated_data_set_that_runs_away_is_refused(limits: Limits) -> None:
    bomb = _deflated(bare(element(0x00091001, "OB", bytes(80_000_000))))
    with pytest.raises(DicomOverLimit):
        facts_from_bytes(bomb, RTK, limits)


def test_a_deflated_data_set_of_garbage_is_refused() -> None:
    whole = _deflated(b"")
    with pytest.raises(NotDicom):
        facts_from_bytes(whole[:-2] + b"\xff\xff\xff\xff", RTK)


def test_an_irregular_deflated_data_set_is_inflated_within_limits_and_read_by_pydicom() -> None:
    content = b"".join((IDENTITY[1], IDENTITY[0], *IDENTITY[2:]))
    assert facts_from_bytes(_deflated(content), RTK).study_uid == "1.2.3"


def test_an_inflater_gives_what_is_there() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(b"abc") + packer.flush()
    stream = Inflater(BytesIO(packed), Limits())
    assert (stream.read(2), stream.read(2), stream.read(2)) == (b"ab", b"c", b"")
    assert Inflater(BytesIO(packed[:2]), Limits()).read(9) == b"a"
    slow = BytesIO(packed)
    slow.read = lambda size=-1: BytesIO.read(slow, 1)  # type: ignore[method-assign]
    assert Inflater(slow, Limits()).read(9) == b"abc"


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = element(0x00081140, "SQ", plain_item(content, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    return content


def test_nesting_is_bounded_without_recursion() -> None:
    assert facts_from_bytes(bare(_nested(32)), RTK).study_uid == "1.2.3"
    for depth in (33, 300, 20_000):
        with pytest.raises(DicomOverLimit):
            facts_from_bytes(bare(_nested(depth)), RTK)


def test_pydicom_is_bounded_too() -> None:
    with pytest.raises(DicomOverLimit):
        header_by_pydicom(bare(_nested(400)))


def test_pydicom_reads_no_more_than_a_header_may_have() -> None:
    many = b"".join(element(0x00091000 + number, "OB", bytes(60_000)) for number in range(10))
    assert header_by_pydicom(bare(many), Limits(header=1_000_000))
    with pytest.raises(DicomOverLimit):
        header_by_pydicom(bare(many), Limits(header=100_000))
    nested = plain_item(many, UNDEFINED) + ITEM_END
    with pytest.raises(DicomOverLimit):
        header_by_pydicom(bare(element(0x00081111, "SQ", nested * 3, UNDEFINED)), Limits(header=100_000))


@pytest.mark.parametrize("met", [RecursionError(), DicomOverLimit("the header is larger than the limit")])
def test_a_fault_that_pydicom_meets_in_a_sequence_is_told_as_what_it_was(monkeypatch: pytest.MonkeyPatch, met: Exception) -> None:
    def broken(*_given: object, **_named: object) -> None:
        try:
            raise met
        except type(met):
            raise OSError("no tag to read") from None

    monkeypatch.setattr("mappers.dicom.dataset.read_partial", broken)
    with pytest.raises(DicomOverLimit):
        header_by_pydicom(bare())


def test_the_number_of_elements_is_bounded() -> None:
    many = b"".join(element(0x00091000 + number, "LO", b"") for number in range(60))
    with pytest.raises(DicomOverLimit):
        header_from_bytes(bare(*[many]), Limits(elements=50))


def test_a_header_that_never_ends_is_refused() -> None:
    endless = plain_item(element(0x00091001, "OB", bytes(60_000)), UNDEFINED) + ITEM_END
    with pytest.raises(DicomOverLimit):
        header_from_bytes(BytesIO(bare(element(0x00081111, "SQ", endless * 3, UNDEFINED))), Limits(header=100_000))


def test_a_broken_item_loses_only_itself() -> None:
    wanted = WANTED_ITEMS[PROCEDURE_CODES]
    good = plain_item(element(0x00080100, "SH", b"77477000"))
    broken = plain_item(element(0x00080100, "?!", b"77477000"))
    short = plain_item(element(0x00080100, "SH", b"77477000", 80))
    assert len(items_from_raw(Items(good + broken + good, RTK_SYNTAX), wanted)) == 2
    assert items_from_raw(Items(short + good, RTK_SYNTAX), wanted) == [{}, {0x00080100: b"77477000"}]
    open_ended = plain_item(element(0x00080100, "?!", b"77477000"), UNDEFINED)
    assert items_from_raw(Items(good + open_ended + good, RTK_SYNTAX), wanted) == [{0x00080100: b"77477000"}]
    assert items_from_raw(Items(good + b"no item here", RTK_SYNTAX), wanted) == [{0x00080100: b"77477000"}]


def test_items_of_undefined_length_end_at_their_delimiter() -> None:
    nested = element(0x00081140, "SQ", plain_item(b"", UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    content = plain_item(element(0x00080100, "SH", b"77477000") + nested, UNDEFINED) + ITEM_END
    wanted = WANTED_ITEMS[PROCEDURE_CODES]
    assert items_from_raw(Items(content, RTK_SYNTAX), wanted) == [{0x00080100: b"77477000"}]
    assert items_from_raw(Items(content[: -len(ITEM_END)], RTK_SYNTAX), wanted) == []
    assert items_from_raw(Items(content[:-20], RTK_SYNTAX), wanted) == []
    cut = plain_item(element(0x00081140, "SQ", b"")[:8], UNDEFINED)
    assert items_from_raw(Items(cut, RTK_SYNTAX), wanted) == []


def test_the_number_of_items_is_bounded() -> None:
    content = plain_item(b"") * 30
    assert len(items_from_raw(Items(content, RTK_SYNTAX), {}, Limits(items=20))) == 20


RTK_SYNTAX = header_from_bytes(bare()).syntax


def test_facts_of_a_walked_and_of_a_pydicom_header_agree_on_nested_items() -> None:
    request = item(AccessionNumber="ACC1", RequestedProcedureCodeSequence=[code("CHEAD", "NICIP", "CT head")])
    content = part10(dataset(RequestAttributesSequence=[request, item(AccessionNumber="ACC2")], SpecificCharacterSet="ISO_IR 192"))
    walked, judged = (facts_from_header(read(content), RTK) for read in (header_from_bytes, header_by_pydicom))
    assert walked == judged
    assert len(walked.series.values["RequestAttributesSequence"]) == 2


def _with_long_meta(content: bytes) -> bytes:
    """A deflated file whose meta information has an element of an unknown VR."""
    whole = _deflated(content)
    at = whole.index(element(0x00020010, "UI", b"1.2.840.10008.1.2.1.99"))
    return whole[:at] + element(0x00020003, "ZZ", b"1.2.3\0") + whole[at:]


def test_pydicom_never_inflates() -> None:
    bomb = _with_long_meta(bare(element(0x00091001, "OB", bytes(80_000_000))))
    with pytest.raises(NotDicom):
        facts_from_bytes(bomb, RTK)
    irregular = b"".join((IDENTITY[1], IDENTITY[0], *IDENTITY[2:], element(0x00291001, "OB", bytes(80_000_000))))
    with pytest.raises(DicomOverLimit):
        facts_from_bytes(_deflated(irregular), RTK)
    with pytest.raises(DicomOverLimit):
        header_by_pydicom(_deflated(irregular))


def test_meta_information_out_of_order_is_left_to_pydicom() -> None:
    whole = part10(dataset(SOPInstanceUID=None))
    at = whole.index(element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0"))
    odd = whole[:at] + element(0x00020016, "AE", b"RTKPACS ") + whole[at:]
    assert facts_from_bytes(odd, RTK).sop_uid == "1.2"
    assert read_header(odd).source_ae_title == "RTKPACS"
    with pytest.raises(NotDicom):
        read_header(whole[:at] + element(0x00020003, "ZZ", b"1.2.3\0") + whole[at:])


class Failing(BytesIO):
    """A stream that fails once it has been wound back twice."""

    wound = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.wound += 1
        if self.wound > 2:
            raise OSError(5, "Input/output error")
        return super().seek(offset, whence)


def test_a_stream_that_fails_is_no_fault_of_its_content() -> None:
    with pytest.raises(OSError, match="Input"):
        facts_from_bytes(Failing(b"".join((IDENTITY[1], IDENTITY[0], *IDENTITY[2:]))), RTK)


def test_a_sequence_that_pydicom_cannot_read_is_absent() -> None:
    odd = element(0x00081030, "ZZ", b"Chest ")
    broken = element(PROCEDURE_CODES, "SQ", b"no items in here")
    found = facts_from_bytes(bare(odd, broken, element(0x00081140, "SQ", plain_item(b""))), RTK)
    assert "ProcedureCodeSequence" not in found.study.values
    swapped = (implicit(0x00080018, b"1.2.3.10"), implicit(0x00080016, b"1.2\0"), implicit(PROCEDURE_CODES, b"no items in here"))
    uids = (implicit(0x0020000D, b"1.2.3\0"), implicit(0x0020000E, b"1.2.3.1\0"))
    assert facts_from_bytes(b"".join((*swapped, *uids)), RTK).study.values == {}
    cut = (*swapped[:2], implicit(PROCEDURE_CODES, b"\xfe\xff\x00\xe0\x01"))
    assert facts_from_bytes(b"".join((*cut, *uids)), RTK).study.values == {}
    text = element(PROCEDURE_CODES, "LO", b"no sequence ")
    assert "ProcedureCodeSequence" not in facts_from_bytes(bare(odd, text), RTK).study.values


def test_the_length_of_a_long_vr_may_lie_across_two_reads() -> None:
    filler = element(0x00091001, "LO", b"x" * 60_000)
    for shift in range(14):
        content = bare(element(0x00090010, "LO", b"y" * (16 * 1024 - 120 - shift)), filler, element(0x00420010, "ST", b"Title"))
        spread = content.replace(filler, element(0x00091001, "OB", b"z" * 60_000))
        assert facts_from_bytes(BytesIO(spread), RTK).instance.values["DocumentTitle"] == "Title"


@pytest.mark.parametrize(
    "inside",
    [
        element(0x00081150, "??", b"1.2\0"),
        b"\x08\x00\x50\x11",
    ],
)
def test_broken_content_of_an_unmapped_open_sequence_is_left_to_pydicom(inside: bytes) -> None:
    content = element(0x00081111, "SQ", plain_item(inside, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    with pytest.raises(NotDicom):
        facts_from_bytes(bare(content), RTK)


def test_an_open_sequence_without_items_is_left_to_pydicom() -> None:
    with pytest.raises(Irregular):
        header_from_bytes(bare(element(0x00081111, "SQ", element(0x00081150, "UI", b"1.2\0") + SEQUENCE_END, UNDEFINED)))


def test_an_open_sequence_cut_at_any_place_is_truncated() -> None:
    inner = element(0x00081199, "SQ", plain_item(b"") + SEQUENCE_END, UNDEFINED)
    content = b"".join(IDENTITY) + element(0x00400275, "SQ", plain_item(inner, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    for cut in range(len(b"".join(IDENTITY)) + 8, len(content)):
        assert facts_from_bytes(content[:cut], RTK).instance.flags == ("truncated",)
