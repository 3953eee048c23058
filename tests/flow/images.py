"""DICOM files without pixels, written with pydicom as an archive would."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.1999"
CT = "1.2.840.10008.5.1.4.1.1.2"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
ALICE_HEADER = {"PatientName": "Hollis^Alice", "PatientBirthDate": "19700115", "PatientSex": "F"}
CHARLIE_HEADER = {"PatientName": "Okoro^Charlie", "PatientBirthDate": "19520229", "PatientSex": "M"}


def study_uid(study):
    return f"{ROOT}.{study}"


def image(folder, *, patient="A100", study=1, series=1, number=1, archive=None, corrected=None, **tags):
    """The path of one CT instance of that patient number; ``archive`` is its Source AE title. Absent tags: ``Tag=None``.

    ``corrected`` is the number that the archive says it was sent under before it put it right (0400,0561).
    """
    uid = f"{study_uid(study)}.{series}.{number}"
    values = {
        "SOPClassUID": CT, "SOPInstanceUID": uid, "StudyInstanceUID": study_uid(study), "SeriesInstanceUID": f"{study_uid(study)}.{series}",
        "StudyDate": "20250310", "StudyTime": "093000", "Modality": "CT", "SeriesNumber": series, "InstanceNumber": number,
        "AccessionNumber": f"ACC{study}", "StudyDescription": "CT Head", "PatientID": patient, **ALICE_HEADER, **tags,
    }  # fmt: skip
    ds = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    if corrected:
        ds.OriginalAttributesSequence = [_original(corrected)]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = values["SOPClassUID"], values["SOPInstanceUID"]
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if archive:
        ds.file_meta.SourceApplicationEntityTitle = archive
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uid}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def _original(patient):
    former, item = Dataset(), Dataset()
    former.PatientID = patient
    item.ModifiedAttributesSequence = [former]
    item.AttributeModificationDateTime, item.ModifyingSystem, item.ReasonForTheAttributeModification = "20250401120000", "RTKPACS", "CORRECT"
    return item


def note(folder, title, listed, *, study=1, **tags):
    """The path of a rejection note of that title (DCM) that lists these SOP instances."""
    return image(
        folder, study=study, series=9, number=int(title), SOPClassUID=KOS, Modality="KO",
        ConceptNameCodeSequence=[_item(CodeValue=title, CodingSchemeDesignator="DCM", CodeMeaning="Rejected")],
        CurrentRequestedProcedureEvidenceSequence=[
            _item(ReferencedSeriesSequence=[_item(ReferencedSOPSequence=[_item(ReferencedSOPInstanceUID=uid) for uid in listed])])
        ],
        **tags,
    )  # fmt: skip


def _item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made
