"""The commands of operators and stewards, as typed, over a store that feeds have filled."""

import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from app.cli import main, weald
from tests.flow.doors import mrn
from tests.flow.messages import NUMBERS, adt, cx, pid

ALICE = {5: "Marchant^Alice^Rose", 7: "19840523", 8: "F", 11: "14 Oakfield Road^^Haywards Heath^^RH16 9ZE", 13: "01632 960144"}
ANNA = {**ALICE, 5: "Marchant^Anna^Jane"}


@pytest.fixture
def run(weald_store, settings_file):
    """Runs a command; the result has its exit code and output."""

    def command(*words):
        return CliRunner().invoke(weald, words, env={"WEALD_CONFIG": str(settings_file), "WEALD_STORE": weald_store, "USER": "jo"})

    return command


@pytest.fixture
def weald_store(weald):
    """The sample's settings, and Alice at two trusts, Anna at a third."""
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE)))
    weald.accept(adt("A28", pid(cx("B200", "RXC"), who=ALICE), trust="RXC"))
    weald.accept(adt("A28", pid(cx("C300", "RA2"), who=ANNA), trust="RA2"))
    return weald.services.settings.store


def test_explain_names_levels_and_says_whether_they_are_together(run):
    said = run("explain", mrn("A100"), mrn("B200", "RXC"))
    assert said.exit_code == 0
    assert re.search(r"given\W+1 equal\W+\+", said.output)
    assert "edge: match, certain at +" in said.output
    assert "They are one person now." in said.output
    assert "Marchant" not in said.output


def test_explain_says_why_a_number_links_two_records_that_say_little_else(run, weald):
    moved = {5: "Field^Alice", 7: "19840523", 8: "F", 11: "2 Alder Walk^^Hove^^BN3 1AA"}
    for trust, who in (("RTK", ALICE), ("RXC", moved)):
        weald.accept(adt("A28", pid(cx("D400", trust), number=NUMBERS["alice"], who=who), trust=trust))
    said = run("explain", mrn("D400"), mrn("D400", "RXC"))
    assert re.search(r"edge: number, certain at .*: one verified NHS number links by itself", said.output)


def test_explain_of_the_twin_names_the_cap(run):
    said = run("explain", mrn("A100"), mrn("C300", "RA2"))
    assert "6 different" in said.output
    assert "cap: twin-pattern: at most probable" in said.output
    assert "They are not linked now." in said.output


def test_a_decision_says_how_to_take_it_back(run):
    said = run("review", "unlink", mrn("A100"), mrn("B200", "RXC"), "--why", "To be checked")
    assert said.exit_code == 0
    assert "They are not linked now." in run("explain", mrn("A100"), mrn("B200", "RXC")).output
    decision = re.search(r"weald review undo (\S+) --why", said.output)[1]
    assert run("review", "undo", decision, "--why", "One person").exit_code == 0
    assert "They are one person now." in run("explain", mrn("A100"), mrn("B200", "RXC")).output


def test_an_undo_may_name_the_two_records(run):
    run("review", "unlink", mrn("A100"), mrn("B200", "RXC"), "--why", "To be checked")
    assert run("review", "undo", mrn("A100"), mrn("B200", "RXC"), "--why", "One person").exit_code == 0
    assert "They are one person now." in run("explain", mrn("A100"), mrn("B200", "RXC")).output


def test_a_decision_needs_a_reason(run):
    assert "--why" in run("review", "unlink", mrn("A100"), mrn("B200", "RXC")).output


def test_a_file_of_an_unknown_archive_is_rejected_alone(tmp_path):
    settings = tmp_path / "weald.toml"
    settings.write_text('mode = "sample"\n[organisations]\nRTK = { name = "RTK" }\n')
    (tmp_path / "one.json").write_text('[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]')
    env = {"WEALD_CONFIG": str(settings), "WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"}
    said = CliRunner().invoke(weald, ["load", str(tmp_path / "one.json")], env=env)
    assert said.exit_code == 3
    assert "its archive is not known" in said.output


def test_a_refusal_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["weald", "--config", "/nowhere/weald.toml", "config", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("weald: WEALD_CONFIG: the file /nowhere/weald.toml cannot be read")


def test_a_command_without_standard_streams_ends_as_any_other(settings_file, tmp_path):
    """What is opened next must not take their place; ``serve`` under a supervisor that closes them starts."""
    environment = {**os.environ, "WEALD_CONFIG": str(settings_file), "WEALD_STORE": f"sqlite:///{tmp_path}/weald.db"}
    script = f'"{sys.executable}" -c "from app.cli import main; main()" report matching --out "{tmp_path}/report" <&- >&- 2>&-'
    assert subprocess.run(script, shell=True, env=environment, check=False, timeout=120).returncode == 0  # noqa: S602
    assert list((tmp_path / "report").iterdir())
