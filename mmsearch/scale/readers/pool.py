"""The readers of a front: which parts they hold, which of them answer, and why others do not.

A reader that is late, dead, or reads another manifest is left out from then on. It is asked every second how it is, and
used again once it is well.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import mmsearch
from mmsearch.errors import MMSearchError, NoReaderError, UsageError
from mmsearch.scale.readers.connections import ABOUT, LOOK_UP, ConnectionFailure, Connections, Sent
from mmsearch.scale.readers.part import Part
from mmsearch.scale.readers.part_snapshot import NamedSnapshot

LATE_AFTER_S = 5.0
"""How long a front waits for a reader, unless it is told otherwise."""

_PROBE_S = 1.0
_TO_BE_JUDGED = "it has answered just now"
_CONFLICT, _UNAUTHORIZED, _BAD_REQUEST = 409, 401, 400


class ReaderLostError(MMSearchError):
    """A reader did not answer, and is left out now: the look-up begins anew without it."""


class ReaderAheadError(MMSearchError):
    """A reader has a newer manifest than the front."""


@dataclass(eq=False)
class Reader:
    """A reader as the front sees it.

    Attributes:
        connections: to it.
        part: what it holds; None as long as it never answered.
        why_not: why it is left out; empty for one that is used.
    """

    connections: Connections
    part: Part | None = None
    why_not: str = "it has not answered yet"
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it is."""
        return self.connections.address


class Readers:
    """Readers that hold all parts of one collection. Safe to use from threads.

    Args:
        addresses: of all readers, in any order.
        token: what they ask for.
        late_after: seconds after which a reader is late.

    Raises:
        UsageError: no address, or one that cannot be read.
    """

    def __init__(self, addresses: Sequence[str], token: str | None = None, late_after: float = LATE_AFTER_S) -> None:
        if not addresses:
            raise UsageError("name the addresses of the readers")
        self._all = [Reader(Connections(address, token)) for address in addresses]
        self._late_after = late_after
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._snapshot: NamedSnapshot | None = None
        self._prober: threading.Thread | None = None
        twice = {reader.address for reader in self._all if [one.address for one in self._all].count(reader.address) > 1}
        if twice:
            raise UsageError(f"the reader {sorted(twice)[0]} is named twice")

    @property
    def count(self) -> int:
        """How many there are, and so how many parts."""
        return len(self._all)

    def start(self, snapshot: NamedSnapshot) -> None:
        """Ask all readers what they hold, and go on asking those that are left out.

        Raises:
            UsageError: their parts overlap or do not add up, or they read another collection or model.
        """
        self._snapshot = snapshot
        with ThreadPoolExecutor(len(self._all)) as pool:
            list(pool.map(self._ask_about, self._all))
        self._check_parts()
        for reader in self._all:
            self._judge(reader)
            if reader.about and (wrong := self._contradiction(reader)):
                raise UsageError(f"the reader {reader.address} {wrong}")
        self._prober = threading.Thread(target=self._probe, name="readers", daemon=True)
        self._prober.start()

    def close(self) -> None:
        """Ask no more, and close all connections."""
        self._stopped.set()
        if self._prober is not None:
            self._prober.join()
        for reader in self._all:
            reader.connections.close()

    def follow(self, snapshot: NamedSnapshot) -> None:
        """Be told the snapshot that is searched now."""
        self._snapshot = snapshot

    def in_use(self) -> list[Reader]:
        """The readers that are asked, in order of their parts.

        Raises:
            NoReaderError: there is none.
        """
        used = sorted((one for one in self._all if not one.why_not), key=lambda one: one.part or Part(1, 1))
        if not used:
            reasons = "; ".join(f"{reader.address}: {reader.why_not}" for reader in self._all)
            raise NoReaderError(f"no reader answers ({reasons})")
        return used

    def missing(self, used: Iterable[Reader] | None = None) -> dict[str, str]:
        """Why parts are not searched, by part: ``{"3/8": "its reader cannot be reached"}``.

        Args:
            used: the readers that are asked; None for those that are in use now.
        """
        asked = {one for one in self._all if not one.why_not} if used is None else set(used)
        out = [reader for reader in self._all if reader not in asked]
        reasons = {one.part.number: one.why_not or "its reader came back only now" for one in out if one.part}
        strangers = iter([one.why_not for one in out if one.part is None])
        searched = {one.part.number for one in asked if one.part}
        return {
            str(Part(number, self.count)): reasons.get(number) or next(strangers, "no reader holds it")
            for number in range(1, self.count + 1)
            if number not in searched
        }

    def look_up(self, readers: Sequence[Reader], body: bytes) -> list[bytes]:
        """The answer of each of some readers to a request, all asked at once.

        Raises:
            ReaderLostError: one of them did not answer in time, or cannot.
            ReaderAheadError: one of them has a newer manifest.
            MMSearchError: the request itself is wrong, as they say.
        """
        until = time.monotonic() + self._late_after
        sent: list[Sent | BaseException] = []
        for reader in readers:
            try:
                sent.append(reader.connections.send(LOOK_UP, body, until))
            except ConnectionFailure as error:
                sent.append(error)
        found: list[bytes] = []
        failures: list[MMSearchError] = []
        for reader, one in zip(readers, sent, strict=True):
            try:
                if isinstance(one, BaseException):
                    raise one
                status, answer = reader.connections.receive(one, LOOK_UP, body, until)
            except ConnectionFailure as error:
                failures.append(self._lose(reader, self._reason(error)))
                continue
            if status == 200:
                found.append(answer)
            else:
                failures.append(self._refusal(reader, status, answer))
        if failures:
            raise min(failures, key=lambda error: isinstance(error, ReaderLostError))
        return found

    def _refusal(self, reader: Reader, status: int, answer: bytes) -> MMSearchError:
        """What an answer means that is none."""
        try:
            said = json.loads(answer)["error"]
        except (ValueError, KeyError, TypeError):
            said = {"message": f"it answers with status {status}"}
        if status == _CONFLICT:
            if self._snapshot is not None and said.get("generation", 0) > self._snapshot.manifest.generation:
                return ReaderAheadError(said["message"])
            return self._lose(reader, said["message"])
        if status == _BAD_REQUEST:
            return UsageError(str(said.get("message")))
        return self._lose(reader, "it refuses the token" if status == _UNAUTHORIZED else str(said.get("message")))

    def leave_ahead(self) -> None:
        """Leave out readers whose manifest is newer than the newest one that is found here."""
        for reader in [one for one in self._all if not one.why_not]:
            self._ask_about(reader)
            self._judge(reader)

    def _lose(self, reader: Reader, why: str) -> ReaderLostError:
        with self._guard:
            reader.why_not = why
        return ReaderLostError(f"{reader.address}: {why}")

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"its reader was not done within {self._late_after:g} s"
        return "its reader cannot be reached"

    def _probe(self) -> None:
        while not self._stopped.wait(_PROBE_S):
            if out := [one for one in self._all if one.why_not]:
                with ThreadPoolExecutor(len(out)) as pool:
                    list(pool.map(self._ask_about, out))
                for reader in out:
                    self._judge(reader)

    def _ask_about(self, reader: Reader) -> None:
        """Ask a reader what it holds. One that is well is used once it is judged."""
        about: dict[str, Any] = {}
        try:
            status, answer = reader.connections.ask(ABOUT, b"", self._late_after)
            if status == 200:
                said = json.loads(answer)
                reader.part = Part.read(said["part"])
                about = {name: said[name] for name in ("version", "digest", "generation", "spaces", "ready")}
                why_not = _TO_BE_JUDGED if about["ready"] else "its reader is still opening its indexes"
            elif status == _UNAUTHORIZED:
                why_not = "its reader refuses the token"
            else:
                why_not = f"its reader answers with status {status}"
        except ConnectionFailure as error:
            why_not = self._reason(error)
        except (ValueError, KeyError, TypeError, UsageError):
            why_not = "what answers there is no reader"
        with self._guard:
            reader.about, reader.why_not = about, why_not

    def _judge(self, reader: Reader) -> None:
        """Use a reader that is well, if it fits."""
        about = reader.about
        if reader.why_not != _TO_BE_JUDGED:
            return
        snapshot = self._snapshot
        assert snapshot is not None
        wrong = self._contradiction(reader)
        others = [one for one in self._all if one is not reader and one.part == reader.part and one.about]
        if not wrong and others:
            wrong = f"holds part {reader.part}, as {others[0].address} does"
        if not wrong and about["digest"] != snapshot.digest:
            wrong = f"reads generation {about['generation']}, not {snapshot.manifest.generation}"
        with self._guard:
            reader.why_not = f"its reader {wrong}" if wrong else ""

    def _contradiction(self, reader: Reader) -> str:
        """Why a reader can never be one of these; empty if it can."""
        snapshot, about = self._snapshot, reader.about
        assert snapshot is not None
        if about["version"] != mmsearch.__version__:
            return f"runs mmsearch {about['version']}, not {mmsearch.__version__}"
        spaces, is_level = set(about["spaces"]), about["generation"] == snapshot.manifest.generation
        if spaces.isdisjoint(snapshot.manifest.spaces) or (is_level and spaces != set(snapshot.manifest.spaces)):
            return "reads a collection of other models"
        if is_level and about["digest"] != snapshot.digest:
            return "reads another collection"
        if reader.part is not None and reader.part.count != self.count:
            return f"holds part {reader.part}, but {self.count} readers are named"
        return ""

    def _check_parts(self) -> None:
        """Raise an error if two readers hold the same part."""
        holders: dict[Part, Reader] = {}
        for reader in self._all:
            if reader.part is None:
                continue
            other = holders.setdefault(reader.part, reader)
            if other is not reader:
                raise UsageError(f"{other.address} and {reader.address} both hold part {reader.part}")
