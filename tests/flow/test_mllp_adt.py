"""The listener with ingest behind it: what an interface engine sees."""

from __future__ import annotations

from contextlib import contextmanager

import hl7.client
import pytest

from app.errors import StoreUnavailable
from app.mllp.client import Unanswered, send
from tests.flow.doors import answer_from_frame, mrn
from tests.flow.messages import ALICE, adt, cx, pid


def test_python_hl7_enrols_a_patient(weald):
    with hl7.client.MLLPClient("127.0.0.1", weald.port) as client:
        sent = client.send_message(adt("A28", pid(cx("A100"), who=ALICE), control_id="M1").decode())
    acknowledgement = hl7.parse(sent.strip(b"\x0b\x1c\r").decode())
    assert str(acknowledgement.segment("MSA")) == "MSA|AA|M1"
    assert weald.patient(mrn("A100"))["name"][0]["family"] == "HOLLIS"


def test_sixteen_pipelining_connections_lose_and_double_nothing(weald):
    born = [f"19{n // 2:02}{1 + n % 12:02}{1 + n % 28:02}" for n in range(160)]
    messages = [adt("A28", pid(cx(f"N{n}"), f5=f"{'ABCDEFGHIJ'[n % 10] * 5}^{'KLMNOPQR'[n % 8] * 4}", f7=born[n]), control_id=f"C{n}") for n in range(160)]
    answers = {one.number: answer_from_frame(one.acknowledgement) for one in send("127.0.0.1", weald.port, messages, connections=16, window=4)}
    assert [(answers[n].code, answers[n].control_id) for n in range(160)] == [("AA", f"C{n}") for n in range(160)]
    assert len(weald.messages()) == 160
    assert {raw for _, raw in weald.messages()} == set(messages)


def test_a_message_over_size_is_refused_kept_and_the_connection_survives(weald):
    big = adt("A28", pid(cx("A100"), who=ALICE), "ZZZ|" + "x" * (2 << 20), control_id="BIG")
    answer = weald.send(big)
    assert (answer.code, answer.control_id) == ("AR", "BIG")
    weald.accept(adt("A28", pid(cx("A200"), who=ALICE)))
    assert weald.patients(mrn("A100")) == []
    [(_, kept)] = weald.dead_letters()
    assert kept == big[: 1 << 16]


def test_bytes_that_are_no_message_are_answered_and_the_connection_survives(weald):
    for nonsense in (b"", b"nonsense", b"MSH|", b"MSH|^~\\&|PAS|RTK"):
        assert weald.send(nonsense).code == "AR"
    weald.accept(adt("A28", pid(cx("A200"), who=ALICE)))


@pytest.mark.parametrize(
    ("header", "code"), [(b"MSH|||||", "101"), (b"MSH||PAS|RTK||||||M1", "101"), (b"MSH|aa|PAS|RTK||||||M1", "102"), (b"MSH|^^|NOBODY|XXX||||||M1", "102")]
)
def test_a_header_without_usable_delimiters_is_told_so_whoever_sends_it(weald, header, code):
    answer = weald.send(header + b"\rPID|1\r")
    assert answer.code == "AE"
    assert f"ERR|MSH^1^2^{code}&" in answer.text
    assert weald.send(b"MSH|^~\\&|NOBODY|XXX|WEALD|WEALD|20250301||ADT^A28|M1|P|2.5\r").errors == ("207",)


@contextmanager
def unable(monkeypatch, store):
    """The store cannot commit for a while."""

    def apply(self, principal, changes):
        raise StoreUnavailable("The store cannot commit now.")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "apply", apply)
        yield


def test_while_the_store_cannot_commit_the_answer_is_withheld_and_the_message_comes_again(weald, monkeypatch):
    message = adt("A28", pid(cx("A100"), who=ALICE), control_id="AGAIN")
    with unable(monkeypatch, weald.services.store), pytest.raises(Unanswered):
        list(send("127.0.0.1", weald.port, [message], attempts=1))
    [answer] = send("127.0.0.1", weald.port, [message])
    assert answer_from_frame(answer.acknowledgement).code == "AA"
    assert [raw for _, raw in weald.messages()] == [message]
