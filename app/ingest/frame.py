"""A message as a listener hands it over: its bytes, and what only the connection knows of it."""

from __future__ import annotations

from typing import Self

from app.sources import ClientCertificate

Acknowledgements = tuple[bytes, ...]
"""What answers one message, in the order to send it: empty where the sender wants none, in enhanced mode it may be two."""


class Frame(bytes):
    """The bytes of one MLLP frame.

    ``size`` is that of the whole frame, which was larger than these bytes where it was over size and only its
    head was kept; ``certificate`` is that of the TLS peer.
    """

    size: int
    certificate: ClientCertificate | None

    def __new__(cls, content: bytes | bytearray | memoryview, size: int | None = None, certificate: ClientCertificate | None = None) -> Self:
        frame = super().__new__(cls, content)
        frame.size = len(frame) if size is None else size
        frame.certificate = certificate
        return frame

    @property
    def over_size(self) -> bool:
        """Whether the rest of the message was discarded on arrival: it is to be refused, never applied."""
        return self.size > len(self)
