"""The studies of the region's archives: what was examined, with which headers, in how many images."""

from __future__ import annotations

from dataclasses import dataclass

from app.simulate import slips
from app.simulate.clerk import View
from app.simulate.dicom import Element, Series, Study
from app.simulate.draw import Draw, Weighted
from app.simulate.moments import DAY, moment_text
from app.simulate.numbers import uid
from app.simulate.timeline import StudyTaken
from app.simulate.trusts import BRIGHTON, encode


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of examination: series and images a series, in truth (``images``) and cut small (``few``)."""

    code: str
    sop_class: str
    regions: tuple[tuple[str, str], ...]
    series: tuple[int, int]
    images: tuple[int, int]
    few: tuple[int, int]
    matrix: tuple[int, int]
    model: str


STORAGE = "1.2.840.10008.5.1.4.1.1."
PLAIN_FILM = (
    ("CHEST", "XR Chest"), ("HAND", "XR Hand"), ("KNEE", "XR Knee"), ("ANKLE", "XR Ankle"), ("PELVIS", "XR Pelvis"),
    ("SHOULDER", "XR Shoulder"), ("LSPINE", "XR Lumbar spine"), ("WRIST", "XR Wrist"), ("ABDOMEN", "XR Abdomen"),
)  # fmt: skip
CROSS_SECTION = (
    ("HEAD", "CT Head"), ("CHEST", "CT Thorax"), ("ABDOMEN", "CT Abdomen and pelvis"), ("CHEST", "CT Pulmonary angiogram"),
    ("LSPINE", "CT Lumbar spine"),
)  # fmt: skip
RESONANCE = (
    ("HEAD", "MRI Head"), ("KNEE", "MRI Knee"), ("LSPINE", "MRI Lumbar spine"), ("ABDOMEN", "MRI Liver"), ("SHOULDER", "MRI Shoulder"),
)  # fmt: skip
ULTRASOUND = (
    ("ABDOMEN", "US Abdomen"),
    ("PELVIS", "US Pelvis"),
    ("NECK", "US Neck"),
    ("LEG", "US Doppler leg veins"),
    ("KIDNEY", "US Renal tract"),
)
LIMBS = frozenset({"HAND", "KNEE", "ANKLE", "SHOULDER", "WRIST", "LEG"})

CR = Modality("CR", STORAGE + "1", PLAIN_FILM, (1, 1), (1, 3), (1, 2), (2140, 1760), "Cassette Reader")
DX = Modality("DX", STORAGE + "1.1", PLAIN_FILM, (1, 2), (1, 2), (1, 1), (2800, 2400), "Flat Panel")
CT = Modality("CT", STORAGE + "2", CROSS_SECTION, (2, 4), (25, 90), (1, 2), (512, 512), "Spiral 64")
MR = Modality("MR", STORAGE + "4", RESONANCE, (4, 8), (20, 50), (1, 1), (320, 320), "Magnet 1.5T")
US = Modality("US", STORAGE + "6.1", ULTRASOUND, (1, 1), (10, 40), (2, 3), (768, 1024), "Sono 9")
MG = Modality("MG", STORAGE + "1.2", (("BREAST", "XR Mammogram"),), (1, 1), (4, 4), (4, 4), (3328, 2560), "Mammo 3")
NM = Modality("NM", STORAGE + "20", (("WHOLEBODY", "NM Bone scan"),), (1, 2), (1, 2), (1, 1), (1024, 256), "Gamma 2")

GROWN: Weighted[Modality] = Weighted([(CR, 14), (DX, 34), (CT, 17), (MR, 11), (US, 20), (NM, 1)])
WOMEN: Weighted[Modality] = Weighted([(CR, 13), (DX, 31), (CT, 16), (MR, 11), (US, 21), (MG, 7), (NM, 1)])
CHILDREN: Weighted[Modality] = Weighted([(CR, 28), (DX, 46), (CT, 2), (MR, 5), (US, 19)])
REFERRERS = ("HARTLEY^J^^DR", "OYELARAN^F^^MS", "PRITCHARD^G^^MR", "SHARMA^R^^DR", "DUNNE^S^^DR", "KAMIL^A^^DR", "LINTOTT^P^^MRS")


class Department:
    """Makes the studies; ``small`` cuts the number of images, accession numbers count up a trust."""

    def __init__(self, seed: int, *, small: bool) -> None:
        self.seed = seed
        self.small = small
        self.accessions: dict[str, int] = {}

    def study(self, taken: StudyTaken, draw: Draw) -> Study:
        """The study made of a record's person at a moment."""
        record = taken.record
        modality = draw.weighted(_modalities(taken))
        region, description = draw.pick(modality.regions)
        study_uid = uid(self.seed, record.key, taken.number)
        elements = (
            *self._event(taken, modality, description, draw),
            *_patient(taken, draw),
            Element(0x0020000D, "UI", study_uid),
        )
        series = self._series(taken, modality, region, study_uid, draw)
        return Study(study_uid, record.trust.ae_title, record.trust.dicom_codec, elements, series)

    def _accession(self, ods: str, modality: Modality) -> str:
        count = self.accessions[ods] = self.accessions.get(ods, 0) + 1
        number = (count * 387_163 + 12_345) % 10_000_000
        return f"{modality.code} {number:07d}" if ods == "RXC" else f"{ods}{number:07d}"

    def _event(self, taken: StudyTaken, modality: Modality, description: str, draw: Draw) -> tuple[Element, ...]:
        trust = taken.record.trust
        stamp = moment_text(taken.moment)
        accession = self._accession(trust.ods, modality)
        return (
            Element(0x00080005, "CS", trust.dicom_charset),
            Element(0x00080016, "UI", modality.sop_class),
            Element(0x00080020, "DA", stamp[:8]),
            Element(0x00080030, "TM", stamp[8:]),
            Element(0x00080050, "SH", accession),
            Element(0x00080060, "CS", modality.code),
            Element(0x00080070, "LO", "Weald Simulations"),
            Element(0x00080080, "LO", draw.pick(trust.sites)[1]),
            Element(0x00080090, "PN", draw.pick(REFERRERS)),
            Element(0x00081030, "LO", description),
            Element(0x00081090, "LO", modality.model),
            Element(0x00200010, "SH", accession[-7:]),
            Element(0x00280010, "US", modality.matrix[0]),
            Element(0x00280011, "US", modality.matrix[1]),
        )

    def _series(self, taken: StudyTaken, modality: Modality, region: str, study_uid: str, draw: Draw) -> tuple[Series, ...]:
        side = draw.pick("LR") if region in LIMBS else ""
        count = draw.between(*modality.series)
        if self.small:
            count = min(count, 2)
        return tuple(
            Series(
                (
                    *_series_elements(taken.moment, number, region, side),
                    Element(0x0020000E, "UI", f"{study_uid}.{number}"),
                ),
                tuple(f"{study_uid}.{number}.{image}" for image in range(1, draw.between(*self._images(modality)) + 1)),
            )
            for number in range(1, count + 1)
        )

    def _images(self, modality: Modality) -> tuple[int, int]:
        return modality.few if self.small else modality.images


def _modalities(taken: StudyTaken) -> Weighted[Modality]:
    age = taken.moment // DAY - taken.record.person.born
    if age < 16 * 365:
        return CHILDREN
    return WOMEN if taken.record.person.sex == "F" and age > 45 * 365 else GROWN


def _series_elements(moment: int, number: int, region: str, side: str) -> tuple[Element, ...]:
    stamp = moment_text(moment + number * 150)
    elements = (
        Element(0x00080008, "CS", "ORIGINAL\\PRIMARY"),
        Element(0x00080021, "DA", stamp[:8]),
        Element(0x00080031, "TM", stamp[8:]),
        Element(0x0008103E, "LO", f"Series {number}"),
        Element(0x00180015, "CS", region),
        Element(0x00200011, "IS", str(number)),
    )
    return (*elements, Element(0x00200060, "CS", side)) if side else elements


def _patient(taken: StudyTaken, draw: Draw) -> tuple[Element, ...]:
    """The patient module as the worklist gave it; the NHS number at times among the other patient ids."""
    record, view = taken.record, taken.view
    birth = view.birth.date if len(view.birth.date) == 8 else ""
    elements = [
        Element(0x00100010, "PN", _person_name(view, record.trust.dicom_codec, draw, careful=record.habits.careful)),
        Element(0x00100020, "LO", record.mrn),
        Element(0x00100030, "DA", birth),
        Element(0x00100040, "CS", view.sex if view.sex in "MF" else ""),
    ]
    if record.scheme is BRIGHTON:
        elements.append(Element(0x00100021, "LO", BRIGHTON.namespace))
    kind = draw.unit()
    if view.number.value and kind < 0.08:
        elements.append(Element(0x00101000, "LO", view.number.value))
    elif view.number.value and kind < 0.2:
        elements.append(Element(0x00101002, "SQ", (_labelled(view.number.value),)))
    return tuple(elements)


def _labelled(nhs_number: str) -> tuple[Element, ...]:
    return Element(0x00100020, "LO", nhs_number), Element(0x00100021, "LO", "NHS"), Element(0x00100022, "CS", "TEXT")


def _person_name(view: View, codec: str, draw: Draw, *, careful: bool) -> str:
    """FAMILY^GIVEN^MIDDLE^TITLE, as upper case; a few were typed at the machine, with a slip."""
    name = view.name
    family = slips.mistyped(draw, name.family) if draw.chance(0.01) and not careful else name.family
    text = f"{family}^{name.given}^{name.middle}^{name.title}".upper().rstrip("^")
    return encode(text, codec).decode(codec)
