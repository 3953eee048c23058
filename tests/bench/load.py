"""Load on a running server, and the server itself: HTTP by wrk where it is installed, else by threads of our own."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

WRK_LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local n = 0
request = function() n = n + 1; return wrk.format("GET", paths[(n * 7919) %% #paths + 1]) end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%.3f %%.3f\\n", summary.requests, summary.duration, summary.errors.status, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests or messages per second, percentiles in milliseconds, and how many failed."""

    per_second: float
    p50: float
    p99: float
    failed: int = 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(slots=True)
class Server:
    http: int
    mllp: int
    process: subprocess.Popen
    started_in: float

    def memory(self):
        """Proportional memory of all its processes, in MB."""
        root = psutil.Process(self.process.pid)
        return sum(one.memory_full_info().pss for one in [root, *root.children(recursive=True)]) / 1e6

    def cpu(self):
        """CPU seconds used so far by all its processes."""
        root = psutil.Process(self.process.pid)
        return sum(sum(one.cpu_times()[:2]) for one in [root, *root.children(recursive=True)])


@contextmanager
def server(environment):
    http_port, mllp_port = free_port(), free_port()
    env = {**os.environ, **environment, "WEALD_HTTP": f"127.0.0.1:{http_port}", "WEALD_MLLP": f"127.0.0.1:{mllp_port}"}
    began = time.perf_counter()
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for port in (http_port, mllp_port):
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.perf_counter() - began > 60:
                    raise RuntimeError("the server did not start")
                time.sleep(0.01)
        yield Server(http_port, mllp_port, process, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def http_rate(port, paths, folder, *, connections=16, seconds=5.0):
    """GETs over the paths on keep-alive connections."""
    return _wrk(port, paths, folder, connections, seconds) if shutil.which("wrk") else _threads(port, paths, connections, seconds)


def _wrk(port, paths, folder, connections, seconds):
    listing, script = folder / "paths.txt", folder / "load.lua"
    listing.write_text("\n".join(paths) + "\n")
    script.write_text(WRK_LUA % listing)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, int(seconds))}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, micros, failed, p50, p99 = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", output).groups()
    return Rate(int(requests) / (int(micros) / 1e6), float(p50), float(p99), int(failed))


def _threads(port, paths, connections, seconds):
    times, failed, end = [], [], time.perf_counter() + seconds

    def ask(offset):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        number = offset
        while time.perf_counter() < end:
            began = time.perf_counter()
            connection.request("GET", paths[number * 7919 % len(paths)])
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - began)
            if answer.status != 200:
                failed.append(answer.status)
            number += connections

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(connections)]
    began = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return rate_of(times, time.perf_counter() - began, len(failed))


def rate_of(times, elapsed, failed=0):
    ordered = sorted(times)
    at = lambda share: 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]  # noqa: E731
    return Rate(len(ordered) / elapsed, at(0.5), at(0.99), failed)


def get_json(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())
