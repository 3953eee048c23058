"""Pure maps: HL7 v2 and DICOM to FHIR R4. No clock, no random ids, no files, no logging."""
