"""What can be wrong with a message, one class a cause (hl7v2.md 6, acknowledgement table).

A class carries the ERR-3 code (HL7 table 0357) and the original-mode acknowledgement code. Texts say
what is missing or unreadable and never hold a submitted value.
"""

from __future__ import annotations


class Er7Error(Exception):
    """Base of all; ``location`` is an ERR-2 value such as ``PID^1^3``."""

    acknowledgement = "AE"
    hl7_code = "207"

    def __init__(self, text: str, *, location: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.location = location


class NoHeader(Er7Error):
    """The bytes do not begin with an MSH segment."""

    acknowledgement, hl7_code = "AR", "100"


class UnsupportedMessage(Er7Error):
    """MSH-9.1 is no message type that Weald takes."""

    acknowledgement, hl7_code = "AR", "200"


class UnsupportedEvent(Er7Error):
    """MSH-9.2 is no trigger event that Weald takes."""

    acknowledgement, hl7_code = "AR", "201"


class UnsupportedProcessing(Er7Error):
    """MSH-11 is not taken here."""

    acknowledgement, hl7_code = "AR", "202"


class UnsupportedVersion(Er7Error):
    """MSH-12 is not a version of HL7 2."""

    acknowledgement, hl7_code = "AR", "203"


class UnsupportedCharset(Er7Error):
    """MSH-18 names a character set that Weald does not read."""

    acknowledgement, hl7_code = "AR", "103"


class MessageTooLarge(Er7Error):
    """The message is over a limit of its source."""

    acknowledgement, hl7_code = "AR", "207"


class SegmentSequence(Er7Error):
    """A segment is missing, surplus or out of place."""

    hl7_code = "100"


class MissingField(Er7Error):
    """A field that the event needs is empty."""

    hl7_code = "101"


class InvalidField(Er7Error):
    """A field cannot be read as its data type."""

    hl7_code = "102"
