"""Who may decide on links: in production the caller, and only a steward (security.md 1)."""

from types import SimpleNamespace

import pytest

from app.errors import Forbidden, ParameterMissing
from app.principal import Principal
from app.web.operations.deciding import steward
from app.web.parameters import Given


def exchange(mode, *roles):
    return SimpleNamespace(services=SimpleNamespace(settings=SimpleNamespace(mode=mode)), principal=Principal("jo", None, frozenset(roles)))


def test_in_production_the_caller_decides_and_no_parameter_says_otherwise():
    assert steward(exchange("production", "steward"), Given("", {"steward": ["bea"]})) == "jo"


def test_a_caller_without_the_role_decides_nothing():
    with pytest.raises(Forbidden):
        steward(exchange("production", "clinician"), Given("", {}))


def test_in_sample_mode_the_steward_is_named():
    assert steward(exchange("sample"), Given("", {"steward": ["bea"]})) == "bea"
    with pytest.raises(ParameterMissing):
        steward(exchange("sample"), Given("", {}))
