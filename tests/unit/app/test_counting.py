"""The numbers of all processes come together: totals add up, gauges are of the living, and nothing is counted twice."""

import os
import re
import subprocess
import sys
import threading

import orjson
import pytest

from app import counting
from app.counting import Histogram, Numbers, Publisher, clear, published, series, together


def test_totals_and_gauges_add_up_and_of_the_latest_the_greatest_counts():
    one = Numbers({"a_total": 1}, {"open": 2}, {"last": 10})
    other = Numbers({"a_total": 3, "b_total": 1}, {"open": 1}, {"last": 7, "first": 1})
    assert together([one, other]) == Numbers({"a_total": 4, "b_total": 1}, {"open": 3}, {"last": 10, "first": 1})


def test_a_label_cannot_break_out_of_its_quotes():
    assert series("x", a='"\\\n') == 'x{a="\\"\\\\\\n"}'


def test_a_histogram_is_cumulative_and_histograms_add_up():
    histograms = Histogram((0.1, 1.0)), Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7):
        histograms[0].observe(seconds)
    histograms[1].observe(0.2)
    found = together([Numbers(one.totals("t", of="x")) for one in histograms]).totals
    assert found == pytest.approx({'t_bucket{of="x",le="0.1"}': 2, 't_bucket{of="x",le="1"}': 4, 't_bucket{of="x",le="+Inf"}': 5, 't_sum{of="x"}': 7.85, 't_count{of="x"}': 5})


def test_the_text_has_each_family_once_under_its_type():
    lines = Numbers(Histogram((1.0,)).totals("t") | {"a_total": 1.5}, {"g_count": 2}, {'last{source="x"}': 3}).lines()
    types = [line for line in lines if line.startswith("#")]
    assert types == ["# TYPE a_total counter", "# TYPE t histogram", "# TYPE g_count gauge", "# TYPE last gauge"]
    assert "a_total 1.500000" in lines
    assert all(line.startswith("#") or re.fullmatch(r"[a-z_]+(\{[^}]*\})? [\d.]+", line) for line in lines)


def written(folder, pid, totals, gauges):
    (folder / f"{pid}.json").write_bytes(orjson.dumps([totals, gauges, {}]))


def test_a_process_that_ended_leaves_its_totals_and_no_gauges(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    written(tmp_path, ended.pid, {"a_total": 2}, {"open": 5})
    written(tmp_path, os.getppid(), {"a_total": 1}, {"open": 1})
    written(tmp_path, os.getpid(), {"a_total": 100}, {})
    assert together(published(tmp_path)) == Numbers({"a_total": 3}, {"open": 1})


def test_a_process_of_another_user_lives(tmp_path, monkeypatch):
    def not_allowed(pid, number):
        raise PermissionError

    monkeypatch.setattr(counting.os, "kill", not_allowed)
    written(tmp_path, 1, {}, {"open": 1})
    assert together(published(tmp_path)).gauges == {"open": 1}


def test_a_file_that_goes_away_is_no_fault(tmp_path, monkeypatch):
    written(tmp_path, os.getppid(), {}, {})
    monkeypatch.setattr(counting.Path, "read_bytes", lambda path: (_ for _ in ()).throw(FileNotFoundError))
    assert list(published(tmp_path)) == []


def test_without_a_folder_there_are_no_others(tmp_path):
    assert list(published(tmp_path / "none")) == []


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(counting, "SECONDS", 0.01)
    return {"a_total": 0.0}


def read(tmp_path):
    return orjson.loads((tmp_path / f"{os.getpid()}.json").read_bytes())[0]


def test_numbers_are_written_where_they_change_and_once_more_at_the_end(tmp_path, counted):
    seen = threading.Event()

    def collect():
        counted["a_total"] += 1
        if counted["a_total"] > 3:
            seen.set()
        return Numbers(dict(counted))

    publisher = Publisher(tmp_path, collect)
    publisher.start()
    assert seen.wait(10)
    publisher.end()
    publisher.join(10)
    assert read(tmp_path)["a_total"] >= 4


def test_what_has_not_changed_is_not_written_again(tmp_path, counted):
    publisher = Publisher(tmp_path, lambda: Numbers(counted))
    publisher.write()
    (tmp_path / f"{os.getpid()}.json").unlink()
    publisher.write()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_costs_numbers_alone(tmp_path, counted):
    Publisher(tmp_path / "none", lambda: Numbers(counted)).write()


def test_a_service_that_starts_counts_from_nothing_in_a_folder_of_its_own(tmp_path):
    folder = tmp_path / "a" / "weald.db.counts"
    clear(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    written(folder, 1, {}, {})
    (folder / "1.json.new").write_bytes(b"")
    clear(folder)
    assert list(folder.iterdir()) == []
