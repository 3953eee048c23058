"""``weald serve`` as a newcomer starts it: the sample region through its own front doors, the printed lines, a clean stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

from app.simulate import run

WEALD = [sys.executable, "-c", "from app.cli import main; main()"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(tmp_path, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEALD_")}
    return {**kept, "WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}", **more}


def started(tmp_path, *arguments):
    env = environment(tmp_path, WEALD_HTTP=f"127.0.0.1:{free_port()}", WEALD_MLLP=f"127.0.0.1:{free_port()}")
    return subprocess.Popen([*WEALD, "serve", *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def read_until(process, text, seconds=90):
    lines, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        line = process.stdout.readline()
        lines.append(line)
        if text in line:
            return "".join(lines)
        if not line and process.poll() is not None:
            break
    raise AssertionError("".join(lines))


def stop(process, number=signal.SIGINT):
    os.killpg(process.pid, number)
    code = process.wait(40)
    process.stdout.close()
    return code


def get(curl):
    url = re.search(r"curl -s '([^']+)'", curl)[1]
    with urllib.request.urlopen(urllib.parse.quote(url, safe=":/?&=%")) as answer:  # noqa: S310  (the line that the command printed)
        return json.load(answer)


@pytest.mark.timeout(180)
def test_the_first_start_loads_the_region_and_its_curl_lines_show_one_persons_imaging_from_four_trusts(tmp_path):
    run(12, 16, 5, tmp_path / "region", instances="small")
    process = started(tmp_path, "--sample-region", str(tmp_path / "region"))
    try:
        printed = read_until(process, "Stop with Ctrl-C")
        curls = [line for line in printed.splitlines() if "curl -s" in line]
        assert "0 rejected" in printed
        sent, taken = re.search(r"([\d,]+) messages, ([\d,]+) acknowledged AA", printed).groups()
        assert sent == taken
        assert len(curls) == 3
        answers = [get(line) for line in curls]
        for answer in answers:
            studies = [entry["resource"] for entry in answer["entry"] if entry["resource"]["resourceType"] == "ImagingStudy"]
            trusts = {one["subject"]["identifier"]["system"].split("/Id/")[1].split("/")[0] for one in studies}
            assert trusts == {"RTK", "RA2", "RXC", "RYR"}
        assert any(entry["resource"]["resourceType"] == "Endpoint" for entry in answers[2]["entry"])
    finally:
        assert stop(process) == 0
    again = started(tmp_path, "--sample-region", str(tmp_path / "region"))
    try:
        assert "First start" not in read_until(again, "Stop with Ctrl-C")
    finally:
        assert stop(again, signal.SIGTERM) == 0


def test_a_server_whose_port_is_taken_says_so_and_ends(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = environment(tmp_path, WEALD_HTTP="off", WEALD_MLLP=f"127.0.0.1:{taken.getsockname()[1]}")
        ended = subprocess.run([*WEALD, "serve"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "listeners.mllp is" in ended.stderr
    assert "cannot be had" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_stops_the_start_with_a_sentence_that_names_it(tmp_path):
    ended = subprocess.run([*WEALD, "serve"], env=environment(tmp_path, WEALD_WEB__WORKERS="none"), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "web.workers" in ended.stderr
    assert "Traceback" not in ended.stderr
