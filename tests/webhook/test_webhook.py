"""The function that signs: against a local server, checked by the receiver's example in the docs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.webhook import handler as webhook

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
BODY = json.dumps({"id": "1", "detail-type": "Video Processed", "detail": {"run_id": "r", "source": "s3://b/ü.mp4"}})


class Hook:
    """A receiver that keeps what it got and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        hook = self

        class Requests(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(hook.status)
                if hook.status == 307:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/frames"


@pytest.fixture
def hook(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    made = Hook()
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="static", SecretString="let-me-in")
    secrets.create_secret(Name="key", SecretString="first key")
    for name, value in (
        ("WEBHOOK_URL", made.url),
        ("WEBHOOK_HEADER", "X-Webhook-Secret"),
        ("WEBHOOK_SECRET", "static"),
        ("SIGNING_SECRET", "key"),
    ):
        monkeypatch.setenv(name, value)
    webhook._secrets.clear()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def is_genuine() -> Callable[..., bool]:
    """The example of docs/events.md, as a receiver would copy it."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    found: Callable[..., bool] = names["is_genuine"]
    return found


def event() -> dict[str, Any]:
    return {"Records": [{"body": BODY, "attributes": {"ApproximateReceiveCount": "1"}}]}


def test_a_receiver_can_tell_that_the_call_is_genuine(hook: Hook, is_genuine: Callable[..., bool]) -> None:
    webhook.handler(event(), None)
    ((headers, body),) = hook.got
    assert headers["x-webhook-secret"] == "let-me-in"
    assert body == BODY.encode()
    signed = headers["x-talent-frames-signature"]
    assert is_genuine(signed, body, "first key")
    assert not is_genuine(signed, body.replace(b'"r"', b'"q"'), "first key")
    assert not is_genuine(signed, body, "another key")
    # A recorded call that is sent again later, and one whose time was changed to hide that.
    assert not is_genuine(signed, body, "first key", now=time.time() + 301)
    later = re.sub(r"t=\d+", f"t={int(time.time()) + 301}", signed)
    assert not is_genuine(later, body, "first key", now=time.time() + 301)
    for nonsense in ("", "v1=abc", "t=,v1=", "t=x,v1=y"):
        assert not is_genuine(nonsense, body, "first key")


@pytest.mark.parametrize("status", [307, 400, 403, 429, 500, 503])
def test_what_is_not_taken_goes_back_to_the_queue(hook: Hook, status: int) -> None:
    hook.status = status
    with pytest.raises(webhook.WebhookRefused, match=f"HTTP {status}"):
        webhook.handler(event(), None)
    # Nobody else got to see secret and signature.
    assert len(hook.got) == 1


def test_a_receiver_that_is_not_there_is_tried_again(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:9/")
    with pytest.raises(webhook.WebhookRefused) as raised:
        webhook.handler(event(), None)
    assert "127.0.0.1" not in str(raised.value)


def test_a_key_that_rotated_is_used_minutes_later(
    hook: Hook, is_genuine: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.handler(event(), None)
    boto3.client("secretsmanager").put_secret_value(SecretId="key", SecretString="second key")
    monkeypatch.setattr(webhook, "SECRETS_KEPT_S", 0)
    webhook.handler(event(), None)
    assert is_genuine(hook.got[1][0]["x-talent-frames-signature"], BODY.encode(), "second key")


@pytest.mark.parametrize("name", ["WEBHOOK_URL", "WEBHOOK_HEADER", "WEBHOOK_SECRET", "SIGNING_SECRET"])
def test_a_variable_that_is_missing_is_named(hook: Hook, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(KeyError, match=name):
        webhook.handler(event(), None)
