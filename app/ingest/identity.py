"""Resource ids: keyed, stored at first sight, never re-minted (design.md, Identity)."""

from __future__ import annotations

import hashlib
import hmac
import uuid


def mint_id(secret: bytes, key: str) -> str:
    """The UUID of a first key: HMAC-SHA-256 under the site's secret, cut to a version 8 UUID (RFC 9562 5.8)."""
    digest = bytearray(hmac.new(secret, key.encode(), hashlib.sha256).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def digest_key(*parts: str) -> str:
    """A short document key made from its parts, free of any patient data."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
