"""What a notebook shows of a manifest, and its data frames."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from lambdas.publish import notebook
from lambdas.publish.manifest import Manifest


def test_a_notebook_shows_people_with_the_faces_of_their_run(demo_run: tuple[Manifest, Path]) -> None:
    manifest, folder = demo_run
    shown = manifest._repr_html_()
    assert shown.count("<tr>") == 1 + len(manifest.people)
    assert shown.count("data:image/jpeg;base64,") == len(manifest.people)
    assert f"{len(manifest.people)} people, {len(manifest.scenes)} scenes" in shown
    elsewhere = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert elsewhere == manifest


def test_without_its_folder_a_manifest_shows_no_faces_and_a_name_is_no_markup(
    demo_run: tuple[Manifest, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_folders", {})
    manifest, _ = demo_run
    named = manifest.people[0].model_copy(update={"name": "<b>Ada</b>"})
    shown = manifest.model_copy(update={"people": [named]})._repr_html_()
    assert "base64" not in shown
    assert "&lt;b&gt;Ada&lt;/b&gt;" in shown


def test_people_tracks_and_scenes_are_data_frames(demo_run: tuple[Manifest, Path]) -> None:
    manifest, _ = demo_run
    frames = manifest.to_pandas()
    assert list(frames) == ["people", "tracks", "scenes"]
    assert [len(frame) for frame in frames.values()] == [
        len(manifest.people),
        sum(len(person.tracks) for person in manifest.people),
        len(manifest.scenes),
    ]
    assert list(frames["people"].file) == [person.best_frame.file for person in manifest.people]
    nobody = manifest.model_copy(update={"people": [], "scenes": []}).to_pandas()
    assert [list(frame.columns) for frame in nobody.values()] == [list(frame.columns) for frame in frames.values()]


def test_without_pandas_it_is_said_what_to_install(
    demo_run: tuple[Manifest, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *others: Any, **more: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'talent-frames\[pandas\]'"):
        demo_run[0].to_pandas()
