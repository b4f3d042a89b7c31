"""Where a report finds the video it is about, so that its moments play. Pure: no files, no environment."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit


def linked_video(video: str, report: Path, *, wanted: bool) -> str:
    """The link from the file `report` to the video: a path relative to it, or the URL; empty where there is none.

    A file in one of the folders around the report is linked in any case: `../../film.mp4` tells nothing of the machine.
    Any other is linked where that is `wanted`, and so is an http(s) URL as it was given, its signature included.
    An s3 URL can't be played; a signed one of it can.
    """
    if "://" in video:
        return video if wanted and urlsplit(video).scheme.lower() in ("http", "https") else ""
    # Not resolved: a browser follows `..` as text, whatever is a symbolic link.
    path, folder = Path(os.path.normpath(Path(video).absolute())), Path(os.path.normpath(report.absolute())).parent
    if not wanted and path.parent not in (folder, *folder.parents):
        return ""
    return quote(os.path.relpath(path, folder).replace(os.sep, "/"))
