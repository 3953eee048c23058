"""HL7 v2 in ER7 form: read, understood as events, answered (hl7v2.md)."""
