"""What makes a start of ``weald serve`` quick and small: a parent that knows the settings alone, and one process that the others are forked from."""

import subprocess
import sys


def said_by(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_parent_of_a_start_imports_neither_matcher_nor_store_nor_web():
    modules = said_by("import sys, app.cli, app.serve, app.settings; print(*sys.modules)")
    assert "app.serve" in modules
    assert [name for name in modules if name.startswith(("matching", "app.store", "app.ingest", "app.web", "numpy", "flask", "pydicom", "fhir"))] == []


def test_what_is_imported_before_the_processes_part_starts_no_thread_opens_no_file_and_reads_no_settings():
    code = """
import os, sys, threading
before = set(os.listdir('/proc/self/fd'))
os.environ.clear()
import app.warm
print(threading.active_count(), len(set(os.listdir('/proc/self/fd')) - before), 'app.wsgi' in sys.modules)
"""
    assert said_by(code) == ["1", "0", "False"]


def test_what_each_process_needs_is_imported_before_they_part():
    modules = said_by("import sys, app.warm; print(*sys.modules)")
    assert {"app.web.application", "app.ingest.adt", "app.mllp.server", "app.upkeep", "app.store.sqlite", "app.services"} <= set(modules)
