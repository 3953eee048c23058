"""``weald link`` and ``weald evaluate`` on files, as a data team runs them (matching.md 12)."""

from __future__ import annotations

import csv
import os
import random
import threading

import pytest

from matching import training
from tests.flow.command import run
from tests.unit.matching.population import FAMILIES, GIVENS

PEOPLE = 150


@pytest.fixture(autouse=True)
def _few_random_pairs(monkeypatch):
    monkeypatch.setattr(training, "RANDOM_PAIRS", 20_000)


def save(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def slipped(draw, text):
    place = draw.randrange(len(text))
    return text[:place] + draw.choice("23456789") + text[place + 1 :]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two tables of the same people under other headers, and the truth in both its forms."""
    folder, draw = tmp_path_factory.mktemp("tables"), random.Random(3)
    left, right, truth, persons = [], [], [], []
    for number in range(PEOPLE):
        said = {
            "given_name": draw.choice(GIVENS), "surname": draw.choice(FAMILIES), "dob": f"{draw.randrange(1, 29):02}/{draw.randrange(1, 13):02}/{draw.randrange(1935, 2010)}",
            "postcode": f"{draw.randrange(1000, 9999)}", "ssn": f"{draw.randrange(10**7, 10**8)}",
        }  # fmt: skip
        field = draw.choice(("given_name", "surname", "postcode", "ssn"))
        left.append({"rec_id": f"l{number}", **said})
        other = {**said, field: slipped(draw, said[field])}
        right.append({"number": f"r{number}", "first": other["given_name"], "last": other["surname"], "born": other["dob"], "zip": other["postcode"], "nino": other["ssn"]})
        truth.append({"left_id": f"l{number}", "right_id": f"r{number}"})
        persons += [{"id": f"{side}{number}", "cluster": str(number), "group": "young" if number % 2 else "old"} for side in "lr"]
    save(folder / "left.csv", left)
    save(folder / "right.csv", right)
    save(folder / "truth.csv", truth)
    save(folder / "persons.csv", persons)
    return folder


MAP = "id=rec_id,id=number,given=given_name,given=first,family=surname,family=last,birth_date=dob,birth_date=born,postcode=postcode,postcode=zip,id.ssn=ssn,id.ssn=nino"


@pytest.fixture
def linked(files, tmp_path, capsys):
    """The command run on two tables: its output files."""
    ran = run(
        capsys, "link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--out", tmp_path / "pairs.csv",
        "--clusters", tmp_path / "clusters.csv", "--save-model", tmp_path / "model.json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return tmp_path, ran


def test_pairs_have_the_format_that_the_design_gives(linked):
    folder, _ = linked
    with (folder / "pairs.csv").open(encoding="utf-8") as stream:
        head = stream.readline().strip().split(",")
    assert head[:5] == ["left_id", "right_id", "p", "weight", "grade"]
    assert head[5:] == [f"{name}_{part}" for name in ("given", "family", "birth_date", "postcode", "id:ssn") for part in ("level", "weight")]
    rows = read(folder / "pairs.csv")
    assert all(row["grade"] in ("certain", "probable", "possible") for row in rows)
    assert {(row["left_id"], row["right_id"]) for row in rows if float(row["p"]) >= 0.95} <= {(f"l{n}", f"r{n}") for n in range(PEOPLE)}
    assert float(rows[0]["weight"]) >= float(rows[-1]["weight"])


def test_a_slip_in_an_extra_identifier_keeps_no_pair_from_certain(linked):
    rows = [row for row in read(linked[0] / "pairs.csv") if row["id:ssn_level"] not in ("0", "1") and float(row["p"]) > 0.9999]
    assert rows
    assert {row["grade"] for row in rows} == {"certain"}


def test_clusters_hold_each_row_once(linked):
    rows = read(linked[0] / "clusters.csv")
    assert sorted(row["id"] for row in rows) == sorted(f"{side}{n}" for side in "lr" for n in range(PEOPLE))


def test_the_command_says_what_it_did(linked):
    out = linked[1].out
    assert "left.csv: 150 rows; id=rec_id,given=given_name" in out
    assert "pairs written to" in out
    assert "pairs certain" in out
    assert "model" in out


def test_guessed_headers_are_printed_and_unused_ones_named(files, tmp_path, capsys):
    ran = run(capsys, "link", "--left", files / "left.csv", "--out", tmp_path / "pairs.csv")
    assert ran.code == 0
    assert "id=rec_id,given=given_name,family=surname,birth_date=dob,postcode=postcode,id.ssn=ssn" in ran.out
    save(tmp_path / "odd.csv", [{"id": "1", "given": "Alice", "shoe": "38"}, {"id": "2", "given": "Anna", "shoe": "39"}])
    ran = run(capsys, "link", "--left", tmp_path / "odd.csv", "--out", tmp_path / "pairs.csv")
    assert "not used: shoe" in ran.out
    assert "The training is doubtful" in ran.err
    assert "taken from the shipped model: given" in ran.err


def test_a_kept_model_scores_the_same_pairs_again(files, linked, capsys):
    folder, _ = linked
    ran = run(
        capsys, "link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--out", folder / "again.csv",
        "--model", folder / "model.json", "--save-model", folder / "same.json",
    )  # fmt: skip
    assert ran.code == 0
    assert (folder / "again.csv").read_bytes() == (folder / "pairs.csv").read_bytes()
    assert (folder / "same.json").read_bytes() == (folder / "model.json").read_bytes()


def test_exactly_the_pairs_of_a_file_are_scored(files, linked, capsys):
    folder, _ = linked
    save(folder / "asked.csv", [{"left_id": "l0", "right_id": "r0"}, {"left_id": "l0", "right_id": "r1"}])
    command = ["link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--model", folder / "model.json"]
    assert run(capsys, *command, "--pairs", folder / "asked.csv", "--out", folder / "scored.csv").code == 0
    assert [(row["left_id"], row["right_id"]) for row in read(folder / "scored.csv")] == [("l0", "r0"), ("l0", "r1")]
    save(folder / "asked.csv", [{"left_id": "r0", "right_id": "l0"}])
    refused = run(capsys, *command, "--pairs", folder / "asked.csv", "--out", folder / "scored.csv")
    assert (refused.code, refused.out.count("written")) == (2, 0)
    assert "pair 1 has an id that its table has not" in refused.err


def test_of_the_pairs_of_a_file_the_best_are_taken_first_where_each_row_is_used_once(files, linked, tmp_path, capsys):
    save(tmp_path / "asked.csv", [{"left_id": f"l{a}", "right_id": f"r{b}"} for a, b in ((0, 1), (0, 0), (1, 0), (1, 1))])
    command = ["link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--model", linked[0] / "model.json"]
    assert run(capsys, *command, "--pairs", tmp_path / "asked.csv", "--one-to-one", "--out", tmp_path / "out.csv").code == 0
    assert {(row["left_id"], row["right_id"]) for row in read(tmp_path / "out.csv")} == {("l0", "r0"), ("l1", "r1")}


def test_one_to_one_and_the_seed_are_taken(files, tmp_path, capsys):
    command = ["link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--one-to-one", "--seed", "7", "--threshold", "0.9"]
    assert run(capsys, *command, "--out", tmp_path / "pairs.csv").code == 0
    rows = read(tmp_path / "pairs.csv")
    assert len({row["left_id"] for row in rows}) == len(rows) == len({row["right_id"] for row in rows})


def test_dates_are_read_as_the_format_says(tmp_path, capsys):
    rows = [{"id": str(n), "family": f"Archer{n}", "dob": f"0{n}/14/1980"} for n in range(1, 4)]
    save(tmp_path / "us.csv", rows)
    command = ["link", "--left", tmp_path / "us.csv", "--out", tmp_path / "pairs.csv"]
    told = run(capsys, *command, "--date-format", "%m/%d/%Y")
    assert (told.code, "birth dates" in told.err) == (0, False)
    assert "3 of 3 birth dates have a month above 12; perhaps --date-format %m/%d/%Y" in run(capsys, *command).err
    assert "3 of 3 birth dates cannot be read and count as missing" in run(capsys, *command, "--date-format", "%Y%m%d").err


@pytest.mark.parametrize("format_", ["%d/%m", "day", "%Y", "%H:%M", "%Y-%m-%d %"])
def test_a_date_format_that_tells_no_day_is_refused(files, tmp_path, capsys, format_):
    ran = run(capsys, "link", "--left", files / "left.csv", "--out", tmp_path / "pairs.csv", "--date-format", format_)
    assert (ran.code, "--date-format: it must have day, month and year" in ran.err) == (2, True)


def test_no_file_is_written_over_one_that_is_read_or_written(files, tmp_path, capsys):
    table = save(tmp_path / "left.csv", read(files / "left.csv"))
    before = table.read_bytes()
    for more in (["--out", tmp_path / "." / "left.csv"], ["--out", tmp_path / "a.csv", "--clusters", table], ["--out", tmp_path / "a.csv", "--clusters", tmp_path / "a.csv"]):
        ran = run(capsys, "link", "--left", table, *more)
        assert (ran.code, "give another file" in ran.err) == (2, True)
    assert table.read_bytes() == before
    assert not (tmp_path / "a.csv").exists()


def test_each_row_of_one_table_is_used_once(tmp_path, capsys):
    rows = [{"id": str(number), "family": "Okonkwo", "given": "Adaeze", "dob": "1980-05-17", "postcode": "BN1 1AA"} for number in range(3)]
    save(tmp_path / "rows.csv", [*rows, *({"id": f"o{n}", "family": FAMILIES[n], "given": GIVENS[n], "dob": f"19{50 + n}-01-02", "postcode": f"BN{n} 2BB"} for n in range(20))])
    assert run(capsys, "link", "--left", tmp_path / "rows.csv", "--out", tmp_path / "pairs.csv", "--one-to-one").code == 0
    used = [row[side] for row in read(tmp_path / "pairs.csv") for side in ("left_id", "right_id")]
    assert len(used) == len(set(used)) > 0


def test_a_model_used_is_kept_with_its_frequencies(files, linked, tmp_path, capsys):
    command = ["link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP]
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    assert run(capsys, *command, "--out", kept / "one.csv", "--model", linked[0] / "model.json", "--save-model", kept / "model.json").code == 0
    assert run(capsys, *command, "--out", kept / "two.csv", "--model", kept / "model.json").code == 0
    assert (kept / "one.csv").read_bytes() == (kept / "two.csv").read_bytes()


def test_all_pairs_compared_are_written_where_asked(files, linked, tmp_path, capsys):
    command = ["link", "--left", files / "left.csv", "--right", files / "right.csv", "--columns", MAP, "--model", linked[0] / "model.json"]
    assert run(capsys, *command, "--out", tmp_path / "all.csv", "--all-pairs").code == 0
    rows = read(tmp_path / "all.csv")
    assert {"certain", "certainly-not"} <= {row["grade"] for row in rows}
    assert [row for row in rows if row["grade"] != "certainly-not"] == [row for row in read(linked[0] / "pairs.csv") if row["grade"] != "certainly-not"]
    ran = run(capsys, "evaluate", "--pairs", tmp_path / "all.csv", "--truth", files / "truth.csv")
    assert measure(ran.out, "block recall") > 0.97


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        (b"id,given\n1,A\n1,B\n", [], "two rows have the same id"),
        (b"id,given\n1\n", [], "line 2"),
        (b"\xff\xfe", [], "not UTF-8"),
        (b"", [], "no header line"),
        (b"id,given\n1,A\n2,B\0\n", [], "line 3: it has a NUL character"),
        (b"one,two\n1,2\n", [], "exactly one column must have the role id"),
        (b"id,given\n1,A\n2,B\n", ["--columns", "id=no"], "no table has a column no"),
        (b"id,given\n1,A\n2,B\n", ["--columns", "id=id,colour=given"], "role=column"),
    ],
)
def test_bad_tables_are_a_sentence_and_exit_2(tmp_path, capsys, text, more, sentence):
    (tmp_path / "bad.csv").write_bytes(text)
    ran = run(capsys, "link", "--left", tmp_path / "bad.csv", "--out", tmp_path / "pairs.csv", *more)
    assert ran.code == 2
    assert ran.err.startswith("weald: ")
    assert sentence in ran.err
    assert not (tmp_path / "pairs.csv").exists()


@pytest.mark.parametrize("threshold", ["nan", "-nan", "0", "1.5", "inf"])
def test_a_threshold_that_is_no_probability_is_refused(files, tmp_path, capsys, threshold):
    for command in (["link", "--left", files / "left.csv", "--out", tmp_path / "pairs.csv"], ["evaluate", "--truth", files / "truth.csv", "--pairs", files / "left.csv"]):
        ran = run(capsys, *command, "--threshold", threshold)
        assert (ran.code, "--threshold" in ran.err) == (2, True)
    assert not (tmp_path / "pairs.csv").exists()


def test_ids_that_look_like_formulas_come_back_as_they_were(tmp_path, capsys):
    rows = [{"id": id, "given": "Alice", "family": "Archer", "dob": "1980-03-14", "postcode": "GU1 3AA"} for id in ("=1+A", "-5", "'=x", "plain")]
    save(tmp_path / "a.csv", rows)
    save(tmp_path / "truth.csv", [{"id": row["id"], "cluster": "one"} for row in rows])
    outputs = ["--out", tmp_path / "pairs.csv", "--clusters", tmp_path / "clusters.csv"]
    assert run(capsys, "link", "--left", tmp_path / "a.csv", *outputs).code == 0
    text = (tmp_path / "pairs.csv").read_text() + (tmp_path / "clusters.csv").read_text()
    assert not any(cell.startswith("=") for line in text.splitlines() for cell in line.split(","))
    save(tmp_path / "asked.csv", [{"left_id": "'=1+A", "right_id": "plain"}])
    assert run(capsys, "link", "--left", tmp_path / "a.csv", "--pairs", tmp_path / "asked.csv", "--out", tmp_path / "scored.csv").code == 0
    assert read(tmp_path / "scored.csv")[0]["left_id"] == "'=1+A"
    judged = run(capsys, "evaluate", "--pairs", tmp_path / "pairs.csv", "--clusters", tmp_path / "clusters.csv", "--truth", tmp_path / "truth.csv")
    assert "4 records" in judged.out


def measure(out, name):
    line = next(line for line in out.splitlines() if name in line)
    return float(line.rstrip("│ ").split("│")[-1].split()[0].replace(",", ""))


MEASURES = (
    "precision", "recall", "F1", "best weight", "block recall", "recall at precision 0.999 ", "recall at precision 0.9999", "auto-link share", "review per record",
    "clusters: pairs: F1", "clusters: B-cubed: F1", "clusters that join several", "largest cluster (truth)", "Calibration",
)  # fmt: skip


def test_pairs_are_compared_with_either_form_of_the_truth(files, linked, capsys):
    folder, _ = linked
    for truth in ("truth.csv", "persons.csv"):
        ran = run(capsys, "evaluate", "--pairs", folder / "pairs.csv", "--truth", files / truth, "--clusters", folder / "clusters.csv")
        assert ran.code == 0
        assert all(name in ran.out for name in MEASURES)
        assert "150 true pairs; 300 records" in ran.out
        assert measure(ran.out, "pairs at p 0.95: precision") == 1.0
        assert measure(ran.out, "pairs at p 0.95: recall") > 0.97
        assert measure(ran.out, "clusters: pairs: F1") > 0.97


def test_recall_is_compared_between_groups(files, linked, capsys):
    ran = run(capsys, "evaluate", "--pairs", linked[0] / "pairs.csv", "--truth", files / "truth.csv", "--groups", files / "persons.csv")
    assert ran.code == 0
    assert {line.split("│")[1].strip() for line in ran.out.splitlines() if line.startswith(("│ young", "│ old"))} == {"young", "old"}
    assert "its gap to that of all others" in ran.out


def test_a_row_without_a_cluster_in_the_truth_is_a_person_of_its_own(tmp_path, capsys):
    save(tmp_path / "truth.csv", [{"id": key, "cluster": "1" if key in "ab" else ""} for key in "abcdef"])
    save(tmp_path / "pairs.csv", [{"left_id": x, "right_id": y, "p": "0.99", "weight": "8", "grade": "certain"} for x, y in ("ab", "cd")])
    ran = run(capsys, "evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", tmp_path / "truth.csv")
    assert "1 true pairs" in ran.out
    assert measure(ran.out, "pairs at p 0.95: precision") == 0.5


def test_clusters_of_two_tables_of_which_ids_are_equal_ask_for_apart(tmp_path, capsys):
    pairs = [{"left_id": str(n), "right_id": str(n + 1), "p": "0.99", "weight": "8", "grade": "certain"} for n in range(4)]
    save(tmp_path / "pairs.csv", pairs)
    save(tmp_path / "truth.csv", [{"left_id": one["left_id"], "right_id": one["right_id"]} for one in pairs])
    save(tmp_path / "clusters.csv", [{"id": f"{side}:{n + (side == 'right')}", "cluster": str(n)} for n in range(4) for side in ("left", "right")])
    command = ["evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", tmp_path / "truth.csv", "--clusters", tmp_path / "clusters.csv"]
    refused = run(capsys, *command)
    assert (refused.code, "say --apart" in refused.err) == (2, True)
    assert measure(run(capsys, *command, "--apart").out, "clusters: pairs: F1") == 1.0


def test_pairs_go_through_a_link_and_into_a_pipe_and_nowhere_without_a_folder(files, tmp_path, capsys):
    command = ["link", "--left", files / "left.csv", "--model", tmp_path / "model.json"]
    assert run(capsys, *command[:3], "--out", tmp_path / "first.csv", "--save-model", tmp_path / "model.json").code == 0
    (tmp_path / "real").mkdir()
    (tmp_path / "sym.csv").symlink_to(tmp_path / "real" / "out.csv")
    assert run(capsys, *command, "--out", tmp_path / "sym.csv").code == 0
    assert (tmp_path / "sym.csv").is_symlink()
    assert (tmp_path / "real" / "out.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    read_too = []
    reader = threading.Thread(target=lambda: read_too.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    assert run(capsys, *command, "--out", tmp_path / "pipe").code == 0
    reader.join(10)
    assert read_too == [(tmp_path / "first.csv").read_bytes()]
    ran = run(capsys, *command, "--out", tmp_path / "ok.csv", "--clusters", tmp_path / "none" / "c.csv")
    assert (ran.code, "its folder does not exist" in ran.err, (tmp_path / "ok.csv").exists()) == (2, True, False)


def test_dates_in_other_digits_count_as_not_read(tmp_path, capsys):
    save(tmp_path / "odd.csv", [{"id": str(n), "family": f"Archer{n}", "dob": "\u0661\u0669\u0668\u0660-\u0660\u0661-\u0660\u0662"} for n in range(3)])
    assert "3 of 3 birth dates cannot be read" in run(capsys, "link", "--left", tmp_path / "odd.csv", "--out", tmp_path / "pairs.csv").err


def test_a_true_pair_that_is_not_given_counts_against_recall(files, tmp_path, capsys):
    save(tmp_path / "pairs.csv", [{"left_id": "l0", "right_id": "r0", "p": "0.99", "weight": "7", "grade": "probable"}])
    ran = run(capsys, "evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", files / "truth.csv")
    assert measure(ran.out, "block recall") == pytest.approx(1 / 150, abs=1e-6)
    assert measure(ran.out, "pairs to review per record") == pytest.approx(1 / 300, abs=1e-6)


def test_equal_ids_of_two_tables_are_told_apart_where_asked(tmp_path, capsys):
    pairs = [{"left_id": a, "right_id": b, "p": "0.99", "weight": "7", "grade": "certain"} for a, b in (("1", "2"), ("2", "1"), ("3", "3"))]
    save(tmp_path / "pairs.csv", pairs)
    save(tmp_path / "truth.csv", [{"left_id": "1", "right_id": "2"}, {"left_id": "3", "right_id": "3"}])
    save(tmp_path / "groups.csv", [{"id": n, "group": "all"} for n in "123"])
    command = ["evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", tmp_path / "truth.csv"]
    refused = run(capsys, *command)
    assert (refused.code, "say --apart" in refused.err) == (2, True)
    ran = run(capsys, *command, "--apart", "--groups", tmp_path / "groups.csv")
    assert measure(ran.out, "pairs at p 0.95: precision") == pytest.approx(2 / 3, abs=1e-6)
    assert measure(ran.out, "pairs at p 0.95: recall") == 1.0


@pytest.mark.parametrize(
    ("truth", "more", "sentence"),
    [
        ("one,two\n1,2\n", [], "left_id and right_id, or id and cluster"),
        ("left_id,right_id\n1,2\n", ["--groups", "truth.csv"], "called group"),
        ("id,cluster\n1,a\n1,b\n", [], "two rows have the same id"),
    ],
)
def test_a_truth_that_says_nothing_is_a_sentence_and_exit_2(tmp_path, capsys, truth, more, sentence):
    save(tmp_path / "pairs.csv", [{"left_id": "1", "right_id": "2", "p": "0.99", "weight": "7", "grade": "certain"}])
    (tmp_path / "truth.csv").write_text(truth)
    given = [tmp_path / one if one.endswith(".csv") else one for one in more]
    ran = run(capsys, "evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", tmp_path / "truth.csv", *given)
    assert (ran.code, sentence in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("p", ["high", "nan", "inf", ""])
def test_pairs_without_numbers_are_refused(tmp_path, capsys, p):
    save(tmp_path / "pairs.csv", [{"left_id": "1", "right_id": "2", "p": p, "weight": "7", "grade": "certain"}])
    save(tmp_path / "truth.csv", [{"left_id": "1", "right_id": "2"}])
    ran = run(capsys, "evaluate", "--pairs", tmp_path / "pairs.csv", "--truth", tmp_path / "truth.csv")
    assert (ran.code, "column p must hold numbers" in ran.err) == (2, True)


def test_what_goes_with_pairs_is_refused_for_the_store(tmp_path, capsys):
    save(tmp_path / "truth.csv", [{"id": "1", "cluster": "2"}])
    ran = run(capsys, "evaluate", "--truth", tmp_path / "truth.csv", "--apart")
    assert (ran.code, "go with --pairs" in ran.err) == (2, True)


def test_dates_that_cannot_be_dates_are_unread_and_those_that_say_unknown_are_placeholders(tmp_path, capsys):
    dates = ["9999-99-99", "99999999", "00000000", "1900-01-01", "0000-00-00", "1980-02-14", "01/01/1900"]
    save(tmp_path / "odd.csv", [{"id": str(n), "family": f"Archer{n}", "dob": date} for n, date in enumerate(dates)])
    told = run(capsys, "link", "--left", tmp_path / "odd.csv", "--out", tmp_path / "pairs.csv")
    assert "2 of 7 birth dates cannot be read" in told.err
    assert "4 of 7 birth dates are placeholders" in told.err
    assert "month above 12" not in told.err


def test_a_source_is_no_evidence_is_counted_and_bounds_one_to_one(tmp_path, capsys):
    names = ["Archer", "Bannister", "Carver", "Dyer", "Fletcher", "Glover", "Hooper", "Mercer"]
    person = [{"family": name, "given": f"{name[:3]}a", "dob": f"{n + 1:02}/05/19{n + 40}", "postcode": f"GU{n + 1} 1AA"} for n, name in enumerate(names)]
    left = [{"id": f"L{n}", "src": "lab", **one} for n, one in enumerate(person)]
    right = [{"id": f"{src}{n}", "src": src, **one} for src in ("ward", "clinic") for n, one in enumerate(person)]
    save(tmp_path / "left.csv", left)
    save(tmp_path / "right.csv", right)
    roles = "id=id,family=family,given=given,birth_date=dob,postcode=postcode"
    command = ["link", "--left", tmp_path / "left.csv", "--right", tmp_path / "right.csv", "--one-to-one", "--out", tmp_path / "pairs.csv"]
    plain = run(capsys, *command, "--columns", roles)
    best = read(tmp_path / "pairs.csv")
    assert len(best) == len({row["left_id"] for row in best}) == 8
    assert "pairs of" not in plain.out.replace("pairs of one person", "")
    told = run(capsys, *command, "--columns", f"{roles},source=src")
    rows = read(tmp_path / "pairs.csv")
    assert {(row["left_id"], row["right_id"]) for row in rows} == {(f"L{n}", f"{src}{n}") for src in ("ward", "clinic") for n in range(8)}
    assert {row["weight"] for row in best} <= {row["weight"] for row in rows}
    assert measure(told.out, "pairs of clinic and lab") == measure(told.out, "pairs of lab and ward") == 8
    assert "equal ids" not in told.err
    equal = [{**row, "id": row["id"].replace("ward", "L")} for row in right]
    save(tmp_path / "right.csv", equal)
    assert "equal ids" in run(capsys, *command, "--columns", f"{roles},source=src").err


def test_a_row_paired_with_itself_is_refused(tmp_path, capsys):
    (tmp_path / "two.csv").write_text("id,given,family\n1,Alice,Marchant\n2,Alice,Marchant\n")
    save(tmp_path / "asked.csv", [{"left_id": "1", "right_id": "2"}, {"left_id": "2", "right_id": "2"}])
    ran = run(capsys, "link", "--left", tmp_path / "two.csv", "--shipped-model", "--pairs", tmp_path / "asked.csv", "--out", tmp_path / "out.csv")
    assert (ran.code, "pair 2 is of a row and itself" in ran.err) == (2, True)


def test_tables_too_small_to_learn_from_are_linked_under_the_shipped_model(tmp_path, capsys):
    line = "Alice,Marchant,1984-05-23,14 Oakfield Road,RH16 9ZE,01632 960144"
    (tmp_path / "two.csv").write_text(f"id,given,family,birth_date,street,postcode,phone\n1,{line}\n2,{line}\n3,Bea,Field,1961-02-03,7 Mill Lane,BN7 2DD,01632 960199\n")
    command = ["link", "--left", tmp_path / "two.csv", "--out", tmp_path / "out.csv", "--shipped-model"]
    assert run(capsys, *command).code == 0
    assert [(row["left_id"], row["right_id"], row["grade"]) for row in read(tmp_path / "out.csv")] == [("1", "2", "certain")]
    (tmp_path / "model.json").write_text("{}")
    assert "give one" in run(capsys, *command, "--model", tmp_path / "model.json").err


def test_one_column_alone_is_said_to_teach_nothing(tmp_path, capsys):
    (tmp_path / "one.csv").write_text("id,ssn\n" + "".join(f"{n},{100_000_000 + n // 2 * 7919}\n" for n in range(200)))
    ran = run(capsys, "link", "--left", tmp_path / "one.csv", "--columns", "id=id,id.ssn=ssn", "--out", tmp_path / "out.csv")
    assert (ran.code, "one field alone" in ran.err) == (0, True)
