"""Group commits: one transaction behind the sequencer for all changes that wait.

The transaction first takes the sequencer, the one document every commit writes. That puts the commits of
all processes in one order: commit numbers have no gaps, and whoever reads the sequencer sees every commit
up to its number and no other. A transaction that finds the sequencer taken is aborted by the server and run
again; one whose outcome is unknown is looked up by its token before anything else is tried.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bson import Int64
from pymongo import MongoClient, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from app.errors import StoreUnavailable
from app.store.mongo.connection import TRANSIENT, UNKNOWN_RESULT, committing, too_costly, unavailable
from app.store.mongo.flush import Flush
from app.store.mongo.reader import Reader
from app.store.mongo.schema import Collections
from app.store.mongo.snapshot import SEQUENCER
from app.store.mongo.transaction import MongoTransaction
from app.store.mongo.values import Raw, microseconds
from app.store.mongo.writers import Writers
from app.store.turns import Call

_FIRST_WAIT, _LONGEST_WAIT = 0.001, 0.05
_NO_SUCH_TRANSACTION = 251


class _CallFailed(Exception):
    """A command of this call was refused by the server: the others run again without it."""

    def __init__(self, call: Call, error: Exception) -> None:
        super().__init__()
        self.call = call
        self.error = error


class Committer:
    """Commits groups of calls, one at a time in this process."""

    def __init__(self, client: MongoClient[Raw], collections: Collections, clock: Callable[[], int], timeout: float) -> None:
        self._collections = collections
        self._clock = clock
        self._timeout = timeout
        self._writers = Writers(client, collections)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, keeps no secret

    def commit(self, calls: Sequence[Call]) -> None:
        """Run and commit them; each call has its results or its error then."""
        try:
            self._commit(calls)
        except (PyMongoError, StoreUnavailable) as error:
            cause = error if isinstance(error, StoreUnavailable) else unavailable(error) or error
            _fail(calls, cause)
        except BaseException:
            _fail(calls, StoreUnavailable("the commit was interrupted"))
            raise

    def _commit(self, calls: Sequence[Call]) -> None:
        """Commit those whose commands the server takes; it ends the transaction at the first it does not take."""
        left = list(calls)
        while left:
            try:
                self._commit_all(left)
            except _CallFailed as failed:
                failed.call.error, failed.call.results = failed.error, []
                left.remove(failed.call)
            else:
                return

    def _commit_all(self, calls: Sequence[Call]) -> None:
        deadline, wait = time.monotonic() + self._timeout, _FIRST_WAIT
        while True:
            token = uuid.uuid4().hex
            try:
                with _ended(self._writers.session()) as session:
                    self._attempt(session, calls, token, deadline)
            except PyMongoError as error:
                if not error.has_error_label(TRANSIENT) or time.monotonic() >= deadline:
                    raise
                self._writers.refused()
                time.sleep(wait * self._jitter.uniform(0.5, 1.5))
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return

    def _attempt(self, session: ClientSession, calls: Sequence[Call], token: str, deadline: float) -> None:
        session.start_transaction(**committing(self._timeout))
        sequencer = self._collections.sequence.find_one_and_update(
            {"_id": SEQUENCER}, {"$inc": {"n": Int64(1)}}, return_document=ReturnDocument.AFTER, session=session
        )
        if sequencer is None:
            raise StoreUnavailable("the store has been emptied while it was open; start Weald again")
        last = sequencer["at"]
        milliseconds = max(self._clock(), microseconds(last) // 1000 + 1 if last else 0)
        reader = Reader(self._collections, session, int(self._timeout * 1000))
        transaction = MongoTransaction(reader, calls[0].principal, sequencer["n"] - 1, milliseconds)
        for call in calls:
            self._run(transaction, call)
        if not transaction.layers.top.dirty:
            session.abort_transaction()
            return
        Flush(reader, transaction.known, transaction.layers.top).write(self._writers.beat)
        self._number(session, token, transaction.commit, transaction.now)
        self._finish(session, sequencer["n"], token, deadline)

    def _run(self, transaction: MongoTransaction, call: Call) -> None:
        """One caller's changes. What breaks them is that caller's to see; only a store out of order stops all callers."""
        call.error, call.results = None, []
        try:
            with transaction.caller():
                for change in call.changes:
                    self._writers.beat()
                    call.results.append(transaction.run(call.principal, change))
        except ExecutionTimeout as error:
            raise _CallFailed(call, too_costly()) from error
        except PyMongoError as error:
            if error.has_error_label(TRANSIENT) or unavailable(error):
                raise
            raise _CallFailed(call, error) from error
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's own thread, by apply
            call.error = error

    def close(self) -> None:
        self._writers.close()

    def _number(self, session: ClientSession, token: str, commit: int, now: str) -> None:
        """Leave the sequencer at the group's last commit, and the token by which the commit can be found again."""
        self._collections.sequence.update_one({"_id": SEQUENCER}, {"$set": {"n": Int64(commit), "at": now}}, session=session)
        self._collections.commit.insert_one({"_id": Int64(commit), "at": now, "token": token}, session=session)

    def _finish(self, session: ClientSession, first: int, token: str, deadline: float) -> None:
        """Commit; where the answer is lost, ask again, and where the server has forgotten, look the token up."""
        unknown = False
        while True:
            try:
                session.commit_transaction()
            except PyMongoError as error:
                lost = error.has_error_label(UNKNOWN_RESULT)
                if unknown and isinstance(error, OperationFailure) and error.code == _NO_SUCH_TRANSACTION and self._stands(first, token):
                    return
                if not lost or time.monotonic() >= deadline:
                    raise
                unknown = True
                time.sleep(_LONGEST_WAIT)
            else:
                return

    def _stands(self, first: int, token: str) -> bool:
        """True where the commit with this token, of this number or a later one, is on disk on a majority."""
        return self._collections.commit.find_one({"_id": {"$gte": first}, "token": token}) is not None


def _fail(calls: Sequence[Call], error: Exception) -> None:
    for call in calls:
        call.error, call.results = error, []


@contextmanager
def _ended(session: ClientSession) -> Iterator[ClientSession]:
    """The session, with no transaction left open."""
    try:
        yield session
    finally:
        if session.in_transaction:
            session.abort_transaction()
