"""The WSGI application of one worker process: ``granian --interface wsgi app.wsgi:app``.

Settings are read and the store is opened when a worker imports this module, so that a worker that cannot
serve does not start and no connection is shared between processes.
"""

from __future__ import annotations

from app.services import services_from_settings
from app.settings import load_settings
from app.web.application import create_app

app = create_app(services_from_settings(load_settings()))
