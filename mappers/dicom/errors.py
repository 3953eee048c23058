"""Why a DICOM data set is refused: a reason code and a sentence, never a value of the data set.

DicomRejected
|- NotDicom          nothing that can be read as a data set       0xC000
|- DicomTruncated    ends before its identifying UIDs             0xC000
|- DicomOverLimit    nested too deep, too many elements, inflates too far   0xC000
`- UidUnusable       study, series or SOP instance UID missing or invalid   0xA900
"""

from __future__ import annotations


class DicomRejected(Exception):
    """Base of the refusals; ``status`` is the STOW-RS and C-STORE failure reason (PS3.4 table B.2-1)."""

    reason = "rejected"
    status = 0xC000

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NotDicom(DicomRejected):
    reason = "not-dicom"


class DicomTruncated(DicomRejected):
    reason = "truncated"


class DicomOverLimit(DicomRejected):
    reason = "over-limit"


class UidUnusable(DicomRejected):
    reason = "uid-unusable"
    status = 0xA900
