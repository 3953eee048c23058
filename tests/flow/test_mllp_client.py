"""The sender of messages, against the listener and against listeners that fail."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.mllp.client import Unanswered, send
from app.mllp.framing import FrameDecoder, framed


class Listener:
    """A listener of the test: answers each frame by ``answer``, and closes where that is None."""

    def __init__(self, answer, *, hold: int = 0, port: int = 0) -> None:
        self.received: list[tuple[int, bytes]] = []
        self.most_unanswered = 0
        self.accepted = 0
        self._pause = 0.0
        self._answer, self._hold = answer, hold
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._socket.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connected, self.accepted), daemon=True).start()

    def _serve(self, connected: socket.socket, number: int) -> None:
        decoder, waiting = FrameDecoder(), []
        with connected, contextlib.suppress(OSError):
            while data := connected.recv(1 << 20):
                time.sleep(self._pause)
                waiting += decoder.feed(data)
                self.most_unanswered = max(self.most_unanswered, len(waiting))
                while len(waiting) > self._hold:
                    frame = waiting.pop(0)
                    self.received.append((number, bytes(frame)))
                    answer = self._answer(frame)
                    if answer is None:
                        return
                    connected.sendall(answer)


@pytest.fixture
def listen() -> Iterator:
    made: list[Listener] = []

    def make(answer=lambda frame: framed(b"ack " + frame), **options: int) -> Listener:
        made.append(Listener(answer, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def messages(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_each_acknowledgement_is_given_with_the_number_of_its_message(listen):
    listener = listen()
    answers = list(send("127.0.0.1", listener.port, messages(20)))
    assert [(one.number, one.acknowledgement) for one in answers] == [(n, b"ack %d" % n) for n in range(20)]
    assert all(0 < one.seconds < 10 for one in answers)


def test_nothing_to_send_is_no_fault(listen):
    assert list(send("127.0.0.1", listen().port, [])) == []


def test_by_default_each_message_waits_for_the_answer_before_it(listen):
    listener = listen()
    list(send("127.0.0.1", listener.port, messages(50)))
    assert listener.most_unanswered == 1
    assert [frame for _, frame in listener.received] == messages(50)


def test_with_a_window_messages_are_pipelined_in_order(listen):
    listener = listen(hold=0)
    answers = list(send("127.0.0.1", listener.port, messages(500), window=10))
    assert [one.number for one in answers] == list(range(500))
    assert 1 < listener.most_unanswered <= 10


def test_several_connections_share_the_messages(listen):
    listener = listen()
    answers = list(send("127.0.0.1", listener.port, messages(100), connections=4))
    assert sorted(one.number for one in answers) == list(range(100))
    assert {connection for connection, _ in listener.received} == {1, 2, 3, 4}


def test_messages_of_one_route_keep_their_order_on_one_connection(listen):
    listener = listen()
    list(send("127.0.0.1", listener.port, messages(300), connections=3, window=4, route=lambda message: int(message) % 7))
    by_route: dict[int, list[tuple[int, int]]] = {}
    for connection, frame in listener.received:
        by_route.setdefault(int(frame) % 7, []).append((connection, int(frame)))
    for taken in by_route.values():
        assert len({connection for connection, _ in taken}) == 1
        assert [number for _, number in taken] == sorted(number for _, number in taken)
    assert len(listener.received) == 300


def test_a_long_stream_is_not_read_ahead_without_bound(listen):
    listener = listen()
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" if taken % 2 else b"y"

    stream = send("127.0.0.1", listener.port, endless(), connections=2, route=lambda message: message[0])
    for _ in range(10):
        next(stream)
    stream.close()
    assert taken < 400


def test_large_messages_go_through(listen):
    big = [b"x" * 900_000, b"y" * 900_000]
    listener = listen(lambda frame: framed(b"ok"))
    assert [one.acknowledgement for one in send("127.0.0.1", listener.port, big, window=2)] == [b"ok", b"ok"]


def test_what_is_unanswered_is_sent_again_in_order(listen):
    dropped = iter([False, False, True, False, True])
    listener = listen(lambda frame: None if next(dropped, False) else framed(b"ack " + frame))
    answers = list(send("127.0.0.1", listener.port, messages(10), window=3))
    assert [one.acknowledgement for one in answers] == [b"ack %d" % n for n in range(10)]
    assert listener.accepted == 3


def test_a_listener_that_never_answers_is_given_up(listen):
    listener = listen(lambda frame: None)
    with pytest.raises(Unanswered, match="closes the connection without an answer"):
        list(send("127.0.0.1", listener.port, messages(1), attempts=2))
    assert listener.accepted == 3


def test_a_listener_that_is_silent_is_given_up(listen):
    listener = listen(hold=10)
    with pytest.raises(Unanswered, match=r"no answer within 0\.1 s"):
        list(send("127.0.0.1", listener.port, messages(1), timeout=0.1))


def test_one_that_answers_unasked_is_no_mllp_listener(listen):
    listener = listen(lambda frame: framed(b"1") + framed(b"2"))
    with pytest.raises(Unanswered, match="answer to nothing"):
        list(send("127.0.0.1", listener.port, messages(1)))


def test_nobody_listening_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        list(send("127.0.0.1", port, messages(1)))


def test_a_listener_that_comes_back_gets_the_rest(listen):
    listener = listen(lambda frame: None if frame == b"5" else framed(b"ack"))
    stream = send("127.0.0.1", listener.port, messages(10))
    assert [next(stream).number for _ in range(5)] == [0, 1, 2, 3, 4]

    def recover() -> None:
        time.sleep(0.1)
        listener._answer = lambda frame: framed(b"ack")

    threading.Thread(target=recover).start()
    assert [one.number for one in stream] == [5, 6, 7, 8, 9]


def test_a_listener_that_restarts_gets_the_rest(listen):
    listener = listen(lambda frame: None if frame == b"5" else framed(b"ack"))
    stream = send("127.0.0.1", listener.port, messages(10))
    assert [next(stream).number for _ in range(5)] == [0, 1, 2, 3, 4]
    listener.close()

    def restart() -> None:
        time.sleep(0.3)
        listen(lambda frame: framed(b"ack"), port=listener.port)

    threading.Thread(target=restart).start()
    assert [one.number for one in stream] == [5, 6, 7, 8, 9]


def test_a_connection_that_is_closed_when_all_is_answered_is_no_fault(listen):
    left = iter([framed(b"ack")])
    listener = listen(lambda frame: next(left, None))
    answers = list(send("127.0.0.1", listener.port, messages(1), connections=3, attempts=0))
    assert [one.number for one in answers] == [0]


def test_a_peer_that_takes_its_time_gets_large_messages(listen):
    listener = listen(lambda frame: framed(b"ok"))
    listener._pause = 0.05
    big = [b"x" * 900_000] * 8
    assert len(list(send("127.0.0.1", listener.port, big, window=8))) == 8
