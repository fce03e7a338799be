"""Runs a check: fetches a playlist's segments one at a time, measures them and applies the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from urllib.parse import urljoin, urlsplit

from mam.check.delivery import playlist_delivery, segment_delivery
from mam.check.fetch import Answer, Client, Unreachable, place
from mam.check.fmp4 import InitFacts, InvalidBoxes, read_init
from mam.check.ladder import group_rules, ladder_rules
from mam.check.levels import level_rules
from mam.check.measurement import Media, frame_duration, measurement
from mam.check.media import SegmentFacts, container_of, measure
from mam.check.multivariant import list_rules, tree_rules
from mam.check.report import Finding, Presentation, Report, error, note
from mam.check.rules import chain_rules, completed, extinf_rules, init_rules, lone_rules, offset
from mam.check.rungs import rung_rules
from mam.check.syntax import (
    MediaPlaylist,
    Segment,
    is_multivariant,
    read_media,
    read_multivariant,
    syntax,
)
from mam.check.webvtt import read_vtt, vtt_rules

PROBE = 100  # The check of range requests asks for this many bytes.


def check(url: str, *, every: bool = True) -> Report:
    """Checks the stream whose playlist is at `url`. `every`: all segments, else the first, the last and a few.

    Raises Unreachable when the playlist cannot be fetched.
    """
    with Client() as client:
        return _Check(client, every=every).run(url)


def sample(count: int) -> list[int]:
    """The numbers of the segments in a sample of `count`: neighbours too, for the rules between them."""
    middle = count // 2
    return sorted({n for n in (0, 1, middle, middle + 1, count - 2, count - 1) if 0 <= n < count})


class _Check:
    def __init__(self, client: Client, *, every: bool) -> None:
        self._client = client
        self._every = every
        self._findings: list[Finding] = []
        self._reported: set[tuple[str, str]] = set()
        self._sections: dict[str, tuple[bytes, InitFacts | None]] = {}

    def run(self, url: str) -> Report:
        answer = self._client.playlist(url)
        if answer.status != 200:
            raise Unreachable(f"{place(url)} answers {answer.status}.")
        where = place(url)
        text = self._read_playlist(answer, where)
        if is_multivariant(text):
            presentations = self._tree(answer, text, where)
        else:
            media = self._media(answer.url, read_media(text), where)
            self._judge(media)
            presentations = [measurement(media).presentation]
        return Report(url, tuple(self._findings), tuple(presentations))

    def _read_playlist(self, answer: Answer, where: str) -> str:
        self._findings += syntax(answer.body, where)
        self._findings += playlist_delivery(answer, where)
        return answer.body.decode("utf-8", "replace")

    def _tree(self, answer: Answer, text: str, where: str) -> list[Presentation]:
        """Checks a multivariant playlist: each of its media playlists, then its claims about them."""
        playlist = read_multivariant(text)
        self._findings += list_rules(playlist, where)
        renditions = [r["URI"] for r in playlist.renditions if r.get("URI")]
        variants = [variant.uri for variant in playlist.variants if variant.uri]
        media_by_uri: dict[str, Media] = {}
        for uri in dict.fromkeys((*variants, *renditions, *(variant.uri for variant in playlist.i_frames))):
            if media := self._listed(urljoin(answer.url, uri), where, uri):
                media_by_uri[uri] = media
        main = next((media_by_uri[uri] for uri in variants if uri in media_by_uri), None)
        origin = offset(main.segments) if main else None
        frame = frame_duration(main.segments) if main else Fraction(0)
        for uri, media in media_by_uri.items():
            self._judge(media, alternate=uri not in variants, frame=frame, origin=origin)
        if not playlist.independent:
            self._findings += _not_independent([media_by_uri[uri] for uri in variants if uri in media_by_uri])
        measured = {uri: measurement(media) for uri, media in media_by_uri.items()}
        trick = {variant.uri for variant in playlist.i_frames}
        played = {uri: facts for uri, facts in measured.items() if uri not in trick}
        for rules in (tree_rules, rung_rules, ladder_rules, group_rules):
            self._findings += rules(playlist, played, where)
        return [facts.presentation for facts in played.values()]

    def _listed(self, url: str, top: str, uri: str) -> Media | None:
        """Checks a media playlist of a multivariant one."""
        where = place(url)
        try:
            answer = self._client.playlist(url)
        except Unreachable as failure:
            self._findings.append(error("missing", where, failure.detail))
            return None
        if answer.status != 200:
            self._findings.append(error("missing", where, f"It answers {answer.status}."))
            return None
        text = self._read_playlist(answer, where)
        if is_multivariant(text):
            self._findings.append(error("rendition", top, f"{uri} is no media playlist."))
            return None
        return self._media(answer.url, read_media(text), where)

    def _media(self, base: str, playlist: MediaPlaylist, where: str) -> Media:
        """Fetches and measures the segments."""
        media = Media(where, playlist, complete=self._every)
        starts = [Fraction(0), *accumulate(segment.duration for segment in playlist.segments)]
        if playlist.i_frames_only or not all(segment.whole for segment in playlist.segments):
            media.complete = False
            return media
        count = len(playlist.segments)
        for number in range(count) if self._every else sample(count):
            segment = playlist.segments[number]
            spot = f"{where} segment {number}"
            answer = self._fetched(urljoin(base, segment.uri), spot)
            if answer is None:
                media.complete = False
                continue
            self._delivery(answer, where, spot, ranged=number == 0)
            if container_of(answer.body) == "vtt":
                media.texts.append(
                    read_vtt(answer.body, number=number, listed=starts[number], duration=segment.duration)
                )
                continue
            section, init = self._section(base, segment, spot, needed=container_of(answer.body) == "mp4")
            measured = measure(answer.body, section, init)
            facts = SegmentFacts(
                number, starts[number], segment.duration, len(answer.body), measured.container, measured.tracks,
                measured.audios, measured.ts, measured.fragments, measured.trouble, segment.discontinuity,
            )  # fmt: skip
            if measured.container != "mp4" or init is not None:
                self._findings += lone_rules(facts, spot)
            media.segments.append(facts)
        media.segments = completed(media.segments)
        return media

    def _section(self, base: str, segment: Segment, spot: str, *, needed: bool) -> tuple[bytes, InitFacts | None]:
        """A segment's Media Initialization Section, which is fetched once."""
        if segment.map is None:
            if needed:
                self._findings.append(error("map", spot, "fMP4 needs an EXT-X-MAP."))
            return b"", None
        url = urljoin(base, segment.map)
        if url not in self._sections:
            self._sections[url] = self._init(url, f"{spot.rpartition(' segment ')[0]} {_file(url)}")
        return self._sections[url]

    def _init(self, url: str, where: str) -> tuple[bytes, InitFacts | None]:
        answer = self._fetched(url, where)
        if answer is None:
            return b"", None
        self._delivery(answer, where, where, ranged=False)
        try:
            init = read_init(answer.body)
        except InvalidBoxes as failure:
            self._findings.append(error("init", where, failure.detail))
            return answer.body, None
        self._findings += init_rules(init, where)
        return answer.body, init

    def _fetched(self, url: str, spot: str) -> Answer | None:
        try:
            answer = self._client.segment(url)
        except Unreachable as failure:
            self._findings.append(error("missing", spot, failure.detail))
            return None
        if answer.status != 200:
            self._findings.append(error("missing", spot, f"It answers {answer.status}."))
            return None
        return answer

    def _delivery(self, answer: Answer, where: str, spot: str, *, ranged: bool) -> None:
        """Checks the delivery of a segment; each finding is reported once per playlist."""
        findings = list(segment_delivery(answer, spot))
        if ranged and len(answer.body) > PROBE:
            findings += self._range(answer, spot)
        for finding in findings:
            if (where, finding.rule) not in self._reported:
                self._reported.add((where, finding.rule))
                self._findings.append(finding)

    def _range(self, whole: Answer, spot: str) -> Iterator[Finding]:
        try:
            part = self._client.part(whole.url, PROBE)
        except Unreachable as failure:
            yield error("range", spot, failure.detail)
            return
        if part.body != whole.body[:PROBE]:
            yield error("range", spot, f"A Range of {PROBE} bytes is answered with {len(part.body)}.")
        elif part.status != 206:
            yield note("range", spot, f"A Range is answered as asked, but with status {part.status}.")

    def _judge(
        self, media: Media, *, alternate: bool = False, frame: Fraction = Fraction(0), origin: Fraction | None = None
    ) -> None:
        self._findings += chain_rules(media.segments, media.where)
        self._findings += extinf_rules(media.segments, media.where, alternate=alternate, frame=frame)
        self._findings += level_rules(media.segments, media.where)
        self._findings += vtt_rules(media.texts, origin, media.where)
        if not alternate and origin is None:
            self._findings += _not_independent([media])


def _not_independent(playlists: Sequence[Media]) -> Iterator[Finding]:
    for media in playlists:
        if not media.playlist.independent and any(facts.track("video") for facts in media.segments):
            yield error("independent", media.where, "Neither it nor what lists it has EXT-X-INDEPENDENT-SEGMENTS.")


def _file(url: str) -> str:
    """The last part of a path: the others may contain a token."""
    return urlsplit(url).path.rpartition("/")[2]
