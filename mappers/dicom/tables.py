"""The mapped elements (PS3.6) with their level and VR, and the Standard's small tables that the maps use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The entity of the information model that an attribute describes (PS3.3 A.1.2)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Element:
    """A mapped data element; ``many`` where its value multiplicity is above one, ``items`` where it is a sequence."""

    tag: int
    keyword: str
    vr: str
    many: bool = False
    items: tuple[Element, ...] = ()

    @property
    def wanted(self) -> Mapping[int, bool]:
        """Tags inside an item, and whether each is a sequence."""
        return {0x00080005: False, **{item.tag: item.vr == "SQ" for item in self.items}}


def _sequence(tag: int, keyword: str, *items: Element) -> Element:
    return Element(tag, keyword, "SQ", items=items)


CHARSET = 0x00080005

_CODE = (
    Element(0x00080100, "CodeValue", "SH"),
    Element(0x00080102, "CodingSchemeDesignator", "SH"),
    Element(0x00080103, "CodingSchemeVersion", "SH"),
    Element(0x00080104, "CodeMeaning", "LO"),
    Element(0x00080119, "LongCodeValue", "UC"),
    Element(0x00080120, "URNCodeValue", "UR"),
)
_ISSUER = (
    Element(0x00400031, "LocalNamespaceEntityID", "UT"),
    Element(0x00400032, "UniversalEntityID", "UT"),
    Element(0x00400033, "UniversalEntityIDType", "CS"),
)
_SCHEME = _sequence(
    0x00080110,
    "CodingSchemeIdentificationSequence",
    Element(0x00080102, "CodingSchemeDesignator", "SH"),
    Element(0x0008010C, "CodingSchemeUID", "UI"),
    Element(0x0008010E, "CodingSchemeURL", "UR"),
)
_PERSON = (
    _sequence(0x00401101, "PersonIdentificationCodeSequence", *_CODE),
    Element(0x00080080, "InstitutionName", "LO"),
)
_PATIENT_ISSUER = (
    Element(0x00100021, "IssuerOfPatientID", "LO"),
    _sequence(0x00100024, "IssuerOfPatientIDQualifiersSequence", *_ISSUER, Element(0x00400035, "IdentifierTypeCode", "CS")),
)
_REQUEST = (
    Element(0x00080050, "AccessionNumber", "SH"),
    _sequence(0x00080051, "IssuerOfAccessionNumberSequence", *_ISSUER),
    Element(0x00321060, "RequestedProcedureDescription", "LO"),
    _sequence(0x00321064, "RequestedProcedureCodeSequence", *_CODE),
    _sequence(0x00400026, "OrderPlacerIdentifierSequence", *_ISSUER),
    _sequence(0x00400027, "OrderFillerIdentifierSequence", *_ISSUER),
    Element(0x00400007, "ScheduledProcedureStepDescription", "LO"),
    Element(0x00401002, "ReasonForTheRequestedProcedure", "LO"),
    _sequence(0x0040100A, "ReasonForRequestedProcedureCodeSequence", *_CODE),
    Element(0x00401001, "RequestedProcedureID", "SH"),
    Element(0x00402016, "PlacerOrderNumberImagingServiceRequest", "LO"),
    Element(0x00402017, "FillerOrderNumberImagingServiceRequest", "LO"),
)

PATIENT = (
    Element(0x00100010, "PatientName", "PN"),
    Element(0x00100020, "PatientID", "LO"),
    *_PATIENT_ISSUER,
    Element(0x00100022, "TypeOfPatientID", "CS"),
    Element(0x00100030, "PatientBirthDate", "DA"),
    Element(0x00100040, "PatientSex", "CS"),
    Element(0x00101000, "OtherPatientIDs", "LO", many=True),
    Element(0x00101001, "OtherPatientNames", "PN", many=True),
    _sequence(
        0x00101002,
        "OtherPatientIDsSequence",
        Element(0x00100020, "PatientID", "LO"),
        *_PATIENT_ISSUER,
        Element(0x00100022, "TypeOfPatientID", "CS"),
    ),
    Element(0x00101005, "PatientBirthName", "PN"),
    Element(0x00120062, "PatientIdentityRemoved", "CS"),
)

STUDY = (
    Element(0x00080020, "StudyDate", "DA"),
    Element(0x00080030, "StudyTime", "TM"),
    Element(0x00080050, "AccessionNumber", "SH"),
    _sequence(0x00080051, "IssuerOfAccessionNumberSequence", *_ISSUER),
    Element(0x00080090, "ReferringPhysicianName", "PN"),
    _sequence(0x00080096, "ReferringPhysicianIdentificationSequence", *_PERSON),
    _SCHEME,
    Element(0x00080201, "TimezoneOffsetFromUTC", "SH"),
    Element(0x00081030, "StudyDescription", "LO"),
    _sequence(0x00081032, "ProcedureCodeSequence", *_CODE),
    Element(0x00081040, "InstitutionalDepartmentName", "LO"),
    Element(0x00081060, "NameOfPhysiciansReadingStudy", "PN", many=True),
    _sequence(0x00081062, "PhysiciansReadingStudyIdentificationSequence", *_PERSON),
    Element(0x00200010, "StudyID", "SH"),
    Element(0x00321060, "RequestedProcedureDescription", "LO"),
    _sequence(0x00321064, "RequestedProcedureCodeSequence", *_CODE),
    Element(0x00380010, "AdmissionID", "LO"),
    _sequence(0x00380014, "IssuerOfAdmissionIDSequence", *_ISSUER),
    _sequence(0x00400026, "OrderPlacerIdentifierSequence", *_ISSUER),
    _sequence(0x00400027, "OrderFillerIdentifierSequence", *_ISSUER),
    Element(0x00401002, "ReasonForTheRequestedProcedure", "LO"),
    _sequence(0x0040100A, "ReasonForRequestedProcedureCodeSequence", *_CODE),
    _sequence(0x00401012, "ReasonForPerformedProcedureCodeSequence", *_CODE),
    Element(0x00402016, "PlacerOrderNumberImagingServiceRequest", "LO"),
    Element(0x00402017, "FillerOrderNumberImagingServiceRequest", "LO"),
    _sequence(0x0040A370, "ReferencedRequestSequence", *_REQUEST),
)

SERIES = (
    Element(0x00080021, "SeriesDate", "DA"),
    Element(0x00080031, "SeriesTime", "TM"),
    Element(0x00080060, "Modality", "CS"),
    Element(0x00080070, "Manufacturer", "LO"),
    Element(0x0008103E, "SeriesDescription", "LO"),
    Element(0x00081050, "PerformingPhysicianName", "PN", many=True),
    _sequence(0x00081052, "PerformingPhysicianIdentificationSequence", *_PERSON),
    Element(0x00081070, "OperatorsName", "PN", many=True),
    _sequence(0x00081072, "OperatorIdentificationSequence", *_PERSON),
    Element(0x00081090, "ManufacturerModelName", "LO"),
    _sequence(0x00082218, "AnatomicRegionSequence", *_CODE),
    Element(0x00180015, "BodyPartExamined", "CS"),
    Element(0x00181000, "DeviceSerialNumber", "LO"),
    Element(0x00200011, "SeriesNumber", "IS"),
    Element(0x00200060, "Laterality", "CS"),
    Element(0x00400243, "PerformedLocation", "SH"),
    Element(0x00400244, "PerformedProcedureStepStartDate", "DA"),
    Element(0x00400245, "PerformedProcedureStepStartTime", "TM"),
    _sequence(0x00400275, "RequestAttributesSequence", *_REQUEST),
    _sequence(
        0x00400560,
        "SpecimenDescriptionSequence",
        Element(0x00400551, "SpecimenIdentifier", "LO"),
        Element(0x00400554, "SpecimenUID", "UI"),
    ),
)

INSTANCE = (
    Element(0x00080008, "ImageType", "CS", many=True),
    Element(0x00080012, "InstanceCreationDate", "DA"),
    Element(0x00080013, "InstanceCreationTime", "TM"),
    Element(0x00080015, "InstanceCoercionDateTime", "DT"),
    Element(0x00200013, "InstanceNumber", "IS"),
    Element(0x00200062, "ImageLaterality", "CS"),
    Element(0x00209072, "FrameLaterality", "CS"),
    Element(0x00280008, "NumberOfFrames", "IS"),
    Element(0x00280010, "Rows", "US"),
    Element(0x00280011, "Columns", "US"),
    Element(0x00280100, "BitsAllocated", "US"),
    _sequence(0x0040A043, "ConceptNameCodeSequence", *_CODE),
    Element(0x00420010, "DocumentTitle", "ST"),
    Element(0x00700080, "ContentLabel", "CS"),
    _sequence(
        0x04000561,
        "OriginalAttributesSequence",
        _sequence(
            0x04000550,
            "ModifiedAttributesSequence",
            Element(0x00080018, "SOPInstanceUID", "UI"),
            Element(0x00080050, "AccessionNumber", "SH"),
            Element(0x00100020, "PatientID", "LO"),
            Element(0x00100021, "IssuerOfPatientID", "LO"),
            Element(0x0020000D, "StudyInstanceUID", "UI"),
            Element(0x0020000E, "SeriesInstanceUID", "UI"),
        ),
        Element(0x04000562, "AttributeModificationDateTime", "DT"),
        Element(0x04000563, "ModifyingSystem", "LO"),
        Element(0x04000565, "ReasonForTheAttributeModification", "CS"),
    ),
)

KEY_OBJECT = (
    _sequence(
        0x0040A375,
        "CurrentRequestedProcedureEvidenceSequence",
        _sequence(
            0x00081115,
            "ReferencedSeriesSequence",
            _sequence(0x00081199, "ReferencedSOPSequence", Element(0x00081155, "ReferencedSOPInstanceUID", "UI")),
        ),
    ),
    _sequence(
        0x0040A730,
        "ContentSequence",
        _sequence(0x0040A043, "ConceptNameCodeSequence", *_CODE),
        Element(0x0040A160, "TextValue", "UT"),
    ),
)
"""Read of Key Object Selections only."""

LEVELS: Mapping[Level, tuple[Element, ...]] = {
    Level.PATIENT: PATIENT,
    Level.STUDY: STUDY,
    Level.SERIES: SERIES,
    Level.INSTANCE: INSTANCE,
}

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
META_SOP_CLASS, META_SOP_INSTANCE, META_SYNTAX, META_SOURCE_AE = 0x00020002, 0x00020003, 0x00020010, 0x00020016


def _wanted_items(elements: list[Element]) -> dict[int, dict[int, bool]]:
    found: dict[int, dict[int, bool]] = {}
    for element in elements:
        if element.items:
            found.setdefault(element.tag, {}).update(element.wanted)
            for tag, inner in _wanted_items(list(element.items)).items():
                found.setdefault(tag, {}).update(inner)
    return found


WANTED: Mapping[int, bool] = {
    **dict.fromkeys((CHARSET, SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID), False),
    **{element.tag: element.vr == "SQ" for level in (*LEVELS.values(), KEY_OBJECT) for element in level},
}
WANTED_ITEMS: Mapping[int, Mapping[int, bool]] = _wanted_items([element for level in (*LEVELS.values(), KEY_OBJECT) for element in level])
"""By the tag of a sequence, the elements read of its items."""

META_TAGS: Mapping[int, bool] = dict.fromkeys((META_SOP_CLASS, META_SOP_INSTANCE, META_SYNTAX, META_SOURCE_AE), False)
LAST_TAG = max(WANTED)

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"

CODING_SYSTEMS: Mapping[str, str] = {
    "SCT": SCT,
    "DCM": DCM,
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://www.radlex.org",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "C4": "http://www.ama-assn.org/go/cpt",
}
"""Coding scheme designators with one FHIR system (imaging.md 1.5)."""

RETIRED_SNOMED = frozenset(("SRT", "SNM3", "99SDM"))

LATERALITY: Mapping[str, tuple[str, str]] = {
    "L": ("7771000", "Left"),
    "R": ("24028007", "Right"),
    "B": ("51440002", "Bilateral"),
}

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"

REJECTION_TITLES: Mapping[str, str] = {
    "113001": "quality",
    "113037": "patient-safety",
    "113038": "wrong-worklist",
    "113039": "retention-expired",
}
"""Titles (DCM) of the Key Object Selections that hide what they list (imaging.md 3.5; IHE RAD IOCM)."""

MODALITY_OF_CLASS: Mapping[str, str] = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.1.3": "IO",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.3.1": "US",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.11.1": "PR",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.12.2": "RF",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "MG",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.88.11": "SR",
    "1.2.840.10008.5.1.4.1.1.88.22": "SR",
    "1.2.840.10008.5.1.4.1.1.88.33": "SR",
    KEY_OBJECT_SELECTION: "KO",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
}
"""The modality that a SOP class implies, where a series names none."""

KNOWN_MODALITIES = frozenset((
    "ANN", "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CFM", "CR", "CT", "CTPROTOCOL", "DG", "DMS", "DOC", "DX", "ECG",
    "EEG", "EMG", "EOG", "EPS", "ES", "FID", "GM", "HC", "HD", "IO", "IOL", "IVOCT", "IVUS", "KER", "KO", "LEN", "LS",
    "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PA", "PLAN",
    "POS", "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTINTENT", "RTPLAN", "RTRAD",
    "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TEXTUREMAP", "TG", "US",
    "VA", "XA", "XAPROTOCOL", "XC",
))  # fmt: skip
"""Defined terms of Modality (PS3.3 C.7.3.1.1.1)."""
