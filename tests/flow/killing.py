"""A server process that is killed while trusts stream their messages to it, and the trusts, which send again what was not answered."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

from tests.flow.doors import END, START, answer_from_frame

WINDOW = 3
"""Messages that a trust has in flight: few, so that there are messages left for every kill."""


PROGRAM = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
from app.serve import run_mllp
run_mllp(None)
"""
"""The MLLP process of ``weald serve``; it ends with the test that started it."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """The MLLP process of ``weald serve``, on a port of its own, over a store that outlives it."""

    def __init__(self, store, log):
        self.port = free_port()
        self._environment = {**os.environ, "WEALD_MODE": "sample", "WEALD_STORE": store, "WEALD_HTTP": "off", "WEALD_MLLP": f"127.0.0.1:{self.port}"}
        self._log = log
        self._process = None
        self.starts = []

    def start(self):
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=self._environment, stdin=subprocess.PIPE, stdout=log, stderr=log)
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < began + 60
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                break
            time.sleep(0.01)
        self.starts.append(time.monotonic() - began)

    def kill(self):
        self._process.kill()
        self._end()

    def stop(self):
        self._process.terminate()
        return self._end()

    def _end(self):
        code = self._process.wait(40)
        self._process.stdin.close()
        return code


class Trust(threading.Thread):
    """One feed: messages in order over one connection, pipelined; what was not acknowledged when the connection broke is sent again."""

    def __init__(self, port, messages):
        super().__init__(daemon=True)
        self._port, self._messages = port, messages
        self.answers = []
        self.broken = 0
        self.resent = 0

    def run(self):
        while len(self.answers) < len(self._messages):
            sent = len(self.answers)
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
                sent = self._stream(connection)
            if len(self.answers) < len(self._messages):
                self.broken += 1
                self.resent += sent - len(self.answers)
                time.sleep(0.02)

    def _stream(self, connection):
        sent, read = len(self.answers), b""
        try:
            while len(self.answers) < len(self._messages):
                ahead = self._messages[sent : len(self.answers) + WINDOW]
                connection.sendall(b"".join(START + message + END for message in ahead))
                sent += len(ahead)
                data = connection.recv(65536)
                if not data:
                    break
                *frames, read = (read + data).split(END)
                self.answers += [answer_from_frame(frame.lstrip(START)) for frame in frames]
        except OSError:
            pass
        return sent


def stream_and_kill(server, feeds, *, kills, seed, pace=1, meanwhile=lambda number: None):
    """Stream all feeds while killing the server; ``meanwhile`` is called before each start with the kill's number.

    Each ``pace``-th kill comes after some answers since the last one, within a commit's time of them; the others
    come as soon as the server listens, while it recovers.
    """
    chance = random.Random(seed)
    trusts = [Trust(server.port, messages) for messages in feeds]
    total, answered = sum(map(len, feeds)), 0
    server.start()
    for trust in trusts:
        trust.start()
    for number in range(kills):
        wanted = min(answered + chance.randrange(1, 6), total - kills) if number % pace == 0 else 0
        while sum(len(trust.answers) for trust in trusts) < wanted:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.03)
        server.kill()
        answered = sum(len(trust.answers) for trust in trusts)
        meanwhile(number)
        server.start()
    assert answered < total, "the last kill came too late to meet a message"
    for trust in trusts:
        trust.join(120)
        assert not trust.is_alive()
    assert server.stop() == 0
    return trusts
