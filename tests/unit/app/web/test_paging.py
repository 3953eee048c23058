"""Page tokens: sealed, bound to the caller, ending after an hour (fhir.md 2, Paging)."""

import base64

import pytest

from app.errors import PageExpired, PageForged
from app.principal import Principal
from app.web.paging import LIFE, MAX_TOKEN, Page, Pages

ALICES_DOCTOR = Principal("doctor", frozenset({"RTK"}), frozenset({"clinician"}))
CHARLIE = Principal("charlie", frozenset({"RTK"}), frozenset({"clinician"}))
PAGE = Page((("family", "Hollis"), ("_count", "2")), False, 1_000_000, 7, ("hollis", None, 3, "alice-rtk"), 9)


def pages(secret=b"site"):
    return Pages(secret)


def test_a_token_opens_to_the_page_it_was_made_from():
    token = pages().seal(PAGE, ALICES_DOCTOR, "Patient")
    assert pages().open(token, ALICES_DOCTOR, "Patient", PAGE.begun + LIFE) == PAGE


def test_a_token_shows_nothing_and_is_never_the_same_twice():
    first, second = (pages().seal(PAGE, ALICES_DOCTOR, "Patient") for _ in range(2))
    assert first != second
    assert b"ollis" not in base64.urlsafe_b64decode(first + "==")


@pytest.mark.parametrize(
    ("secret", "caller", "path"),
    [
        (b"other", ALICES_DOCTOR, "Patient"),
        (b"site", CHARLIE, "Patient"),
        (b"site", Principal("doctor", frozenset({"RTK", "RXC"}), frozenset({"clinician"})), "Patient"),
        (b"site", Principal("doctor", None, frozenset({"clinician"})), "Patient"),
        (b"site", Principal("doctor", frozenset({"RTK"})), "Patient"),
        (b"site", ALICES_DOCTOR, "ImagingStudy"),
    ],
)
def test_a_token_of_another_caller_site_or_search_is_forged(secret, caller, path):
    token = pages().seal(PAGE, ALICES_DOCTOR, "Patient")
    with pytest.raises(PageForged):
        pages(secret).open(token, caller, path, PAGE.begun)


def test_any_changed_character_is_forged():
    token = pages().seal(PAGE, ALICES_DOCTOR, "Patient")
    for at in range(0, len(token) - 2, 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(PageForged):
            pages().open(changed, ALICES_DOCTOR, "Patient", PAGE.begun)


@pytest.mark.parametrize("token", ["", "x", "é", "a b", "=" * 8, "A" * (MAX_TOKEN + 1), "A" * 40])
def test_what_is_no_token_is_forged(token):
    with pytest.raises(PageForged):
        pages().open(token, ALICES_DOCTOR, "Patient", PAGE.begun)


def test_a_token_ends_an_hour_after_the_first_page():
    token = pages().seal(PAGE, ALICES_DOCTOR, "Patient")
    with pytest.raises(PageExpired):
        pages().open(token, ALICES_DOCTOR, "Patient", PAGE.begun + LIFE + 1)
