"""What is erased is gone, what is not stays, and the receipt says which."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from typer.testing import CliRunner

from lambdas.contracts import Gallery
from lambdas.publish.manifest import Manifest
from talent_frames import cli, kept
from talent_frames.corrections import read_manifest
from talent_frames.packs import resolve_pack
from tests.talent_frames.drawn_run import publish_drawn
from tests.test_web import serving


def erase(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(cli.app, ["erase", *map(str, arguments), "--yes"])
    assert done.exit_code == 0, done.output
    receipt: dict[str, Any] = json.loads(done.stdout)
    told = receipt.pop("sha256")
    assert told == hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()
    return receipt


def refused(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli.app, ["erase", *map(str, arguments)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    return done.stderr


def test_a_run_is_erased_with_what_is_kept_of_it(own_home: Path, tmp_path: Path) -> None:
    run_id = f"run-{tmp_path.name}"
    publish_drawn(tmp_path / "out", tmp_path / "work", run_id)
    files = sum(path.is_file() for path in (tmp_path / "out").rglob("*"))
    receipt = erase(tmp_path / "out", "--receipt", tmp_path / "receipt.json")
    assert not (tmp_path / "out").exists()
    assert run_id not in kept.kept_run_ids()
    assert [(one["kind"], one["files"]) for one in receipt["erased"]] == [("run", files), ("kept staging", 0)]
    assert json.loads((tmp_path / "receipt.json").read_text())["what"] == f"run {run_id}"
    assert "no run of talent-frames" in refused(tmp_path, "--yes")


def test_a_video_is_erased_from_every_folder_and_others_stay(own_home: Path, tmp_path: Path) -> None:
    from lambdas.split.identify import identify

    film = tmp_path / "film.mp4"
    film.write_bytes(b"a film")
    identity, _ = identify(str(film), film.name)
    for number, of in enumerate((identity, "another", identity)):
        run_id = f"run{number}-{tmp_path.name}"
        publish_drawn(tmp_path / f"runs/{number}", tmp_path / f"work{number}", run_id, identity=of)
    kept.drop(f"run2-{tmp_path.name}")
    receipt = erase("--source", film, "--in", tmp_path / "runs")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["1"]
    assert [one["kind"] for one in receipt["erased"]] == ["kept staging", "run", "run"]
    assert f"run1-{tmp_path.name}" in kept.kept_run_ids()
    assert "there is no run of it here" in refused("--source", film, "--in", tmp_path / "runs", "--yes")
    publish_drawn(tmp_path / "runs" / "3", tmp_path / "work3", f"run3-{tmp_path.name}", identity=identity)
    with serving() as server:
        server.data = film.read_bytes()
        receipt = erase("--source", server.url("film.mp4", user="ada:pa55word@"), "--in", tmp_path / "runs")
    assert not (tmp_path / "runs" / "3").exists()
    assert "pa55word" not in json.dumps(receipt)


def test_a_person_is_erased_by_their_picture(demo_run: tuple[Manifest, Path], tmp_path: Path) -> None:
    from talent_frames.enroll import enroll

    before, folder = demo_run
    out = tmp_path / "out"
    shutil.copytree(folder, out)
    kept_before = tmp_path / "kept"
    staging, _ = kept.kept_run(before.run_id)
    shutil.copytree(staging.root, kept_before)
    picture = tmp_path / "Eileen.png"
    cv2.imwrite(str(picture), cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))
    (tmp_path / "pictures").mkdir()
    shutil.copy(picture, tmp_path / "pictures" / "Eileen.png")
    gallery, _ = enroll(tmp_path / "pictures", resolve_pack("open"))
    other = np.roll(gallery.embeddings, 7, axis=1)
    both = Gallery(
        ["Eileen", "Other"],
        np.concatenate([gallery.embeddings, other]),
        np.array([0, 1], np.int32),
        gallery.pack_sha256,
    )
    file = tmp_path / "gallery.npz"
    file.write_bytes(both.to_bytes())
    try:
        receipt = erase("--person", picture, "--in", out, "--gallery", file)
        after = read_manifest(out)
        assert len(after.people) == len(before.people) - 1
        assert all(person.tracks[0].start_s > 1 for person in after.people)
        assert Gallery.from_bytes(file.read_bytes()).names == ["Other"]
        assert [one["kind"] for one in receipt["erased"]] == ["person", "kept staging", "gallery entry"]
        # The first and the last scenes are hers: about these frames somebody has to decide.
        assert any(file.startswith("scenes/") for file in receipt["erased"][0]["still_shown_in"])
        assert before.run_id not in kept.kept_run_ids()
        assert "nobody here looks like that" in refused("--person", picture, "--in", out, "--yes")
        # A run of which nothing is kept is searched by its pictures.
        later = tmp_path / "later"
        shutil.copytree(folder, later)
        receipt = erase("--person", picture, "--in", later)
        assert [(one["kind"], one["people"]) for one in receipt["erased"]] == [("person", 1)]
        assert read_manifest(later).people == after.people
    finally:
        shutil.copytree(kept_before, staging.root, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--yes",), "erase takes a run's folder, or --source, or --person"),
        (("a", "--source", "b", "--yes"), "erase takes"),
        (("a",), "add --yes"),
        (("--person", "none.jpg", "--yes"), "none.jpg"),
        (("--source", "none.mp4", "--yes"), "none.mp4"),
    ],
)
def test_nothing_is_erased_by_mistake(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in refused(*arguments)
