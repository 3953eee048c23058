"""The patient matcher: pure; same input, same bytes. Knows nothing of HL7, DICOM, FHIR or a store."""
