"""The Standard's dictionaries, read through the door to pydicom when the first study asks for them.

pydicom is heavy to import: a process that serves studies but makes none, or has made none yet, does without it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def _door() -> Any:
    return import_module("mappers.dicom.dataset")


def sop_class_name(uid: str) -> str | None:
    """The dictionary name of a SOP class (PS3.6 annex A), None where the class is private."""
    name: str | None = _door().sop_class_name(uid)
    return name


def snomed_from_retired(code: str) -> str | None:
    """The SNOMED CT concept id that replaces a SNOMED RT style code (PS3.16 annex L; PS3.6)."""
    concept: str | None = _door().snomed_from_retired(code)
    return concept


def body_part(word: str) -> tuple[str, str] | None:
    """SNOMED concept id and meaning of a Body Part Examined that names a concept of PS3.16 CID 4, 4030 or 4031."""
    concept: tuple[str, str] | None = _door().body_part(word)
    return concept


def dicom_term(code: str) -> str | None:
    """The meaning of a code of the DICOM Controlled Terminology (PS3.16 annex D)."""
    meaning: str | None = _door().dicom_term(code)
    return meaning
