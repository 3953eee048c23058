"""Model files and other files of commands: whole or not at all, a model with the very table that it names."""

from __future__ import annotations

import stat
from hashlib import sha256

import pytest

from app.errors import InvalidValue, SettingsError
from app.models import frequencies_path, read_model, write_model
from app.outputs import write_text, written
from app.services import matching_model
from app.settings import load_settings
from matching.model import default_model, frequency_bytes, model_document

FREQUENCIES = frequency_bytes({"family": 100}, {"family": {"archer": 40}})


def document(frequencies=FREQUENCIES):
    model = default_model()
    return model_document(population=model.population, lambda_match=model.lambda_match, rivals=model.rivals, fields=model.fields, frequencies=frequencies)


def test_a_model_is_read_as_it_was_written_with_its_table(tmp_path):
    path = tmp_path / "m.json"
    write_model(path, document(), FREQUENCIES)
    model = read_model(path)
    assert model.document == document()
    assert model.frequencies == {"family": {"archer": 40}}


def test_a_model_without_a_table_needs_none(tmp_path):
    path = tmp_path / "m.json"
    write_model(path, document(None), None)
    assert read_model(path).frequencies == {}
    assert [one.name for one in tmp_path.iterdir()] == ["m.json"]


def test_a_new_table_never_takes_the_place_of_one_still_named(tmp_path):
    write_model(tmp_path / "m.json", document(), FREQUENCIES)
    other = frequency_bytes({"family": 9}, {})
    write_model(tmp_path / "n.json", document(other), other)
    assert read_model(tmp_path / "m.json").totals == {"family": 100}
    assert read_model(tmp_path / "n.json").totals == {"family": 9}


def test_a_model_whose_table_is_missing_or_another_is_refused(tmp_path):
    path = tmp_path / "m.json"
    write_model(path, document(), FREQUENCIES)
    table = frequencies_path(path, sha256(FREQUENCIES).hexdigest())
    table.write_bytes(b"{}")
    with pytest.raises(InvalidValue, match="not the one that the model names"):
        read_model(path)
    table.unlink()
    with pytest.raises(InvalidValue, match=r"frequencies-\w+\.json cannot be read"):
        read_model(path)


@pytest.mark.parametrize("text", ["", "[]", '{"frequencies": 5}', '{"frequencies": {"sha256": null}}'])
def test_a_file_that_is_no_model_is_refused(tmp_path, text):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(InvalidValue, match=r"m\.json: the model"):
        read_model(path)


def settings(tmp_path, path):
    return load_settings(env={"WEALD_MODE": "sample", "WEALD_MATCHING__MODEL": str(path), "WEALD_STORE": f"sqlite:///{tmp_path}/w.db"})


def test_the_setting_uses_the_model_and_its_table(tmp_path):
    path = tmp_path / "m.json"
    write_model(path, document(), FREQUENCIES)
    assert matching_model(settings(tmp_path, path)).totals == {"family": 100}


def test_a_setting_whose_model_cannot_be_used_stops_the_start(tmp_path):
    path = tmp_path / "m.json"
    path.write_text("{}")
    with pytest.raises(SettingsError, match=r"matching\.model: .*the model's format version is not 1"):
        matching_model(settings(tmp_path, path))


def _broken_off(path):
    with written(path) as stream:
        stream.write("two")
        raise RuntimeError


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "one")
    with pytest.raises(RuntimeError):
        _broken_off(path)
    assert path.read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match="cannot be written"):
        write_text(tmp_path / "missing" / "a.txt", "one")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").mkdir()
    with pytest.raises(InvalidValue, match="cannot be written"):
        write_text(tmp_path / "folder", "one")
