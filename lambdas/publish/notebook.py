"""A manifest in a notebook: its people as a table with their faces, and its lists as pandas' data frames."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from lambdas.publish.manifest import Manifest

_FACE_PX = 96
_folders: dict[str, Path] = {}
"""By run id, where this process published it last."""


def remember(run_id: str, folder: Path) -> None:
    """Lets a notebook show the pictures of a run that was published as this folder."""
    _folders[run_id] = folder


def people_html(manifest: Manifest) -> str:
    """A table of the people, with their faces where the run's folder is known and has them."""
    rows = []
    for person in manifest.people:
        cells = (
            _face(_folders.get(manifest.run_id), person.thumbnail),
            str(person.id),
            html.escape(person.name or "unknown"),
            f"{person.screen_time_s:.1f} s",
            f"{person.best_frame.t_s:.1f} s",
            f"{person.best_frame.score:.2f}",
            html.escape(person.best_frame.file),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    titles = ("", "person", "name", "on screen", "best at", "score", "best frame")
    head = "<tr>" + "".join(f"<th>{title}</th>" for title in titles) + "</tr>"
    counts = f"{len(manifest.people)} people, {len(manifest.scenes)} scenes, {len(manifest.unclear)} unclear"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table><p>{counts}</p>"


def data_frames(manifest: Manifest) -> dict[str, pandas.DataFrame]:
    """`people`, `tracks` and `scenes`, one row each. Raises ImportError where pandas isn't installed."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'talent-frames[pandas]'") from error

    people: list[dict[str, Any]] = [
        {
            "person": person.id,
            "name": person.name,
            "confidence": person.confidence,
            "screen_time_s": person.screen_time_s,
            "best_t_s": person.best_frame.t_s,
            "score": person.best_frame.score,
            "file": person.best_frame.file,
            "thumbnail": person.thumbnail,
        }
        for person in manifest.people
    ]
    tracks = [
        {"person": person.id, "start_s": track.start_s, "end_s": track.end_s, "best_s": track.best_s}
        for person in manifest.people
        for track in person.tracks
    ]
    scenes = [
        {"scene": scene.index, "start_s": scene.start_s, "end_s": scene.end_s, "t_s": scene.t_s, "file": scene.file}
        for scene in manifest.scenes
    ]
    columns = {
        "people": [*("person", "name", "confidence", "screen_time_s", "best_t_s", "score", "file", "thumbnail")],
        "tracks": ["person", "start_s", "end_s", "best_s"],
        "scenes": ["scene", "start_s", "end_s", "t_s", "file"],
    }
    rows = {"people": people, "tracks": tracks, "scenes": scenes}
    return {name: pandas.DataFrame(rows[name], columns=columns[name]) for name in columns}


def _face(folder: Path | None, file: str) -> str:
    """An image element that holds the file, empty where there is none."""
    path = folder / file if folder is not None else None
    if path is None or not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" width="{_FACE_PX}">'
