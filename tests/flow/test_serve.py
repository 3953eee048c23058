"""``weald serve`` as a newcomer starts it: the sample region through its own front doors, the printed lines, a clean stop."""

import contextlib
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

import orjson
import psutil
import pytest

from app.ingest.again import pending
from app.ingest.firstload import FirstLoad, begin_first_load
from app.ingest.records import get_record, save_record
from app.mllp.client import send
from app.principal import SYSTEM
from app.services import open_store
from app.simulate import run
from app.store.contract import DEAD_LETTER, MESSAGE, RECORD, SETTING, STUDY
from tests.flow.messages import ALICE, adt, cx, pid
from tests.properties.arrival import deliver, fresh, partition, patients, sample_services, small_region, studies

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


def kill_all(process):
    """kill -9, of the parent and of everything that it started."""
    whole = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in whole:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has seen the one before it end, and has ended itself
            one.kill()
    psutil.wait_procs(whole, 20)
    process.wait(20)
    process.stdout.close()


def wait_for(store, kind, number):
    """Wait until so many documents of a kind are durable."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with store.snapshot(SYSTEM) as snapshot:
            if snapshot.count(kind) >= number:
                return
        time.sleep(0.002)
    raise AssertionError(f"fewer than {number} of {kind.name}")


@pytest.mark.timeout(240)
def test_a_first_load_that_is_killed_among_messages_and_again_among_images_is_made_whole_by_the_next_start(tmp_path):
    feeds, files = small_region(tmp_path / "region", people=40, studies=40)
    messages = sum(map(len, feeds.values()))
    store = sample_services(f"sqlite:///{tmp_path / 'weald.db'}").store
    for kind, number in ((MESSAGE, messages // 3), (STUDY, 1)):
        process = started(tmp_path, "--sample-region", str(tmp_path / "region"))
        try:
            wait_for(store, kind, number)
        finally:
            kill_all(process)
    with store.snapshot(SYSTEM) as snapshot:
        assert not orjson.loads(snapshot.get(SETTING, "sample-region"))["loaded"]
    last = started(tmp_path, "--sample-region", str(tmp_path / "region"))
    try:
        assert "broken off; it is made again" in read_until(last, "Stop with Ctrl-C")
    finally:
        assert stop(last) == 0
    killed, unkilled = sample_services(f"sqlite:///{tmp_path / 'weald.db'}"), fresh(tmp_path / "unkilled")
    deliver(unkilled, [("adt", message) for feed in feeds.values() for message in feed] + [("dicom", *file) for file in files], group=256)
    for told in (partition, patients, studies):
        assert told(killed) == told(unkilled)
    with killed.store.snapshot(SYSTEM) as snapshot:
        assert snapshot.count(MESSAGE) == messages
        assert snapshot.count(DEAD_LETTER) == 0
    for opened in (store, killed.store, unkilled.store):
        opened.close()


def test_the_sample_is_never_put_into_a_store_that_others_filled(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'weald.db'}")
    store.apply(SYSTEM, [lambda tx: tx.put(RECORD, "theirs", b"")])
    assert begin_first_load(store) is FirstLoad.NONE
    store.close()


def pending_records(store):
    with store.snapshot(SYSTEM) as snapshot:
        return pending(snapshot)


def test_a_record_that_waits_is_searched_for_within_the_minute_where_mllp_is_off(tmp_path):
    services = sample_services(f"sqlite:///{tmp_path / 'weald.db'}")
    deliver(services, [("adt", adt("A28", pid(cx("A100"))))])

    def waits(tx):
        [(id, _)] = tx.scan(RECORD)
        record = get_record(tx, id)
        record.pending = True
        save_record(tx, record)

    services.store.apply(SYSTEM, [waits])
    assert len(pending_records(services.store)) == 1
    env = environment(tmp_path, WEALD_HTTP="off", WEALD_MLLP="off")
    process = subprocess.Popen([*WEALD, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while pending_records(services.store) and time.monotonic() < end:
            time.sleep(0.05)
        assert pending_records(services.store) == []
    finally:
        assert stop(process) == 0
    services.store.close()


def test_a_start_that_is_refused_prints_one_sentence_and_leaves_no_process(tmp_path):
    (tmp_path / "weald.db").mkdir()
    process = started(tmp_path)
    try:
        printed, _ = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 2
    assert re.fullmatch(r"weald: the store's file cannot be opened: .*\n", printed)


@pytest.mark.parametrize("door", ["http", "mllp"])
def test_when_a_door_is_killed_the_service_ends_and_leaves_no_process(tmp_path, door):
    process = started(tmp_path)
    try:
        read_until(process, "Stop with Ctrl-C")
        everyone = psutil.Process(process.pid).children(recursive=True)
        of_http = [one for one in everyone if one.children()]
        killed = of_http if door == "http" else [one for one in everyone if any(each.status == "LISTEN" for each in one.net_connections()) and one not in of_http and one.parent() not in of_http]
        assert len(killed) == 1
        killed[0].kill()
        assert process.wait(40) == 1
        assert psutil.wait_procs(everyone, timeout=5)[1] == []
    finally:
        process.kill()
        process.stdout.close()


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_show_the_whole_service_whichever_worker_answers_and_logs_are_json(tmp_path):
    ports = free_port(), free_port()
    env = environment(tmp_path, WEALD_HTTP=f"127.0.0.1:{ports[0]}", WEALD_MLLP=f"127.0.0.1:{ports[1]}", WEALD_WEB__WORKERS="2")
    process = subprocess.Popen([*WEALD, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        read_until(process, "Stop with Ctrl-C")
        began = time.time()
        assert len(list(send("127.0.0.1", ports[1], [adt("A28", pid(cx("A100"), who=ALICE)), adt("A28", pid(cx("")))]))) == 2
        for _ in range(40):
            urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/fhir/Patient?_summary=count").close()
        wanted = {
            'weald_mllp_acks_total{source="RTK-PAS",code="AA"}': 1, 'weald_mllp_acks_total{source="RTK-PAS",code="AE"}': 1,
            "weald_mllp_withheld_total": 0, "weald_mllp_connections": 0, "weald_dead_letters_open": 1, "weald_records_waiting": 0,
            'weald_http_requests_total{interaction="search",type="Patient",status="200"}': 40,
        }  # fmt: skip
        end = time.monotonic() + 20
        while not (wanted.items() <= (found := metrics(ports[0])).items()) and time.monotonic() < end:
            time.sleep(0.1)
        assert {name: found.get(name) for name in wanted} == wanted
        assert found['weald_mllp_last_message_seconds{source="RTK-PAS"}'] >= int(began)
        assert found['weald_mllp_last_message_seconds{source="RXC-PAS"}'] <= began
        assert found['weald_commit_seconds_count{process="mllp"}'] >= 2
        assert found['weald_upkeep_failed_total{task="slow-lane"}'] == 0
        assert "HOLLIS" not in str(found)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        printed = process.communicate(timeout=40)[0]
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines if line["event"] == "mllp.stopped"]
