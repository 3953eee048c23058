"""What the processes of ``weald serve`` need, imported once, before they are forked from the one that imports this.

Nothing is opened or begun here. What is there when this ends is left alone by the collector of rubbish, which would
otherwise write to the memory that they share.
"""

import gc

import app.ingest.adt
import app.mllp.server
import app.store.sqlite
import app.upkeep
import app.web.application  # noqa: F401

gc.collect()
gc.freeze()
