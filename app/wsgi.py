"""The WSGI application of one worker process: ``granian --interface wsgi app.wsgi:app``.

Settings are read and the store is opened when a worker imports this module, so that a worker that cannot
serve does not start and no connection is shared between processes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from app.counting import Publisher
from app.logs import configure_logs
from app.orphans import end_when_orphaned
from app.services import services_from_settings
from app.settings import load_settings
from app.store.through import Timed
from app.web.application import create_app
from app.web.health import Metrics

end_when_orphaned()
configure_logs()
_services = services_from_settings(load_settings())
_store = Timed(_services.store)
_metrics = Metrics(partial(_store.numbers, "http"), _services.settings.counts_folder)
app = create_app(replace(_services, store=_store), _metrics)
Publisher(_services.settings.counts_folder, _metrics.numbers).start()
