"""The collector's whole state: messages in, counters out, with the time as an argument and no I/O.

    collector = Collector(capture)
    collector.request(Message("id", body=b'{"light": "dark"}'), now)
    collector.primary(Message("id", arm=capture.stable, body=b'{"predictions": [1]}'), now)
    collector.copy(Message("id", arm=mirror_cluster(capture.candidate), body=b'{"predictions": [2]}'), now)
    collector.page()

A pair is counted as soon as both answers are there, in whatever order the messages of a request come. What comes later, a
second answer of stable's or the part of the traffic, is counted when it comes. Where requests are observed, each one counts for
the revision that answered it, whether or not it was copied.
"""

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelrollout.collector.accounts import Accounts
from modelrollout.collector.body import NOT_JSON, UNDECODABLE, Body, read_body
from modelrollout.collector.compare import Outcome
from modelrollout.collector.labels import Labels
from modelrollout.collector.measures import Increments
from modelrollout.collector.metrics import exposition
from modelrollout.collector.observed import Observations
from modelrollout.collector.observed_metrics import observed_exposition
from modelrollout.collector.parts import Parts
from modelrollout.collector.prediction import Prediction, Reader
from modelrollout.collector.table import Entry, Limits, Role, Table
from modelrollout.domain.capture import Capture
from modelrollout.names import mirror_cluster

MAX_ID = 128
SKIPPED = frozenset(("stream", "notJson", "tooLarge", "empty"))
"""Why the router hands over an answer without its body."""
_UNPAIRED = Outcome((("skipped/unpaired", 1),))


@dataclass(frozen=True)
class Message:
    """What the router saw of a request.

    Attributes:
        id: the request's, the same in all its messages.
        arm: who answered: a revision, or the name of its mirror cluster.
        status: of the answer.
        body: as it came.
        encoding: the header content-encoding.
        skipped: why the answer cannot be compared: stream, notJson, tooLarge or empty; it has no body then.
        headers: of the request, those that parts name, in lower case.
        copied: of an answer to a client: somebody may have got a copy of the request.
    """

    id: str
    arm: str = ""
    status: int = 200
    body: bytes = b""
    encoding: str = ""
    skipped: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    copied: bool = True


class Collector:
    """Compares what two revisions answered to the same requests.

    Args:
        capture: what to compare; ``Capture()`` compares nothing.
        limits: of memory and time.

    Attributes:
        capture: what it obeys.
        totals: messages and what became of them.
        labels: what clients were told, until its label comes.
    """

    def __init__(self, capture: Capture, limits: Limits | None = None) -> None:
        self.totals: Counter[str] = Counter()
        self.labels = Labels()
        self._table = Table(limits or Limits())
        self._accounts = Accounts()
        self._observed = Observations(capture, _arms(capture))
        self._obey(capture)

    def configure(self, capture: Capture) -> None:
        """Obey another capture.

        Counters begin at 0 if it names other revisions; otherwise those that it still asks for go on.
        """
        before = self.capture
        if capture == before:
            return
        if capture.model_copy(update={"percent": before.percent}) != before:
            for entry in self._table.clear():
                self._lose(entry)
        if (capture.stable, capture.candidate) != (before.stable, before.candidate):
            self._accounts = Accounts()
            self.totals.clear()
        if (capture.keep_bodies, capture.redact) != (before.keep_bodies, before.redact):
            self._accounts.forget_examples()
        self._obey(capture)

    @property
    def headers(self) -> frozenset[str]:
        """Headers of requests by which parts of the traffic are told apart, in lower case."""
        return self._parts.headers

    def request(self, message: Message, now: float) -> None:
        """Take the body of a request: it tells what is asked, and which parts of the traffic the request belongs to."""
        entry = self._entry(message, Role.REQUEST, now)
        if entry is None:
            return
        if self._needs_body:
            self._ask(entry, message)
        self._remember(entry, now)
        self._settle(entry)

    def primary(self, message: Message, now: float) -> None:
        """Take the answer that the client got; ``arm`` is the revision that gave it."""
        if message.arm not in self._answering:
            self.totals["ignored"] += 1
            return
        entry = self._entry(message, Role.PRIMARY, now)
        if entry is None:
            return
        entry.arm = message.arm
        self._belongs(entry, self._parts.of_headers(message.headers))
        if not (message.copied and self._copies and message.arm == self.capture.stable):
            entry.single = True
            self._table.settle(entry)
        if message.skipped and message.status < 400:
            entry.skipped = message.skipped if message.skipped in SKIPPED else "other"
            self.totals[f"skipped/{entry.skipped}"] += 1
            self._answered(entry, entry.arm, None)
        else:
            predictions = self._read(message)
            self._answered(entry, entry.arm, self._reader.observed(predictions))
            if not entry.single:
                self._table.keep(entry, Role.PRIMARY, self._reader.compared(predictions))
            labelled = self._reader.labelled(predictions)
            if labelled is not None:
                self._table.answer(entry, labelled)
        if entry.asked is not None:
            self._note(entry, entry.arm, entry.asked)
            entry.asked = None
        self._remember(entry, now)
        self._settle(entry)

    def copy(self, message: Message, now: float) -> None:
        """Take the answer of a mirror cluster: the candidate's, or stable's second one."""
        role = self._copies.get(message.arm)
        if role is None:
            self.totals["ignored"] += 1
            return
        entry = self._entry(message, role, now)
        if entry is None:
            return
        if self._observed.measures or not (entry.skipped or entry.single):
            predictions = self._read(message)
            self._answered(entry, message.arm, self._reader.observed(predictions))
            if not (entry.skipped or entry.single):
                self._table.keep(entry, role, self._reader.compared(predictions))
        self._settle(entry)

    def tick(self, now: float) -> None:
        """Give up requests that have waited too long. Every message does so as well."""
        self.labels.tick(now)
        for entry in self._table.overdue(now):
            if entry.waits:
                self._unpaired(entry)
            self._forget(entry)

    def page(self) -> dict[str, Any]:
        """Return what ``GET /predictions`` shows: JSON, the same until something is counted."""
        return {
            "v": 1,
            "stable": self.capture.stable,
            "candidate": self.capture.candidate,
            "counters": [list(row) for row in self._accounts.rows()],
            **({"observed": [list(row) for row in self._observed.rows()]} if self._observed.measures else {}),
            "examples": self._accounts.examples(),
            "totals": dict(sorted(self.totals.items())),
            **self.labels.page(),
        }

    def metrics(self) -> str:
        """Return the same for Prometheus, in its text format."""
        labels = self.labels if self.capture.labelled is not None else None
        page = exposition(self._accounts.rows(), self.totals, len(self._table), self._table.size, labels)
        return page + observed_exposition(self._observed.rows(), self._observed.scales())

    def _obey(self, capture: Capture) -> None:
        self.capture = capture
        self._parts = Parts(capture.parts)
        self._reader = Reader(capture)
        self.labels.configure(capture)
        self._accounts.open(capture, self._reader)
        self._copies: dict[str, Role] = {}
        if capture.stable and capture.candidate:
            self._copies[mirror_cluster(capture.candidate)] = Role.COPY
            if capture.baseline is not None:
                self._copies[mirror_cluster(capture.stable)] = Role.AGAIN
        everybody = capture.observed is not None or capture.labelled is not None
        self._answering = _arms(capture)[: None if everybody else 1 if self._copies else 0]
        if not self._observed.fits(capture):
            self._observed = Observations(capture, ())
        self._observed.open(capture, (*_arms(capture), *self._copies))
        self._needs_body = self._parts.needs_body or self._observed.measures

    def _entry(self, message: Message, role: Role, now: float) -> Entry | None:
        """Return the entry that a message belongs to, None when there is nothing to do with it."""
        self.tick(now)
        if not self._answering or not 0 < len(message.id) <= MAX_ID:
            self.totals["ignored"] += 1
            return None
        entry = self._table.entry(message.id, now)
        if role in entry.seen:
            self.totals["duplicate"] += 1
            return None
        entry.seen |= role
        self.totals[_NAMES[role]] += 1
        return entry

    def _read(self, message: Message) -> tuple[Prediction, ...]:
        return self._reader.read(message.status, message.body, message.encoding, message.skipped)

    def _ask(self, entry: Entry, message: Message) -> None:
        """Learn from a request's body what it asks, and of which parts of the traffic it is."""
        problem = message.skipped or ("" if message.body else "empty")
        body = Body(problem=problem) if problem else read_body(message.body, message.encoding)
        if self._parts.needs_body:
            self._belongs(entry, self._parts.of_document(body.document))
        if not self._observed.measures:
            return
        if body.problem:
            self.totals[f"unread/{body.problem if body.problem in _UNREAD else 'other'}"] += 1
        found = self._observed.request(body, len(message.body))
        if entry.arm:
            self._note(entry, entry.arm, found)
        else:
            self._table.ask(entry, found)

    def _answered(self, entry: Entry, arm: str, prediction: Prediction | None) -> None:
        if self._observed.measures:
            self._note(entry, arm, self._observed.answer(prediction))

    def _note(self, entry: Entry, arm: str, increments: Increments) -> None:
        """Count something for an arm, and have it counted for parts of the traffic that become known later."""
        self._observed.add(arm, entry.parts, increments)
        late = self._parts.needs_body and Role.REQUEST not in entry.seen
        if late or Role.PRIMARY not in entry.seen:
            self._table.note(entry, arm, increments)

    def _remember(self, entry: Entry, now: float) -> None:
        """Tell once what a client was answered, when it is known of which parts of the traffic the request is."""
        if entry.answer is None:
            return
        if Role.REQUEST in entry.seen or not self._parts.needs_body:
            self.labels.remember(entry.id, entry.arm, tuple(entry.parts), entry.answer, now)
            entry.answer = None

    def _belongs(self, entry: Entry, parts: list[str]) -> None:
        """Learn parts of the traffic that a request belongs to, and count there what it amounted to."""
        new = [part for part in dict.fromkeys(parts) if part not in entry.parts]
        entry.parts += new
        for outcomes in entry.outcomes:
            self._accounts.add(outcomes, new)
        for arm, increments in entry.noted:
            self._observed.add(arm, new, increments)

    def _settle(self, entry: Entry) -> None:
        """Count what can be counted by now, and make room."""
        found = entry.predictions
        if not entry.counted and entry.skipped:
            self._count(entry, self._accounts.same(Outcome(((f"skipped/{entry.skipped}", 1),))))
        elif not entry.counted and Role.PRIMARY in found and Role.COPY in found:
            self.totals["pairs"] += 1
            pair = found[Role.PRIMARY], found[Role.COPY]
            self._count(entry, self._accounts.compare(entry, *pair, _chance(entry.id)))
        again = Role.AGAIN not in self._copies.values() or bool(entry.skipped) or entry.single
        if entry.counted and not again and Role.AGAIN in found:
            trio = found[Role.PRIMARY], found[Role.COPY], found[Role.AGAIN]
            self._count(entry, self._accounts.beyond(*trio, _chance(entry.id)))
            again = True
        if entry.counted and again:
            if self._needs_body and Role.REQUEST not in entry.seen:
                self._table.drop(entry)
            else:
                self._table.release(entry)
        for excess in self._table.excess():
            self._lose(excess)

    def _count(self, entry: Entry, outcomes: tuple[Outcome, ...]) -> None:
        self._accounts.add(outcomes, entry.parts)
        self._table.count(entry, outcomes)

    def _lose(self, entry: Entry) -> None:
        if entry.waits:
            self.totals["evicted"] += 1
            self._unpaired(entry)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        if entry.asked is not None:
            self.totals["unanswered"] += 1

    def _unpaired(self, entry: Entry) -> None:
        self.totals["unpaired"] += 1
        self._accounts.add(self._accounts.same(_UNPAIRED), entry.parts)


_UNREAD = frozenset((*SKIPPED, NOT_JSON, UNDECODABLE))
_NAMES = {Role.REQUEST: "request", Role.PRIMARY: "primary", Role.COPY: "copy", Role.AGAIN: "baseline"}


def _arms(capture: Capture) -> tuple[str, ...]:
    """Return who may answer clients."""
    return tuple(revision for revision in (capture.stable, capture.candidate) if revision)


def _chance(request: str) -> float:
    """Return a request's own number in [0, 1)."""
    return zlib.crc32(request.encode("utf-8", "surrogatepass")) / 2**32
