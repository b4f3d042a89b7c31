"""Reads byte ranges of an http(s) URL: the one HTTP client by which video is read, for FFmpeg and for ourselves.

Tries again what may pass, says by name what won't, follows redirections only to where a stranger may send us, and
notices a file that is another one by now. No message holds a URL: it may be signed.
"""

from __future__ import annotations

import io
import ipaddress
import random
import re
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from lambdas.errors import SourceChanged, SourceMissing, SourceUnreachable
from lambdas.staging import ANSWER_BYTES, refusal

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT_S = 10.0
STALL_S = 30.0
"""Without a byte for so long an answer has stalled."""
LEAST_BYTES_A_SECOND = 16_384
"""An answer slower than this over `STALL_S` has stalled too: video is read at a thousand times that."""
TRIES = 5
"""Of one range; what arrived of it is kept from try to try."""
BACK_OFF_S = 0.5
"""Before the second try; doubled each time, with as much again by chance, so that workers don't knock together."""
LONGEST_WAIT_S = 30.0
"""However long a server asks to be left alone."""
REDIRECTIONS = 5
REQUEST_BYTES = 2 * 2**20
"""Of one range request when a chunk is read: few requests, little read beyond its end."""
GLANCE_BYTES = 2**18
"""Of one range request when a few packets are read here and there, and of the first in any case."""
KEPT_RANGES = 8
"""Ranges kept in memory: demuxers go back and forth between an index, sound and picture."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509})
"""Answers of a server in trouble, which may be another one in a while."""


@dataclass(frozen=True)
class _Answer:
    data: bytes
    size: int
    """Of the whole."""
    mark: str
    """What tells this content from another: ETag or Last-Modified; empty where the server sends neither."""


class RangeFile(io.RawIOBase):
    """A URL as a file that can be read from anywhere; `name` stands in messages.

    Raises SourceMissing, SourceUnreachable and SourceChanged, when it is made and at every read.
    """

    def __init__(self, url: str, name: str, *, request_bytes: int = REQUEST_BYTES, mark: str = "") -> None:
        super().__init__()
        self.title = name
        self.mark = mark
        """What the content is known by; another one is refused."""
        self._address, self._credentials = _address_of(url, name)
        self._named_host = urlsplit(self._address).hostname
        self._at = 0
        self._request_bytes = request_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._read_before = False

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        if self._size is None:
            self._fetch(0, min(GLANCE_BYTES, self._request_bytes))
        assert self._size is not None
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size if whence == io.SEEK_END else 0}[whence]
        if base + offset < 0:
            raise OSError(22, "a place before the beginning")
        self._at = base + offset
        return self._at

    def read(self, length: int = -1) -> bytes:
        """Up to `length` bytes from here, as much as comes in one range; nothing at the end."""
        if self._at >= self.size:
            return b""
        for start, data in self._kept.items():
            if start <= self._at < start + len(data):
                self._kept.move_to_end(start)
                break
        else:
            start = self._at
            data = self._fetch(start, self._request_bytes if self._read_before else GLANCE_BYTES)
        found = data[self._at - start :]
        found = found if length < 0 else found[:length]
        self._at += len(found)
        return found

    def read_range(self, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`, in one request where they are not here yet."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        for kept, data in self._kept.items():
            if kept <= start and end <= kept + len(data):
                return data[start - kept : end - kept]
        return self._fetch(start, end - start)

    def _fetch(self, start: int, length: int) -> bytes:
        """The range, kept for later reads. Short only at the end of the content."""
        if self._size is not None:
            length = min(length, self._size - start)
        pieces: list[bytes] = []
        here = 0
        tries = 0
        while True:
            try:
                answer = self._ask(start + here, length - here)
            except _Passing as trouble:
                pieces.append(trouble.data)
                here += len(trouble.data)
                # What moves on, however often it is cut, gets there.
                tries = 1 if len(trouble.data) >= GLANCE_BYTES else tries + 1
                if tries >= TRIES:
                    raise SourceUnreachable(f"{self.title}: could not be read ({trouble.why})") from None
                time.sleep(trouble.wait_s(tries))
                continue
            pieces.append(answer.data)
            break
        data = b"".join(pieces)
        if len(data) >= GLANCE_BYTES // 2 or not self._kept or not self._read_before:
            self._kept[start] = data
            while len(self._kept) > KEPT_RANGES:
                self._kept.popitem(last=False)
        self._read_before = True
        return data

    def _ask(self, start: int, length: int) -> _Answer:
        """One request and its answer, behind redirections. Raises _Passing with what arrived."""
        import urllib3

        headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        if self._credentials:
            headers["Authorization"] = self._credentials
        address = self._address
        for _ in range(REDIRECTIONS + 1):
            connections = _connections() if self._is_named(address) else _connections_to_strangers()
            try:
                response = connections.request(
                    "GET",
                    address,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=STALL_S),
                )
            except urllib3.exceptions.LocationParseError:
                raise SourceMissing(f"{self.title}: no URL that can be read") from None
            except urllib3.exceptions.SSLError as error:
                raise SourceMissing(f"{self.title}: the server's certificate is not valid ({_kind(error)})") from None
            except urllib3.exceptions.HTTPError as error:
                raise _Passing(_kind(error)) from None
            except _Private:
                raise SourceMissing(
                    f"{self.title}: redirected into a private network, which only the user may name"
                ) from None
            try:
                if response.status not in (301, 302, 303, 307, 308):
                    return self._take(response, start, length)
                address = self._redirected(address, response.headers.get("Location", ""))
                if not self._is_named(address):
                    headers.pop("Authorization", None)
            finally:
                # What is left of a body nobody reads would keep the connection from being used again.
                response.drain_conn() if response.status >= 300 else response.close()
                response.release_conn()
        raise SourceMissing(f"{self.title}: redirected more than {REDIRECTIONS} times")

    def _take(self, response: urllib3.BaseHTTPResponse, start: int, length: int) -> _Answer:
        status = response.status
        if status in PASSING:
            raise _Passing(f"HTTP {status}", retry_after=response.headers.get("Retry-After"))
        if status == 416:
            size = _whole(response.headers.get("Content-Range", ""))
            if size is None or (start < size and self._size is None):
                raise SourceMissing(f"{self.title}: the server answers no range of it (HTTP 416)")
            self._check(size, self.mark)
            return _Answer(b"", size, "")
        if status == 412:
            raise SourceChanged(f"{self.title}: is another file by now")
        if status == 200:
            raise SourceMissing(f"{self.title}: the server does not answer ranges, so the video can't be read in parts")
        if status != 206:
            # What could be read a moment ago was not forbidden: a signature ran out, and a new one may be made.
            if self._read_before and status in (401, 403):
                raise SourceUnreachable(f"{self.title}: may not be read any more (HTTP {status})")
            text = response.read(ANSWER_BYTES).decode(errors="replace")
            raise refusal(self.title, status, text, response.headers.get("x-amz-bucket-region"))
        place = re.fullmatch(r"\s*bytes\s+(\d+)-(\d+)/(\d+)\s*", response.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != start:
            raise SourceMissing(f"{self.title}: the server answers ranges without saying which (no Content-Range)")
        size = int(place[3])
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        self._check(size, mark)
        return _Answer(self._body(response, min(length, size - start)), size, mark)

    def _check(self, size: int, mark: str) -> None:
        """Raises SourceChanged where this is not what was read before."""
        if self._size not in (None, size) or (self.mark and mark and mark != self.mark):
            raise SourceChanged(f"{self.title}: is another file by now")
        self._size = size
        self.mark = self.mark or mark

    def _body(self, response: urllib3.BaseHTTPResponse, length: int) -> bytes:
        import urllib3

        data = bytearray()
        began = looked = time.monotonic()
        then = 0
        try:
            while len(data) < length:
                piece = response.read1(min(2**16, length - len(data)))
                if not piece:
                    raise _Passing("the connection ended early", bytes(data))
                data += piece
                now = time.monotonic()
                if now - looked > STALL_S:
                    if len(data) - then < LEAST_BYTES_A_SECOND * (now - looked):
                        raise _Passing(f"{len(data)} bytes in {now - began:.0f} s", bytes(data))
                    looked, then = now, len(data)
        except urllib3.exceptions.HTTPError as error:
            raise _Passing(_kind(error), bytes(data)) from None
        return bytes(data)

    def _is_named(self, address: str) -> bool:
        """Whether the URL is on the host the user named, whose addresses are the user's choice."""
        return urlsplit(address).hostname == self._named_host

    def _redirected(self, address: str, target: str) -> str:
        """Where a redirection leads. Raises SourceMissing for where no server may send us; addresses are looked at when
        they are connected to."""
        try:
            new = urljoin(address, quote(target, safe=_KEPT_IN_URLS))
            before, after = urlsplit(address), urlsplit(new)
            host, _ = after.hostname, after.port
        except ValueError:
            raise SourceMissing(f"{self.title}: redirected to what is no URL") from None
        if after.scheme not in ("http", "https") or not host or (before.scheme == "https" and after.scheme == "http"):
            raise SourceMissing(
                f"{self.title}: redirected to where it can't be read safely ({after.scheme or 'no'} URL)"
            )
        if after.username or after.password:
            raise SourceMissing(f"{self.title}: redirected to a URL with a password")
        return new


class _Private(Exception):
    """A stranger's host has an address that is not of the open internet."""


class _Passing(Exception):
    """Trouble that may be over at the next try."""

    def __init__(self, why: str, data: bytes = b"", retry_after: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.data = data
        """What arrived before it."""
        self._retry_after = retry_after

    def wait_s(self, tries: int) -> float:
        """How long to wait after so many tries."""
        if self._retry_after is not None and self._retry_after.strip().isdigit():
            return min(float(self._retry_after), LONGEST_WAIT_S)
        back_off_s = BACK_OFF_S * 2.0 ** (tries - 1)
        return min(back_off_s * (1 + random.random()), LONGEST_WAIT_S)


_KEPT_IN_URLS = "%/:?#[]@!$&'()*+,;=~-._"


def is_url(location: str) -> bool:
    """Whether the location is read over the network."""
    return location.lower().startswith(("http://", "https://"))


def _address_of(url: str, name: str) -> tuple[str, str]:
    """The URL to ask for, without user and password, and the Authorization header they make, empty without."""
    import urllib3

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SourceMissing(f"{name}: no URL that can be read") from None
    if not host:
        raise SourceMissing(f"{name}: no URL that can be read")
    shown = f"[{host}]" if ":" in host else host
    place = shown if port is None else f"{shown}:{port}"
    address = urlunsplit((parts.scheme.lower(), place, parts.path or "/", parts.query, ""))
    credentials = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = urllib3.make_headers(basic_auth=pair)["authorization"]
    # Spaces and letters beyond ASCII, as people copy them out of a browser.
    return quote(address, safe=_KEPT_IN_URLS), credentials


def _whole(content_range: str) -> int | None:
    found = re.fullmatch(r"\s*bytes\s+(?:\*|\d+-\d+)/(\d+)\s*", content_range)
    return int(found[1]) if found else None


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as a network of IPv6 alone reaches them (RFC 6052)."""


def _is_public(address: str) -> bool:
    """Whether an address is one of the open internet, and so is the IPv4 address within it where it holds one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in _NAT64:
            inside.append(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF))
        if not all(_is_public(str(one)) for one in inside if one is not None):
            return False
    return found.is_global and not found.is_multicast


def _kind(error: Exception) -> str:
    """What went wrong, without the address that urllib3 puts into its texts."""
    inner = error
    while (deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__) is not None:
        if not isinstance(deeper, Exception):
            break
        inner = deeper
    return getattr(inner, "strerror", None) or type(inner).__name__


@lru_cache(maxsize=1)
def _connections() -> urllib3.PoolManager:
    """One pool of connections a process."""
    import certifi
    import urllib3

    return urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), num_pools=8, maxsize=4)


@lru_cache(maxsize=1)
def _connections_to_strangers() -> urllib3.PoolManager:
    """The same for hosts the user did not name: a name is looked up once, and what is connected to is an address that
    was found public, whatever the name's server would answer a second time. TLS and `Host` go by the name.

    Requests raise _Private where an address of the host is not public.
    """
    import certifi
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.util.connection import create_connection

    class Looked(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            if not all(_is_public(address) for address in addresses):
                raise _Private
            trouble: OSError = OSError("no address")
            for address in addresses:
                try:
                    return create_connection(
                        (address, self.port),
                        self.timeout,
                        source_address=self.source_address,
                        socket_options=self.socket_options,
                    )
                except OSError as error:
                    trouble = error
            raise trouble

    class LookedByTls(Looked, HTTPSConnection):
        pass

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Looked

    class PoolByTls(urllib3.HTTPSConnectionPool):
        ConnectionCls = LookedByTls

    manager = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), num_pools=8, maxsize=4)
    manager.pool_classes_by_scheme = {"http": Pool, "https": PoolByTls}
    return manager
