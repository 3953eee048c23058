"""Page links: an encrypted, authenticated token that carries the query, the pinned commit and the place to resume.

The token is bound to the caller and the search path, and it ends 60 minutes after the first page, when index
entries of the pinned commit may be dropped (fhir.md 2, Paging). It holds the query, so that a page link shows
no search value to logs.
"""

from __future__ import annotations

import base64
import os
import zlib
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import PageExpired, PageForged
from app.principal import Principal

LIFE = 60 * 60 * 1_000_000
"""How long a walk may take, in microseconds."""

MAX_TOKEN = 16384
_NONCE = 12
_FORGED = "The page link is not one of this service's for this caller; start the search again."


@dataclass(frozen=True, slots=True)
class Page:
    """Where a walk stands. ``asked``: the parameters of page one; ``begun``: its instant in microseconds."""

    asked: tuple[tuple[str, str], ...]
    lenient: bool
    begun: int
    commit: int
    after: tuple[str | int | None, ...]
    total: int | None = None


class Pages:
    """Seals and opens page tokens with a key made from the site's secret."""

    def __init__(self, secret: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"weald page token 1").derive(secret)
        self._cipher = AESGCM(key)

    def seal(self, page: Page, principal: Principal, path: str) -> str:
        """The token of a page for this caller and path."""
        plain = orjson.dumps([page.asked, page.lenient, page.begun, page.commit, page.after, page.total])
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, zlib.compress(plain, 1), _bound(principal, path))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, token: str, principal: Principal, path: str, now: int) -> Page:
        """The page of a token. Raises PageForged where it was not made for this caller and path, PageExpired where it is over."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise PageForged(_FORGED)
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(principal, path))
        except (ValueError, InvalidTag) as error:
            raise PageForged(_FORGED) from error
        asked, lenient, begun, commit, after, total = orjson.loads(zlib.decompress(plain))
        if now > begun + LIFE:
            raise PageExpired("The page link is over an hour old; start the search again.")
        return Page(tuple((name, value) for name, value in asked), lenient, begun, commit, tuple(after), total)


def _bound(principal: Principal, path: str) -> bytes:
    organisations = None if principal.organisations is None else sorted(principal.organisations)
    return orjson.dumps([principal.id, organisations, sorted(principal.roles), path])
