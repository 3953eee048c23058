"""The settings: what one TOML file and the environment say, checked whole before anything starts.

This is the only reader of the environment. ``WEALD_CONFIG`` names the file; each scalar key is
overridden by ``WEALD_`` and its path joined with ``__``, or by that name with ``_FILE`` for a file that
holds the value. A wrong key or value stops the start with a sentence that names it (docs/settings.md).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from app.errors import SettingsError
from app.settings_model import SAMPLE_ID_SECRET, Listener, Settings, problems

__all__ = ["SAMPLE_ID_SECRET", "Listener", "Settings", "documented_keys", "explain", "load_settings", "masked_store"]

PREFIX = "WEALD_"
SHORT_NAMES = {"HTTP": ("listeners", "http"), "MLLP": ("listeners", "mllp"), "DICOM": ("listeners", "dicom")}
"""Short names of the contract; ``WEALD_STORE`` and ``WEALD_MODE`` are paths as they stand."""

NOT_SETTINGS = re.compile(r"CONFIG|TEST_\w+|PORT(_\w+)?|SERVICE_\w+")
"""Names after ``WEALD_`` that are no keys: the file itself, the tests', and what Kubernetes sets for a service called weald."""

SECRET_KEYS = ("id_secret", "store")
MASK = "********"

Place = tuple[str, ...]
Origins = dict[Place, str]
_UNIONS = frozenset({types.UnionType, Union})


def load_settings(path: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings of the file ``path``, else of ``WEALD_CONFIG``, with the overrides of ``env`` (default: the environment).

    Without a file, sample mode takes the shipped sample. Raises SettingsError, a sentence a fault.
    """
    env = os.environ if env is None else env
    named = path or (Path(env["WEALD_CONFIG"]) if env.get("WEALD_CONFIG") else None)
    data = _read_file(named) if named else _without_file(env)
    origins = _overlay(data, env)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(one, origins) for one in error.errors())) from None
    found = problems(settings)
    if found:
        raise SettingsError("\n".join(found))
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"WEALD_CONFIG: the file {path} cannot be read ({error.strerror}); name a TOML file that this user may read") from None
    except UnicodeDecodeError:
        raise SettingsError(f"WEALD_CONFIG: the file {path} is not UTF-8; a TOML file is") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"WEALD_CONFIG: the file {path} is not TOML: {error}") from None


def _without_file(env: Mapping[str, str]) -> dict[str, Any]:
    if env.get("WEALD_MODE", "production") == "production":
        raise SettingsError("WEALD_CONFIG is not set; production mode needs the TOML file of this site (WEALD_MODE=sample needs none)")
    return tomllib.loads(resources.files("app").joinpath("sample.toml").read_text("utf-8"))


def _overlay(data: dict[str, Any], env: Mapping[str, str]) -> Origins:
    """Put the values of the environment into ``data``; returns which variable gave which path."""
    origins: Origins = {}
    for name in sorted(env):
        tail = name.removeprefix(PREFIX)
        if tail == name or NOT_SETTINGS.fullmatch(tail):
            continue
        parts, value = _value(tail, env[name], name, data)
        if parts in origins:
            raise SettingsError(f"{name} and {origins[parts]} both set {'.'.join(parts)}; keep one")
        origins[parts] = name
        _put(data, parts, value, name)
    return origins


def _value(tail: str, text: str, name: str, data: Mapping[str, Any]) -> tuple[Place, str]:
    """The path that a variable names and its value, read from a file where the name ends in ``_FILE``."""
    parts = _path(tail, data)
    if parts is not None:
        return parts, text
    parts = _path(tail.removesuffix("_FILE"), data) if tail.endswith("_FILE") else None
    if parts is None:
        raise SettingsError(f"{name} is no setting{_suggestion(name, [_variable(key) for key in documented_keys()])}")
    try:
        return parts, Path(text).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name} names a file that cannot be read; name a text file that this user may read") from None


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace("-", "_").replace(".", "__")


def _path(tail: str, data: Mapping[str, Any]) -> Place | None:
    """The path of the scalar key that ``tail`` names; keys of tables are matched without case, ``-`` as ``_``."""
    if tail in SHORT_NAMES:
        return SHORT_NAMES[tail]
    wanted, found = tail.split("__"), []
    kind: Any = Settings
    at: Any = data
    for part in wanted:
        if _is_table(kind):
            fields = kind.model_fields
            name = part.lower() if part.lower() in fields else None
            kind = _plain(fields[name].annotation) if name else None
        else:
            keys = list(at) if isinstance(at, dict) else []
            name = next((key for key in keys if key.upper().replace("-", "_") == part), None)
            kind = _plain(get_args(kind)[1]) if get_origin(kind) is not None and name else None
        if name is None or kind is None:
            return None
        at = at.get(name) if isinstance(at, dict) else None
        found.append(name)
    return tuple(found) if _is_scalar(kind) else None


def _plain(annotation: Any) -> Any:
    """An annotation without Annotated and without ``| None``."""
    if hasattr(annotation, "__metadata__"):
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        return _plain(next(one for one in get_args(annotation) if one is not types.NoneType))
    return annotation


def _is_scalar(kind: Any) -> bool:
    return get_origin(kind) not in (tuple, dict, Mapping) and not _is_table(kind)


def _is_table(kind: Any) -> bool:
    """Whether a key of that type is a table of further keys."""
    return isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Listener


def _put(data: dict[str, Any], parts: Place, value: str, name: str) -> None:
    at: Any = data
    for part in parts[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise SettingsError(f"{name} sets {'.'.join(parts)}, but {part} in the file is no table")
    at[parts[-1]] = value


def _sentence(error: ErrorDetails, origins: Origins) -> str:
    """One fault as a sentence: key, value, what is allowed."""
    location = tuple(str(part) for part in error["loc"] if part != "[key]")
    key = ".".join(location)
    where = f" (from {origins[location]})" if location in origins else ""
    if error["type"] == "extra_forbidden":
        return f"{key} is no setting{_suggestion(key, _known_beside(location))}"
    if error["type"] == "missing":
        return f"{key} is missing; give {_allowed(location) or 'it a value'}"
    if "[key]" in error["loc"]:
        return f"{key} is no name for an entry; {_wanted(error) or error['msg']}"
    return f"{key}{where} is {_given(key, error['input'])}; {_wanted(error) or error['msg']}"


def _given(key: str, value: Any) -> str:
    """A wrong value as a sentence may show it."""
    if key.rpartition(".")[2] in SECRET_KEYS:
        return MASK
    return "a table" if isinstance(value, dict) else repr(value)


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    bounds = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"), "greater_than": ("gt", "more than")}
    kind = error["type"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"allowed: {context['expected']}"
    if kind in bounds:
        name, comparison = bounds[kind]
        return f"allowed: {comparison} {context[name]:g}"
    words = {
        "int_parsing": "a whole number", "int_type": "a whole number", "int_from_float": "a whole number", "float_parsing": "a number",
        "float_type": "a number", "path_type": "a path",
        "bool_parsing": "true or false", "bool_type": "true or false", "string_type": "a text", "tuple_type": "a list",
        "string_too_short": "a text that is not empty", "model_type": "a table", "mapping_type": "a table", "dict_type": "a table",
    }.get(kind)  # fmt: skip
    return f"allowed: {words}" if words else ""


def _fields_at(location: Sequence[str]) -> Mapping[str, Any]:
    """The fields of the table that holds the key at ``location``."""
    kind: Any = Settings
    for part in location[:-1]:
        kind = _plain(kind.model_fields[part].annotation) if _is_table(kind) else _plain(get_args(kind)[1])
    return kind.model_fields if _is_table(kind) else {}


def _allowed(location: Sequence[str]) -> str:
    field = _fields_at(location).get(location[-1])
    return (field.description or "") if field is not None else ""


def _known_beside(location: Sequence[str]) -> list[str]:
    return [".".join((*location[:-1], name)) for name in _fields_at(location)]


def _suggestion(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; docs/settings.md lists all"


def documented_keys() -> list[str]:
    """Every key as docs/settings.md writes it, ``<code>`` for the name of a table's entry."""
    return [".".join(parts) for parts in _walk(Settings, ())]


def _walk(kind: Any, parts: Place) -> Iterator[Place]:
    for name, field in kind.model_fields.items():
        inner, place = _plain(field.annotation), (*parts, name)
        if get_origin(inner) is Mapping and _is_table(_plain(get_args(inner)[1])):
            inner, place = _plain(get_args(inner)[1]), (*place, "<code>")
        if _is_table(inner):
            yield from _walk(inner, place)
        else:
            yield place


def explain(settings: Settings) -> str:
    """Each setting in force as ``path = value``, one a line: secrets masked, defaults marked, those of coded entries left out."""
    return "\n".join(_lines(settings, "", coded=False))


def _lines(model: BaseModel, prefix: str, *, coded: bool) -> Iterator[str]:
    for name in type(model).model_fields:
        if coded and name not in model.model_fields_set:
            continue
        value, key = getattr(model, name), prefix + name
        if isinstance(value, BaseModel) and not isinstance(value, Listener):
            yield from _lines(value, f"{key}.", coded=coded)
        elif isinstance(value, Mapping) and any(isinstance(one, BaseModel) for one in value.values()):
            for code, one in value.items():
                yield from _lines(one, f"{key}.{code}.", coded=True)
        else:
            yield f"{key} = {_shown(key, value)}{'' if name in model.model_fields_set else '  # default'}"


def masked_store(uri: str) -> str:
    """The ``store`` setting as it may be shown: user and password masked."""
    return re.sub(r"(?<=://)[^/@]*@", f"{MASK}@", uri)


def _shown(key: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if key == "store":
        return masked_store(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(key, one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_shown(key, one)}" for name, one in value.items()) + "}"
    if isinstance(value, BaseModel) and not isinstance(value, Listener):
        return "{" + ", ".join(f"{name} = {_shown(key, one)}" for name, one in value) + "}"
    if value is None:
        return "off" if key.startswith("listeners.") else "(none)"
    return str(value).lower() if isinstance(value, bool) else str(value)
