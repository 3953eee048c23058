"""FHIR search: the table of parameters, the entries made from it, and the criteria asked of a store."""
