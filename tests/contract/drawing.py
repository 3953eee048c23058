"""Hypothesis strategies: small worlds of resources whose values collide, and searches of them."""

from __future__ import annotations

from hypothesis import strategies as st

from app.principal import Principal
from app.search.criteria import (
    AllOf,
    AnyOf,
    Criterion,
    DateIs,
    Entries,
    HasId,
    Missing,
    Not,
    RefersTo,
    SortKey,
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)  # fmt: skip

TOKENS, STRINGS, DATES, REFERENCES = ("gender", "identifier"), ("family", "given"), ("birthdate", "started"), ("patient",)
SORTABLE = (*TOKENS, *STRINGS, *DATES, *REFERENCES, "_lastUpdated", "_id", "_commit", "nobody-has-it")
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "overlaps")
SYSTEMS = ("", "urn:a", "urn:b")
CODES = ("1", "12", "x", "é")
WORDS = ("a", "ab", "abc", "b", "ß", "\U0001f600")
EXACTS = ("a", "A", "ab", "Ab")
TARGETS = ("Patient/1", "Patient/2", "Patient/12")
IDS = tuple(f"{letter}{number}" for letter in "aB-" for number in range(4))
ORGANISATIONS = ("RTK", "RXC", "RTK+RXC", None)
_TIMES = tuple(range(0, 60, 10))

system, code, word = st.sampled_from(SYSTEMS), st.sampled_from(CODES), st.sampled_from(WORDS)
date_range = st.sampled_from([(low, high) for low in _TIMES for high in _TIMES if low < high])


def _set(*parts: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[tuple[object, ...], ...]]:
    return st.lists(st.tuples(*parts), max_size=most, unique=True).map(lambda rows: tuple(sorted(rows)))


entries = st.builds(
    Entries,
    tokens=_set(st.sampled_from(TOKENS), system, code),
    strings=_set(st.sampled_from(STRINGS), word, st.sampled_from(EXACTS)),
    dates=_set(st.sampled_from(DATES), date_range).map(lambda rows: tuple(sorted((p, *pair) for p, pair in rows))),
    references=_set(st.sampled_from(REFERENCES), st.sampled_from(TARGETS)),
    typed=_set(st.just("identifier"), system, code, code),
    texts=_set(st.sampled_from(TOKENS), word),
)

leaf = st.one_of(
    st.builds(TokenIs, st.sampled_from(TOKENS), st.none() | system, st.none() | code),
    st.builds(TypedIdentifier, st.just("identifier"), system, code, code),
    st.builds(TextStarts, st.sampled_from(TOKENS), word),
    st.builds(StringStarts, st.sampled_from(STRINGS), word),
    st.builds(StringIs, st.sampled_from(STRINGS), st.sampled_from(EXACTS)),
    st.builds(StringHas, st.sampled_from(STRINGS), word),
    st.builds(lambda param, prefix, pair: DateIs(param, prefix, *pair), st.sampled_from(DATES), st.sampled_from(PREFIXES), date_range),
    st.builds(RefersTo, st.sampled_from(REFERENCES), st.lists(st.sampled_from(TARGETS), max_size=3).map(tuple)),
    st.builds(HasId, st.lists(st.sampled_from(IDS), max_size=4).map(tuple)),
    st.builds(Missing, st.sampled_from((*SORTABLE[:-3], "nobody-has-it")), st.booleans()),
)


def _branches(inner: st.SearchStrategy[Criterion]) -> st.SearchStrategy[Criterion]:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(AnyOf, several), st.builds(AllOf, several))


criterion: st.SearchStrategy[Criterion] = st.recursive(leaf, _branches, max_leaves=6)
sort = st.lists(st.builds(SortKey, st.sampled_from(SORTABLE), st.booleans()), max_size=3, unique_by=lambda key: key.param).map(tuple)
principal = st.one_of(
    st.just(Principal("all", organisations=None)),
    st.builds(lambda seen: Principal("some", organisations=seen), st.frozensets(st.sampled_from(("RTK", "RXC")))),
)
_save = st.tuples(st.sampled_from(IDS), st.none() | entries | entries, st.sampled_from(ORGANISATIONS))
saves = st.lists(_save, min_size=1, max_size=14)
"""Resources saved (or, without entries, deleted) one commit after another."""
crowd = st.lists(_save, min_size=12, max_size=24)
"""As many as make groups of equal value."""

searches = st.lists(st.tuples(criterion, sort, st.integers(1, 5), principal, st.integers(0, 24)), min_size=1, max_size=8)
"""Criterion, sort, page size, who asks, and how many commits after the first to answer as of (beyond the last: now)."""
