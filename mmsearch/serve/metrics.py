"""What the server counts and measures, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from mmsearch.scale.readers import Readers
    from mmsearch.serve.served import Served

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and histograms of one app. Safe to use from threads.

    Attributes:
        batch_size: queries that were answered at once.
        waiting: queries that wait.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mmsearch_requests", "Requests by route and status", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "mmsearch_request_seconds", "Seconds to the end of the answer", ["route"], registry=self._registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self._stages = Histogram(
            "mmsearch_stage_seconds", "Seconds of a batch by stage; queue: of a query before its batch", ["stage"],
            registry=self._registry, buckets=_SECONDS,
        )  # fmt: skip
        self.batch_size = Histogram(
            "mmsearch_batch_size", "Queries that were answered at once", registry=self._registry, buckets=_SIZES
        )
        self.waiting = Gauge("mmsearch_queries_waiting", "Queries that wait for a batch", registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Record how long one stage took."""
        self._stages.labels(name).observe(seconds)

    def stages(self, took_ms: Mapping[str, float]) -> None:
        """Record the stages of an answer."""
        for name, ms in took_ms.items():
            self.stage(name, ms / 1e3)

    def watch(self, served: Mapping[str, Served]) -> None:
        """Report rows, generation and measured recall of collections from now on."""
        self._registry.register(_Contents(served))

    def watch_readers(self, readers: Readers) -> None:
        """Report from now on of how many parts of the collection no reader answers."""
        missing = Gauge("mmsearch_parts_missing", "Parts of the collection without a reader", registry=self._registry)
        missing.set_function(lambda: len(readers.missing()))

    def text(self) -> bytes:
        """All of it, for `CONTENT_TYPE`."""
        return generate_latest(self._registry)


class _Contents(Collector):
    """Gauges that are read from the collections when they are asked for."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served

    def describe(self) -> list[Metric]:
        """Nothing: what there is depends on the collections."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Rows, generations and recalls as they are now."""
        where = ["collection", "space", "modality"]
        rows = GaugeMetricFamily("mmsearch_rows", "Rows that are searched", labels=where)
        recall = GaugeMetricFamily(
            "mmsearch_index_recall", "Measured recall@10 of an approximate index", labels=[*where, "queries"]
        )
        generation = GaugeMetricFamily("mmsearch_generation", "Number of the manifest", labels=["collection"])
        for name, served in self._served.items():
            status = served.status()
            generation.add_metric([name], status.generation)
            for one in status.modalities:
                rows.add_metric([name, one.space, one.modality], one.rows)
                for kind, value in one.recall.items():
                    recall.add_metric([name, one.space, one.modality, kind], value)
        yield from (generation, rows, recall)
