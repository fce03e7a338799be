"""A client that uploads a file as a page does, several parts at once; also a program, which can be killed on its way.

python -m tests.integration.uploading http://localhost:8002 <api key> <file> [<folder> [<parts>]]

With a number of parts, it kills itself once so many have arrived.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests
import urllib3

PARALLEL = 3
URLS_AT_ONCE = 20


class Client:
    """Speaks to a VoD service, and to the store where that says so."""

    def __init__(self, base: str, api_key: str) -> None:
        self._base = base
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["x-api-key"] = api_key
        self._store = urllib3.PoolManager(maxsize=PARALLEL, retries=urllib3.Retry(3, allowed_methods=None))

    def call(self, method: str, path: str = "", body: Any = None) -> requests.Response:
        return self._http.request(method, f"{self._base}/uploads{path}", json=body, timeout=150)

    def begin(self, name: str, size: int, *, folder: str = "", fingerprint: str = "", **more: str) -> requests.Response:
        body = {"name": name, "size": size, "folder": folder, "fingerprint": fingerprint or f"{name}-{size}", **more}
        return self.call("POST", "", body)

    def urls(self, upload: str, numbers: Sequence[int]) -> dict[int, str]:
        answer = self.call("POST", f"/{upload}/parts", {"numbers": list(numbers)})
        assert answer.status_code == 200, answer.text
        return {int(number): url for number, url in answer.json()["urls"].items()}

    def put(self, url: str, data: bytes, **headers: str) -> tuple[int, bytes]:
        answer = self._store.urlopen("PUT", url, body=data, headers=headers, timeout=60)
        return answer.status, answer.data

    def send(self, view: dict[str, Any], path: Path, told: Callable[[int], object] = lambda number: None) -> None:
        """All parts that have not arrived, several at once."""
        size = view["part_size"]

        def part(item: tuple[int, str]) -> None:
            number, url = item
            with path.open("rb") as file:
                file.seek((number - 1) * size)
                status, said = self.put(url, file.read(size))
            assert status == 200, (number, status, said)
            told(number)

        missing = sorted(set(range(1, view["parts"] + 1)) - set(view["arrived"]))
        with ThreadPoolExecutor(PARALLEL) as pool:
            for start in range(0, len(missing), URLS_AT_ONCE):
                list(pool.map(part, self.urls(view["id"], missing[start : start + URLS_AT_ONCE]).items()))

    def upload(self, path: Path, *, folder: str = "", told: Callable[[int], object] = lambda number: None) -> Any:
        """A whole file, or what is left of it; the answer of its completion."""
        stat = path.stat()
        view = self.begin(path.name, stat.st_size, folder=folder, fingerprint=f"{path.name}-{stat.st_mtime_ns}").json()
        print(f"upload {view['id']}: {len(view['arrived'])} of {view['parts']} parts have arrived", flush=True)
        self.send(view, path, told)
        answer = self.call("POST", f"/{view['id']}/complete", {})
        assert answer.status_code == 200, answer.text
        return answer.json()


def main(base: str, api_key: str, file: str, folder: str = "", last: str = "") -> None:
    arrived = count(1)

    def told(number: int) -> None:
        print("part", number, flush=True)
        if last and next(arrived) >= int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    done = Client(base, api_key).upload(Path(file), folder=folder, told=told)
    print("complete", done["bucket"], unquote(done["key"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
