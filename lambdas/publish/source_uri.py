"""How a run's results name their source. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit


def published_uri(uri: str, *, whole_path: bool = False) -> str:
    """A source's URI fit to be published: a URL loses user, password, query (signatures live there) and fragment, and a
    path on this machine, which tells of its user and its layout, all but the file's name unless `whole_path`."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return PurePosixPath(uri).name
    if parts.scheme == "s3":
        return uri
    if parts.scheme.lower() not in ("http", "https"):
        return uri if whole_path else PurePosixPath(uri).name
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
