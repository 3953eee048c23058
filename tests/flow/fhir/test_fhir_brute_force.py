"""Indexed search finds what FHIRPath over every resource finds (the oracle of the index)."""

import fhirpathpy
import orjson
import pytest

from app.principal import SYSTEM
from tests.flow.fhir.conftest import DCM, NHS

QUESTIONS = [
    ("Patient", "family=holl", "name.family.where($this.lower().startsWith('holl')).exists()"),
    ("Patient", "given=a", "name.given.where($this.lower().startsWith('a')).exists()"),
    ("Patient", "family:exact=Hollis", "name.family.where($this = 'Hollis').exists()"),
    ("Patient", "family:contains=ield", "name.family.where($this.lower().contains('ield')).exists()"),
    ("Patient", "gender=female", "gender = 'female'"),
    ("Patient", "email:missing=true", "telecom.where(system = 'email').exists().not()"),
    ("Patient", f"identifier={NHS}|", f"identifier.where(system = '{NHS}').exists()"),
    ("Patient", "identifier:not=RTK001", "identifier.where(value = 'RTK001').exists().not()"),
    ("Patient", "active=true", "active = true"),
    ("Patient", "deceased=false", "deceased.exists().not()"),
    ("Patient", "address-city=craw", "address.city.where($this.lower().startsWith('craw')).exists()"),
    ("Patient", "birthdate=ge1980", "birthDate >= @1980-01-01"),
    ("Patient", "birthdate=lt1980&gender=female", "birthDate < @1980-01-01 and gender = 'female'"),
    ("Patient", "organization=Organization/rtk", "managingOrganization.where(reference = 'Organization/rtk').exists()"),
    ("Patient", "link=Patient/golden-alice", "link.other.where(reference = 'Patient/golden-alice').exists()"),
    ("ImagingStudy", "modality=CT", "series.modality.where(code = 'CT').exists()"),
    ("ImagingStudy", f"modality={DCM}|CT,{DCM}|US", "series.modality.where(code = 'CT' or code = 'US').exists()"),
    ("ImagingStudy", "modality:not=CT", "series.modality.where(code = 'CT').exists().not()"),
    ("ImagingStudy", "subject=Patient/alice-rtk&-reach=record", "subject.where(reference = 'Patient/alice-rtk').exists()"),
    ("ImagingStudy", "endpoint=rtk", "endpoint.where(reference = 'Endpoint/rtk').exists()"),
    ("ImagingStudy", "encounter:missing=true", "encounter.exists().not()"),
    ("Linkage", "item=Patient/alice-rxc", "item.resource.where(reference = 'Patient/alice-rxc').exists()"),
    ("Endpoint", "payload-type:text=dicom", "payloadType.text.where($this.lower().startsWith('dicom')).exists()"),
]


@pytest.mark.parametrize(("type_", "query", "predicate"), QUESTIONS)
def test_the_index_finds_what_fhirpath_finds(ids, region, type_, query, predicate):
    with region.store.snapshot(SYSTEM) as snapshot:
        stored = [orjson.loads(version.body) for version in snapshot.history(type_, limit=1000)]
    every = [each for each in stored if all(tag["code"] != "golden" for tag in each.get("meta", {}).get("tag", []))]
    expected = {each["id"] for each in every if fhirpathpy.evaluate(each, predicate) == [True]}
    assert set(ids(f"{type_}?{query}&_count=1000")) == expected
    assert expected
