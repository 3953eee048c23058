"""Every frame gets one true answer: refused with a reason and kept, or applied once (hl7v2.md 1, 4 and 6)."""

import subprocess
import sys
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from tests.flow.doors import END, START, answer_from_frame, mrn
from tests.flow.messages import ALICE, BEA, CHARLIE, NUMBERS, adt, cx, pid, pv1

UNSUPPORTED = (
    "A02", "A06", "A07", "A09", "A10", "A12", "A15", "A16", "A17", "A21", "A22", "A23", "A25", "A26", "A29", "A32", "A33", "A35", "A36", "A39", "A41", "A42",
    "A43", "A44", "A45", "A46", "A47", "A48", "A49", "A50", "A51", "A52", "A53", "A54", "A55", "A61", "A62", "Z01",
)  # fmt: skip
MLLP_SEND = Path(sys.executable).with_name("mllp_send")


@pytest.mark.parametrize("trigger", UNSUPPORTED)
def test_a_trigger_that_is_not_supported_is_refused_and_kept_never_ignored(weald, trigger):
    message = adt(trigger, pid(cx("A100"), who=ALICE), pv1())
    answer = weald.send(message)
    assert (answer.code, answer.errors) == ("AR", ("201",))
    assert weald.patients(mrn("A100")) == []
    [(head, raw)] = weald.dead_letters()
    assert (head["answer"], head["code"], head["source"], head["state"], raw) == ("AR", "201", "RTK-PAS", "open", message)


@pytest.mark.parametrize(
    ("message", "code", "error"),
    [
        (adt("A28", pid(cx("A100")), f9="ORU^R01"), "AR", "200"),
        (adt("A28", pid(cx("A100")), f9="SIU^S12"), "AR", "200"),
        (adt("A28", pid(cx("A100")), f9="QRY^A19"), "AR", "200"),
        (adt("A28", pid(cx("A100")), version="3.0"), "AR", "203"),
        (adt("A28", pid(cx("A100")), f10=""), "AE", "101"),
        (adt("A28"), "AE", "100"),
        (adt("A28", pid()), "AE", "101"),
        (adt("A28", pid('""^^^RTK^MR')), "AE", "101"),
        (adt("A28", pid(cx("A100")), pid(cx("A200"))), "AE", "100"),
        (adt("A13", pid(cx("A100"))), "AE", "101"),
        (adt("A28", pid(cx("A100")), f14="more"), "AE", "100"),
        (adt("A28", pid(cx("A100"), f5="\xc3\x28"), f18="UNICODE UTF-8").replace(b"\xc3\x83", b"\xc3"), "AE", "102"),
        (adt("A28", pid(cx("A100")), f18="UNICODE UTF-16"), "AR", "103"),
    ],
    ids=["result", "schedule", "query", "version", "no MSH-10", "no PID", "no id", "deleted id", "two PIDs", "A13 without visit", "continued", "not UTF-8", "UTF-16"],
)  # fmt: skip
def test_a_message_that_cannot_be_taken_is_refused_with_its_reason_and_kept(weald, message, code, error):
    answer = weald.send(message)
    assert (answer.code, answer.errors) == (code, (error,)), answer.text
    [(head, raw)] = weald.dead_letters()
    assert (head["code"], raw) == (error, message)
    assert weald.messages() == []


def test_a_refusal_is_told_in_the_version_of_the_sender(weald):
    older = weald.send(adt("A17", pid(cx("A100")), version="2.4"))
    assert "ERR|MSH^1^9^201&Unsupported event code&HL70357" in older.text.replace("\r", "\n")
    newer = weald.send(adt("A17", pid(cx("A100")), version="2.5"))
    assert "ERR||MSH^1^9^1^2|201^Unsupported event code^HL70357|E" in newer.text.replace("\r", "\n")


def test_a_refusal_never_repeats_what_was_sent(weald):
    answer = weald.send(adt("A28", pid(cx("SECRET1"), f5="SECRETNAME"), pid(cx("SECRET2"))))
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("sender", [{"trust": "RXX"}, {"application": "OTHER"}])
def test_a_sender_that_no_setting_names_is_refused_and_its_message_kept(weald, sender):
    message = adt("A28", pid(cx("A100"), who=ALICE), **sender)
    answer = weald.send(message)
    assert (answer.code, answer.errors) == ("AR", ("207",))
    assert weald.patients(mrn("A100")) == []
    assert weald.dead_letters()[0][1] == message


@pytest.mark.parametrize("frame", [b"junk", b"", b"PID|1||A100", b"\x00\xff\xfe", b"MSH"])
def test_a_frame_of_junk_is_refused_and_the_connection_lives(weald, frame):
    answer = weald.send(frame)
    assert (answer.code, answer.control_id, answer.errors or ("100",)) == ("AR", "", ("100",))
    assert "100" in answer.text
    weald.accept(adt("A28", pid(cx("A100"), who=ALICE)))
    assert weald.patient(mrn("A100"))


def test_the_same_message_again_is_answered_again_and_changes_nothing(weald):
    message = adt("A28", pid(cx("A100"), who=ALICE))
    first = weald.send(message)
    versions = weald.versions()
    second = weald.send(message)
    assert (first.code, first.control_id) == (second.code, second.control_id) == ("AA", first.control_id)
    assert weald.versions() == versions
    assert len(weald.messages()) == 1


def test_a_message_copied_under_a_new_number_changes_nothing(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    versions = weald.versions()
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    assert weald.versions() == versions
    assert len(weald.messages()) == 2


def test_another_message_under_a_used_number_is_applied_and_flagged(weald):
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), control_id="1"), adt("A28", pid(cx("C1"), who=CHARLIE), control_id="1"))
    assert weald.patient(mrn("B1")), weald.patient(mrn("C1"))
    assert ["control-id-reused" in head["flags"] for head, _ in weald.messages()] == [False, True]
    weald.accept(adt("A28", pid(cx("C1"), who=CHARLIE), control_id="1"))
    assert len(weald.messages()) == 2


def test_the_same_number_of_another_sender_is_another_message(weald):
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), control_id="1"))
    weald.accept(adt("A28", pid(cx("B1", "RXC"), who=BEA), control_id="1", trust="RXC"))
    assert [head["flags"] for head, _ in weald.messages()] == [[], []]


def test_a_refused_message_sent_again_is_refused_again(weald):
    message = adt("A17", pid(cx("A100")))
    assert [weald.send(message).code for _ in range(2)] == ["AR", "AR"]


def test_one_bad_message_among_many_pipelined_spoils_no_other(weald):
    frames = [adt("A28", pid(cx(f"P{n}"), who=ALICE)) for n in range(20)]
    frames[7], frames[13] = b"junk", adt("A17", pid(cx("P13")))
    weald._socket.sendall(b"".join(START + frame + END for frame in frames))
    read = b""
    while read.count(END) < len(frames):
        read += weald._socket.recv(65536)
    answers = [answer_from_frame(frame.lstrip(START)) for frame in read.split(END)[:-1]]
    assert [answer.code for answer in answers] == ["AR" if n in (7, 13) else "AA" for n in range(20)]
    assert len(weald.found("Patient?family=hollis&_tag=source&_count=100")) == 18
    assert len(weald.dead_letters()) == 2


@pytest.mark.parametrize("place", ["app.ingest.merges.merge", "app.ingest.reading.adt_event"])
def test_a_fault_of_wealds_own_is_answered_kept_and_stops_nobody_elses_messages(weald, monkeypatch, place):
    def fault(*_):
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(place, fault)
        message = adt("A40", pid(cx("B2")), "MRG|" + cx("B1"))
        answer = weald.send(message)
    assert (answer.code, answer.errors) == ("AE", ("207",))
    assert weald.dead_letters()[0][1] == message
    weald.accept(adt("A28", pid(cx("B1"), who=BEA)))


def test_enhanced_mode_is_answered_as_msh_15_asks(weald):
    assert weald.send(adt("A28", pid(cx("A100"), who=ALICE), f15="AL", f16="NE")).code == "CA"
    assert weald.send(adt("A17", pid(cx("A100")), f15="ER", f16="NE")).code == "CR"


def answers(weald, *messages, count):
    """(MSA-1, MSA-2) of so many answers on one connection, as python-hl7 reads them."""
    with MLLPClient("127.0.0.1", weald.port) as client:
        client.socket.settimeout(20)
        client.socket.sendall(b"".join(START + message + END for message in messages))
        held = b""
        while held.count(END) < count:
            held += client.socket.recv(65536)
    read = [hl7.parse(one.removeprefix(START).decode()) for one in held.split(END)[:-1]]
    return [(str(one.segment("MSA")[1]), str(one.segment("MSA")[2]), [str(error[3]) for error in one if str(error[0]) == "ERR"]) for one in read]


def test_an_application_acknowledgement_follows_where_msh_16_asks_for_one(weald):
    good = adt("A28", pid(cx("A100"), who=ALICE), control_id="GOOD", f15="AL", f16="AL")
    bad = adt("A28", "PID|1||||Hollis^Alice", control_id="BAD", f15="AL", f16="AL")
    quiet = adt("A28", pid(cx("A101"), who=ALICE), control_id="QUIET", f15="NE", f16="ER")
    last = adt("A28", "PID|1||||Hollis^Alice", control_id="LAST", f15="AL", f16="NE")
    told = answers(weald, good, bad, quiet, last, count=5)
    assert [one[:2] for one in told] == [("CA", "GOOD"), ("AA", "GOOD"), ("CA", "BAD"), ("AE", "BAD"), ("CE", "LAST")]
    assert [bool(one[2]) for one in told] == [False, False, False, True, True]
    assert [raw for _, raw in weald.dead_letters()] == [bad, last]


def test_what_is_acknowledged_is_kept_as_it_came(weald):
    message = adt("A28", pid(cx("A100"), who=ALICE))
    weald.accept(message)
    [(head, raw)] = weald.messages()
    assert (raw, head["source"], head["trigger"], head["received"]) == (message, "RTK-PAS", "A28", "2026-01-01T12:00:00.000000Z")


def test_python_hl7_sends_and_reads_the_acknowledgement(weald):
    with MLLPClient("127.0.0.1", weald.port) as client:
        client.socket.settimeout(20)
        answer = hl7.parse(client.send_message(hl7.parse(adt("A28", pid(cx("A100"), who=ALICE), control_id="HL7PY").decode())).strip(START + END).decode())
    assert (str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])) == ("AA", "HL7PY")
    assert weald.patient(mrn("A100"))["name"][0]["family"] == "HOLLIS"


def test_mllp_send_delivers_a_file_of_messages(weald, tmp_path):
    messages = [adt("A28", pid(cx(f"P{n}"), who=BEA)) for n in range(5)]
    path = tmp_path / "adt.hl7"
    path.write_bytes(b"".join(START + message + END for message in messages))
    done = subprocess.run([MLLP_SEND, "--port", str(weald.port), "--file", path, "127.0.0.1"], capture_output=True, check=True, timeout=60)
    assert done.stdout.count(b"MSA|AA|") == 5
    assert len(weald.found("Patient?family=marsh&_tag=source")) == 5
