"""The FHIR R4 front door (door: Flask): one module a FHIR interaction; stored bytes go out as they are."""
