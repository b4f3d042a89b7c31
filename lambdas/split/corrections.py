"""Corrections that come in with a request: those of this very video, or none."""

from __future__ import annotations

import json
from typing import Any

from pydantic import JsonValue

from lambdas.contracts import Corrections, Plan
from lambdas.errors import InvalidCorrections

MOST_BYTES = 8 * 2**20
"""Of corrections.json: fifty thousand sightings."""


def read_corrections(client: Any, given: dict[str, JsonValue], plan: Plan) -> bytes:
    """The document as it is staged: `given` itself, or the object whose `bucket` and `key` it names.

    Raises InvalidCorrections for what can't be read or was made on another video.
    """
    if {"bucket", "key"} <= given.keys():
        where = f"s3://{given['bucket']}/{given['key']}"
        try:
            answer = client.get_object(Bucket=given["bucket"], Key=given["key"])
        except client.exceptions.NoSuchKey:
            raise InvalidCorrections(f"{where}: there is nothing any more") from None
        text: bytes = answer["Body"].read(MOST_BYTES + 1)
    else:
        where, text = "corrections", json.dumps(given).encode()
    if len(text) > MOST_BYTES:
        raise InvalidCorrections(f"{where}: more than {MOST_BYTES:,} bytes")
    read = Corrections.parsed(text, where)
    if read.source_identity != plan.source.identity:
        raise InvalidCorrections(f"{where}: made on another video than run {plan.run_id}'s")
    return text
