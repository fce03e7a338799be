"""How playlists come about, as a metric: how good the cache is."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class Outcomes:
    """`mam_vod_playlists_total{outcome}`: from this process's memory, from Redis, or built for the request."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = Counter(
            "mam_vod_playlists", "Playlists given out, by where they were.", ("outcome",), registry=registry
        )
        self.memory = counter.labels("memory")
        self.redis = counter.labels("redis")
        self.built = counter.labels("built")
