"""The operations: one file each, all listed in ``table`` (fhir.md 3)."""
