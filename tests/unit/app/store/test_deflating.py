"""Deflated bytes are in zlib's format, so that what an earlier Weald wrote is read, and what is written can be read without isal."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from app.store.deflating import deflate, inflate

bodies = st.binary(max_size=2_000).map(lambda some: some * 9)


@given(bodies)
def test_what_was_deflated_comes_back(body):
    assert inflate(deflate(body)) == body
    assert zlib.decompress(deflate(body)) == body


@given(bodies, st.sampled_from([1, 3, 9]))
def test_what_zlib_wrote_is_read(body, level):
    assert inflate(zlib.compress(body, level)) == body


def test_damaged_bytes_are_refused():
    with pytest.raises(isal_zlib.error):
        inflate(deflate(b"Ward, Alice" * 500)[:-3])
