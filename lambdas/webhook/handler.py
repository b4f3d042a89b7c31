"""Tells a webhook of events, signed: from a queue, one event at a time, again until it is taken.

The signature covers the time of sending and the bytes of the body, so that a receiver can tell a forged, a changed and
an old one; docs/events.md shows how. Needs nothing but boto3.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
from os import environ
from typing import Any

import boto3

LOG = logging.getLogger(__name__)
LOG.setLevel(logging.INFO)

SIGNATURE_HEADER = "X-Talent-Frames-Signature"
TIMEOUT_S = 20
SECRETS_KEPT_S = 300
"""A secret that rotated is used after so long."""
_secrets: dict[str, tuple[float, str]] = {}


class WebhookRefused(Exception):
    """The webhook did not answer with a 2xx; the message goes back to the queue."""


class _NoRedirections(urllib.request.HTTPRedirectHandler):
    """A redirection would carry secret and signature to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirections)


def handler(event: dict[str, Any], context: object) -> None:
    """Sends the one message of the batch. Raises WebhookRefused."""
    url, header = _variable("WEBHOOK_URL"), _variable("WEBHOOK_HEADER")
    secret, key = _variable("WEBHOOK_SECRET"), _variable("SIGNING_SECRET")
    for record in event["Records"]:
        body = record["body"].encode()
        now = int(time.time())
        send(url, body, {header: _held(secret), SIGNATURE_HEADER: signature(_held(key), now, body)})
        LOG.info(json.dumps({"told": _id(body), "try": record["attributes"]["ApproximateReceiveCount"]}))


def _id(body: bytes) -> str | None:
    """Of the event that was told, for the log; None where it has none."""
    try:
        found = json.loads(body).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def signature(key: str, sent_at: int, body: bytes) -> str:
    """`t=<seconds>,v1=<hex>`: HMAC-SHA256 over the seconds, a dot and the body."""
    signed = hmac.new(key.encode(), f"{sent_at}.".encode() + body, hashlib.sha256)
    return f"t={sent_at},v1={signed.hexdigest()}"


def send(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Posts the event. Raises WebhookRefused for any answer but a 2xx, and for none."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers}, method="POST")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            if answer.status >= 300:
                raise WebhookRefused(f"HTTP {answer.status}")
    except urllib.error.HTTPError as error:
        raise WebhookRefused(f"HTTP {error.code}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        # Its text may hold the URL.
        raise WebhookRefused(type(error).__name__) from None


def _held(name: str) -> str:
    """What Secrets Manager holds under the name, asked again every few minutes."""
    asked_at, value = _secrets.get(name, (0.0, ""))
    if time.monotonic() - asked_at > SECRETS_KEPT_S or not value:
        value = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        _secrets[name] = time.monotonic(), value
    return value


def _variable(name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise KeyError(f"{name} is not set")
    return value
