"""The metric of the playlist cache: where each playlist came from."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class Outcomes:
    """`mam_vod_playlists_total{outcome}`: playlists from this process's memory, from Redis, or built."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = Counter("mam_vod_playlists", "Playlists served, by their origin.", ("outcome",), registry=registry)
        self.memory = counter.labels("memory")
        self.redis = counter.labels("redis")
        self.built = counter.labels("built")
