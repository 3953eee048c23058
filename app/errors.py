"""Every refusal Weald gives, one class a cause.

A class carries the HTTP status and FHIR issue code (FHIR R4 http.html, issue-type) for the web,
and the HL7 table 0357 code with the original-mode acknowledgement for MLLP. Texts say what to
change and never hold a submitted value.

    WealdError
    |- SettingsError              the start stops
    |- BadRequest                 400 structure        AE 207
    |  |- InvalidValue            400 value            AE 102
    |  |- NotSupported            400 not-supported
    |  |- ParameterMissing        400 required
    |  |- TooCostly               400 too-costly
    |  `- PageForged              400 invalid
    |- LoginRequired              401 login
    |- Forbidden                  403 forbidden
    |- NotFound                   404 not-found        AE 204
    |  `- UnknownType             404 not-supported
    |- Gone                       410 deleted
    |  `- PageExpired             410 expired
    |- NotAllowed                 405 not-supported
    |- NotAcceptable              406 not-supported
    |- PreconditionFailed         412 conflict
    |- Unprocessable              422 invariant        AE 102
    |  |- InvalidContent          422, several issues
    |  |- RequiredMissing         422 required         AE 101
    |  |- UnknownKey              422 not-found        AE 204
    |  |- DuplicateKey            422 duplicate        AE 205
    |  `- BusinessRule            422 business-rule    AE 207
    |- MessageRejected                                 AR 100
    |  |- UnsupportedMessage                           AR 200
    |  |- UnsupportedEvent                             AR 201
    |  |- UnsupportedProcessing                        AR 202
    |  |- UnsupportedVersion                           AR 203
    |  `- SenderNotAllowed                             AR 207
    |- TooLarge                   413 too-long         AR 207
    |- UnsupportedMedia           415 not-supported
    |- Conflict                   409 conflict
    |- InvalidOutcome             500 exception        AE 207
    `- StoreUnavailable           503 transient        (the answer is withheld)
"""

from __future__ import annotations

from collections.abc import Sequence


class WealdError(Exception):
    """Base of all refusals. ``expression`` is a FHIRPath, ``location`` an HL7 ERR-2 value."""

    status = 500
    issue_code = "exception"
    acknowledgement = "AE"
    hl7_code = "207"

    def __init__(self, text: str, *, expression: str | None = None, location: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.expression = expression
        self.location = location


class SettingsError(WealdError):
    """A wrong setting; the text names its key, value and what is allowed."""


class BadRequest(WealdError):
    status, issue_code = 400, "structure"


class InvalidValue(BadRequest):
    issue_code, hl7_code = "value", "102"


class NotSupported(BadRequest):
    issue_code = "not-supported"


class ParameterMissing(BadRequest):
    issue_code = "required"


class TooCostly(BadRequest):
    issue_code = "too-costly"


class PageForged(BadRequest):
    issue_code = "invalid"


class LoginRequired(WealdError):
    status, issue_code = 401, "login"


class Forbidden(WealdError):
    status, issue_code = 403, "forbidden"


class NotFound(WealdError):
    status, issue_code, hl7_code = 404, "not-found", "204"


class UnknownType(NotFound):
    issue_code = "not-supported"


class Gone(WealdError):
    status, issue_code = 410, "deleted"


class PageExpired(Gone):
    issue_code = "expired"


class NotAllowed(WealdError):
    status, issue_code = 405, "not-supported"


class NotAcceptable(WealdError):
    status, issue_code = 406, "not-supported"


class PreconditionFailed(WealdError):
    status, issue_code = 412, "conflict"


class Unprocessable(WealdError):
    status, issue_code, hl7_code = 422, "invariant", "102"


class InvalidContent(Unprocessable):
    """A resource that breaks rules; ``issues`` are all of them: FHIR issue code, FHIRPath, sentence."""

    def __init__(self, issues: Sequence[tuple[str, str, str]]) -> None:
        super().__init__("The resource is not well-formed.")
        self.issues = tuple(issues)


class RequiredMissing(Unprocessable):
    issue_code, hl7_code = "required", "101"


class UnknownKey(Unprocessable):
    issue_code, hl7_code = "not-found", "204"


class DuplicateKey(Unprocessable):
    issue_code, hl7_code = "duplicate", "205"


class BusinessRule(Unprocessable):
    issue_code = "business-rule"


class MessageRejected(WealdError):
    status, issue_code, acknowledgement, hl7_code = 400, "structure", "AR", "100"


class UnsupportedMessage(MessageRejected):
    issue_code, hl7_code = "not-supported", "200"


class UnsupportedEvent(MessageRejected):
    issue_code, hl7_code = "not-supported", "201"


class UnsupportedProcessing(MessageRejected):
    issue_code, hl7_code = "not-supported", "202"


class UnsupportedVersion(MessageRejected):
    issue_code, hl7_code = "not-supported", "203"


class SenderNotAllowed(MessageRejected):
    status, issue_code, hl7_code = 403, "forbidden", "207"


class TooLarge(WealdError):
    status, issue_code, acknowledgement = 413, "too-long", "AR"


class UnsupportedMedia(WealdError):
    status, issue_code = 415, "not-supported"


class Conflict(WealdError):
    status, issue_code = 409, "conflict"


class InvalidOutcome(WealdError):
    """What Weald itself made of something received is no well-formed resource: its own fault, which that one thing meets and no other."""


class StoreUnavailable(WealdError):
    """The store cannot commit now; a feed gets no answer and sends again."""

    status, issue_code = 503, "transient"
