"""Reading a URL by ranges: what passes is tried again, what doesn't is named, and no message tells where we read."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambdas import web
from lambdas.errors import BadInput, SourceChanged, SourceMissing, SourceUnreachable, TalentFramesError
from lambdas.video import content_mark, open_video, size_bytes
from lambdas.web import RangeFile
from tests.clips import make_clip
from tests.split.range_server import running

DATA = bytes(range(256)) * 4096
SECRET = "X-Signature=s3cr3t"


class Server(ThreadingHTTPServer):
    """Answers as `answer(handler, start, end)` says; None lets it answer the range as it should."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Handler, int, int], bool], address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), Handler)
        self.answer = answer
        self.data = DATA
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self.paths: list[str] = []
        self.hosts: list[str | None] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that hangs up is no failure of ours."""

    def url(self, path: str = "a.mp4", user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}/{path}?{SECRET}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range") or ""
        self.server.asked.append(wanted)
        self.server.paths.append(self.path)
        self.server.hosts.append(self.headers.get("Host"))
        self.server.authorization.append(self.headers.get("Authorization"))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        start, end = (int(found[1]), int(found[2]) + 1) if found else (0, len(self.server.data))
        if not self.server.answer(self, start, min(end, len(self.server.data))):
            self.part(start, min(end, len(self.server.data)))

    def part(self, start: int, end: int, *, sent: int | None = None, **headers: str) -> None:
        """A right answer, of which `sent` bytes come."""
        data = self.server.data[start:end]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.server.data)}")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data[:sent])
        if sent is not None:
            self.close_connection = True

    def say(self, status: int, **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving(answer: Callable[[Handler, int, int], bool] = lambda *_: False) -> AbstractContextManager[Server]:
    return running(Server(answer))


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BACK_OFF_S", 0.005)
    monkeypatch.setattr(web, "STALL_S", 0.3)


def whole(file: RangeFile) -> bytes:
    return b"".join(iter(lambda: file.read(100_000), b""))


def test_all_of_it_is_read_in_few_requests() -> None:
    with serving() as server:
        file = RangeFile(server.url(), "a.mp4")
        assert whole(file) == DATA
        assert len(server.asked) == 2
        file.seek(5)
        assert file.read(10) == DATA[5:15]
        file.seek(-3, 2)
        assert file.read(10) == DATA[-3:]
        assert file.read(10) == b""
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    troubles = iter([True, True, False])
    with serving(lambda handler, *_: next(troubles, False) and handler.say(status)) as server:
        assert size_bytes(server.url(), "a.mp4") == len(DATA)
        assert len(server.asked) == 3


def test_a_server_is_left_alone_for_as_long_as_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("lambdas.web.time.sleep", waited.append)
    troubles = iter(["7", "86400", "Wed, 21 Oct 2015 07:28:00 GMT"])

    def answer(handler: Handler, start: int, end: int) -> bool:
        after = next(troubles, None)
        return after is not None and handler.say(503, Retry_After=after)

    with serving(answer) as server:
        assert RangeFile(server.url(), "a.mp4").size == len(DATA)
    assert waited[:2] == [7.0, web.LONGEST_WAIT_S]
    assert 0 < waited[2] < 1


def test_a_server_that_stays_in_trouble_is_unreachable() -> None:
    with serving(lambda handler, *_: handler.say(503)) as server:
        with pytest.raises(SourceUnreachable, match=r"^a\.mp4: could not be read \(HTTP 503\)$"):
            size_bytes(server.url(), "a.mp4")
        assert len(server.asked) == web.TRIES


def test_an_answer_cut_short_goes_on_where_it_ended() -> None:
    cuts = iter([1000, 70_000, 5])

    def answer(handler: Handler, start: int, end: int) -> bool:
        cut = next(cuts, None)
        if cut is None:
            return False
        handler.part(start, end, sent=cut)
        return True

    with serving(answer) as server:
        assert whole(RangeFile(server.url(), "a.mp4")) == DATA
        assert server.asked[:4] == [f"bytes={start}-262143" for start in (0, 1000, 71_000, 71_005)]


def test_an_answer_that_stalls_or_trickles_is_given_up() -> None:
    def stalls(handler: Handler, start: int, end: int) -> bool:
        handler.part(start, end, sent=10)
        time.sleep(1)
        return True

    def trickles(handler: Handler, start: int, end: int) -> bool:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(DATA)}")
        handler.send_header("Content-Length", str(end - start))
        handler.end_headers()
        for place in range(start, end):
            handler.wfile.write(DATA[place : place + 1])
            handler.wfile.flush()
            time.sleep(0.05)
        return True

    for answer in (stalls, trickles):
        began = time.monotonic()
        with serving(answer) as server, pytest.raises(SourceUnreachable, match="could not be read"):
            size_bytes(server.url(), "a.mp4") and whole(RangeFile(server.url(), "a.mp4"))
        assert time.monotonic() - began < 10


def test_what_is_not_there_is_not_asked_for_again() -> None:
    for status in (400, 401, 403, 404, 410):
        with serving(lambda handler, *_, status=status: handler.say(status)) as server:
            with pytest.raises(SourceMissing, match=rf"^a\.mp4: can't be read \(HTTP {status}\)$"):
                size_bytes(server.url(), "a.mp4")
            assert len(server.asked) == 1


def test_a_signature_that_runs_out_on_the_way_may_be_renewed() -> None:
    answers = itertools.count()
    with serving(lambda handler, *_: next(answers) > 0 and handler.say(403)) as server:
        file = RangeFile(server.url(), "a.mp4")
        assert file.size == len(DATA)
        with pytest.raises(SourceUnreachable, match="may not be read any more"):
            whole(file)


def test_answers_that_are_no_ranges_are_named() -> None:
    def without_place(handler: Handler, start: int, end: int) -> bool:
        handler.send_response(206)
        handler.send_header("Content-Length", "1")
        handler.end_headers()
        handler.wfile.write(b"x")
        return True

    with serving(without_place) as server, pytest.raises(SourceMissing, match="no Content-Range"):
        size_bytes(server.url(), "a.mp4")
    with serving(lambda handler, *_: handler.say(200)) as server, pytest.raises(SourceMissing, match="answer ranges"):
        size_bytes(server.url(), "a.mp4")


def test_the_end_of_a_file_is_asked_for_from_its_beginning(tmp_path: Path) -> None:
    """Some servers know no `bytes=-n`."""
    with serving() as server:
        file = RangeFile(server.url(), "a.mp4")
        file.seek(-10, 2)
        assert file.read(10) == DATA[-10:]
        assert all(re.fullmatch(r"bytes=\d+-\d+", asked) for asked in server.asked)


@pytest.mark.parametrize("header", ["ETag", "Last_Modified"])
def test_content_that_changes_on_the_way_is_noticed(header: str) -> None:
    versions = iter(["one", "one", "two", "two"])

    def answer(handler: Handler, start: int, end: int) -> bool:
        handler.part(start, end, sent=None, **{header: next(versions, "two")})
        return True

    with serving(answer) as server:
        file = RangeFile(server.url(), "a.mp4", request_bytes=300_000)
        with pytest.raises(SourceChanged, match=r"^a\.mp4: is another file by now$"):
            whole(file)
        with pytest.raises(SourceChanged):
            whole(RangeFile(server.url(), "a.mp4", mark="one"))
        assert content_mark(server.url(), "a.mp4") == "two"


def test_content_of_another_size_is_noticed() -> None:
    with serving() as server:
        file = RangeFile(server.url(), "a.mp4", request_bytes=300_000)
        assert file.size == len(DATA)
        server.data = DATA[:-1]
        with pytest.raises(SourceChanged):
            whole(file)


def test_user_and_password_are_sent_as_such_and_nowhere_else() -> None:
    with serving() as server:
        assert RangeFile(server.url(user="ada:pa%20ss@"), "a.mp4").size == len(DATA)
        assert server.authorization == ["Basic " + base64.b64encode(b"ada:pa ss").decode()]
        assert server.paths == [f"/a.mp4?{SECRET}"]


def test_a_url_may_hold_spaces_and_letters_of_any_language() -> None:
    with serving() as server:
        assert RangeFile(server.url("my film/日本.mp4"), "日本.mp4").size == len(DATA)
        assert server.paths[0].startswith("/my%20film/%E6%97%A5%E6%9C%AC.mp4?")


@pytest.mark.parametrize("url", ["http://", "http:///a.mp4", "https://[::1/a.mp4", "http://a:b/c.mp4", "http://a b/c"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(TalentFramesError, match=r"^a\.mp4: "):
        _ = RangeFile(url, "a.mp4").size


def test_redirections_lead_to_the_same_host_but_into_no_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = iter(["/b.mp4", ""])
    with serving(lambda handler, *_: bool(to := next(targets, "")) and handler.say(302, Location=to)) as server:
        assert RangeFile(server.url(), "a.mp4").size == len(DATA)
        assert server.paths == [f"/a.mp4?{SECRET}", "/b.mp4"]
    for target in (
        "http://localhost/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/x",
        "http://10.0.0.1/x",
        "http://0/x",
        "http://2130706433/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//localhost:1/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[64:ff9b::7f00:1]/x",
        "http://[2002:7f00:1::]/x",
        "http://224.0.0.1/x",
    ):
        with serving(lambda handler, *_, target=target: handler.say(302, Location=target)) as server:
            with pytest.raises(SourceMissing, match=r"^a\.mp4: redirected ") as caught:
                _ = RangeFile(server.url(), "a.mp4").size
            assert set(server.paths) == {f"/a.mp4?{SECRET}"}
            assert target not in str(caught.value)
    again = lambda handler, *_: handler.say(302, Location="/again")  # noqa: E731
    with serving(again) as server, pytest.raises(SourceMissing, match="more than 5 times"):
        _ = RangeFile(server.url(), "a.mp4").size


def lookups(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    """Lets host names (not addresses) have these addresses, one list for each look-up, the last for ever; what was
    looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look(host: str, port: int, *rest: Any, **more: Any) -> Any:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            asked.append(host)
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            return [entry for address in found for entry in real(address, port, type=socket.SOCK_STREAM)]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return asked


@pytest.fixture
def public_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """127.0.0.2 stands for an address of the open internet, 127.0.0.1 is private as ever; no connection is left."""
    monkeypatch.setattr(web, "_is_public", lambda address, real=web._is_public: address == "127.0.0.2" or real(address))
    web._connections_to_strangers.cache_clear()
    yield
    web._connections_to_strangers.cache_clear()


def certificate_for(name: str, folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate of it that is its own authority."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
             "-days", "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs the openssl command: apt-get install openssl")
    return key, certificate


def redirecting(to: Server, host: str) -> AbstractContextManager[Server]:
    there = f"http://{host}:{to.server_address[1]}/b.mp4"
    return serving(lambda handler, *_: handler.say(302, Location=there))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with other work is no server that stalls."""
    monkeypatch.setattr(web, "STALL_S", 20.0)


def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, public_here: None, patient: None
) -> None:
    """A name whose server says something private from the second time on (DNS rebinding)."""
    with running(Server(lambda *_: False, "127.0.0.2")) as good, redirecting(good, "rebinding.example") as server:
        asked = lookups(monkeypatch, [["127.0.0.2"], ["127.0.0.1"]])
        assert RangeFile(server.url(), "a.mp4").size == len(DATA)
        assert asked == ["rebinding.example"]
        assert set(good.hosts) == {f"rebinding.example:{good.server_address[1]}"}


def test_a_name_that_turns_private_between_two_requests_is_refused(
    monkeypatch: pytest.MonkeyPatch, public_here: None, patient: None
) -> None:
    def closing(handler: Handler, *_: int) -> bool:
        handler.close_connection = True
        return False

    with running(Server(closing, "127.0.0.2")) as good, redirecting(good, "rebinding.example") as server:
        asked = lookups(monkeypatch, [["127.0.0.2"], ["127.0.0.1"]])
        file = RangeFile(server.url(), "a.mp4", request_bytes=300_000)
        with pytest.raises(SourceMissing, match=r"^a\.mp4: redirected into a private network"):
            whole(file)
        assert len(asked) == 2
        assert len(good.asked) == 1


@pytest.mark.parametrize("certified", ["secure.example", "elsewhere.example"])
def test_tls_goes_by_the_name_though_an_address_is_connected_to(
    certified: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public_here: None, patient: None
) -> None:
    key, certificate = certificate_for(certified, tmp_path)
    monkeypatch.setattr("certifi.where", lambda: str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    said: list[str | None] = []
    context.sni_callback = lambda connection, name, _: said.append(name)
    server = Server(lambda *_: False, "127.0.0.2")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    there = f"https://secure.example:{server.server_address[1]}/b.mp4"
    with running(server), serving(lambda handler, *_: handler.say(302, Location=there)) as first:
        lookups(monkeypatch, [["127.0.0.2"]])
        if certified == "secure.example":
            assert RangeFile(first.url(), "a.mp4").size == len(DATA)
        else:
            with pytest.raises(SourceMissing, match="certificate is not valid"):
                _ = RangeFile(first.url(), "a.mp4").size
    assert set(said) == {"secure.example"}


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2", "10.0.0.1"]], ids=str)
def test_a_name_with_one_private_address_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch, public_here: None, patient: None
) -> None:
    with running(Server(lambda *_: False, "127.0.0.2")) as other, redirecting(other, "mixed.example") as server:
        lookups(monkeypatch, [addresses])
        with pytest.raises(SourceMissing, match=r"^a\.mp4: redirected into a private network"):
            _ = RangeFile(server.url(), "a.mp4").size
        assert other.asked == []


def test_a_name_that_is_unknown_after_a_redirection_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look(host: str, *rest: Any, **more: Any) -> Any:
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    there = "http://nowhere.example/a"
    told = r"^a\.mp4: could not be read \(Name or service not known\)$"
    elsewhere = lambda handler, *_: handler.say(302, Location=there)  # noqa: E731
    with serving(elsewhere) as server, pytest.raises(SourceUnreachable, match=told):
        _ = RangeFile(server.url(), "a.mp4").size


def test_the_password_does_not_follow_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_is_public", lambda address: True)
    with serving() as other:
        there = other.url("b.mp4").replace("127.0.0.1", "localhost")
        with serving(lambda handler, *_: handler.say(307, Location=there)) as server:
            assert RangeFile(server.url(user="ada:secret@"), "a.mp4").size == len(DATA)
        assert server.authorization[0] is not None
        assert other.authorization == [None]


def hang_up(handler: Handler, start: int, end: int) -> bool:
    handler.close_connection = True
    return True


FAILURES: dict[str, Callable[[Handler, int, int], bool]] = {
    "404": lambda handler, *_: handler.say(404),
    "403": lambda handler, *_: handler.say(403),
    "503": lambda handler, *_: handler.say(503),
    "416": lambda handler, *_: handler.say(416),
    "200": lambda handler, *_: handler.say(200),
    "elsewhere": lambda handler, *_: handler.say(302, Location="http://user:pw@localhost/x?token=abc"),
    "around": lambda handler, *_: handler.say(302, Location=f"/b?{SECRET}"),
    "junk": lambda handler, *_: False,
    "hangs up": hang_up,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_tells_the_url(failure: str, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(FAILURES[failure]) as server:
        url = server.url(user="ada:pa55word@")
        with pytest.raises(TalentFramesError) as caught, open_video(url, "a.mp4") as container:
            list(container.demux())
        chain: BaseException | None = caught.value
        texts = []
        while chain is not None:
            texts.append(repr(chain) + str(chain))
            chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
        texts += capfd.readouterr()
    for text in texts:
        assert not any(secret in text for secret in ("s3cr3t", "pa55word", "127.0.0.1", "abc", "http://")), text


def test_a_clip_over_http_is_read_as_from_a_file(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    troubles = itertools.count()
    with serving(lambda handler, *_: next(troubles) % 2 == 0 and handler.say(503)) as server:
        server.data = clip.read_bytes()
        with open_video(server.url(), "a.mp4") as there, open_video(str(clip), "a.mp4") as here:
            assert [packet.pts for packet in there.demux(video=0)] == [packet.pts for packet in here.demux(video=0)]


def test_trouble_in_the_middle_of_a_video_is_no_end_of_it(tmp_path: Path) -> None:
    clip = make_clip("ts", tmp_path)
    with serving(lambda handler, start, end: start > 100_000 and handler.say(404)) as server:
        server.data = clip.read_bytes() * 8
        with pytest.raises(SourceMissing), open_video(server.url(), "a.mp4") as container:
            list(container.demux(video=0))


def test_nothing_of_it_is_bad_input_that_trying_again_may_help() -> None:
    assert not issubclass(SourceUnreachable, BadInput)
    assert not issubclass(SourceChanged, BadInput)
