"""Runs are handed on in forms that other programs' own readers take."""

from __future__ import annotations

import csv
import io
import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from lambdas.publish.manifest import Manifest
from lambdas.publish.xmp import MARK, NAMESPACE, Provenance, tagged
from talent_frames import cli
from talent_frames.corrections import read_manifest
from talent_frames.exports import captions, tables, timelines
from tests.talent_frames.drawn_run import publish_drawn


@pytest.fixture(scope="module")
def out(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    publish_drawn(folder / "run", folder / "work", f"run-{folder.name}", uri=str(folder / "my film.mp4"))
    done = CliRunner().invoke(cli.app, ["correct", str(folder / "run"), "--name", "0==Bob & <Co>"])
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture(scope="module")
def manifest(out: Path) -> Manifest:
    return read_manifest(out)


def export(out: Path, kind: str, target: Path, *more: str) -> list[Path]:
    done = CliRunner().invoke(cli.app, ["export", str(out), "--to", kind, "-o", str(target), *more])
    assert done.exit_code == 0, done.output
    return [Path(line) for line in done.output.splitlines()]


def test_tables_hold_every_appearance_and_scene(out: Path, manifest: Manifest, tmp_path: Path) -> None:
    people, scenes = export(out, "csv", tmp_path)
    rows = list(csv.DictReader(io.StringIO(people.read_text(), newline="")))
    assert len(rows) == sum(len(person.tracks) for person in manifest.people)
    assert [float(row["start_s"]) for row in rows] == sorted(float(row["start_s"]) for row in rows)
    # A spreadsheet would work out a cell that begins with "=".
    assert {row["name"] for row in rows} == {"", "'=Bob & <Co>"}
    rows = list(csv.DictReader(io.StringIO(scenes.read_text(), newline="")))
    assert [int(row["scene"]) for row in rows] == [scene.index for scene in manifest.scenes]
    assert rows[0]["people"] == "Person 2"
    assert rows[0]["end"] == "0:00:10.000"


def cues(text: str) -> list[tuple[str, str, str]]:
    assert text.startswith("WEBVTT\n")
    return re.findall(r"\n\d+\n(\S+) --> (\S+)\n(.*)\n", text)


def test_captions_are_chapters_people_and_thumbnails(out: Path, manifest: Manifest, tmp_path: Path) -> None:
    chapters, people, thumbnails, *_ = export(out, "vtt", tmp_path)
    found = cues(chapters.read_text())
    assert len(found) == len(manifest.scenes) == 3
    assert found[1] == ("00:00:10.000", "00:00:20.000", "Scene 2: =Bob &amp; &lt;Co>, Person 3")
    assert len(cues(people.read_text())) == sum(len(person.tracks) for person in manifest.people)
    parts = cues(thumbnails.read_text())
    assert [part[2] for part in parts] == [f"my film.thumbnails000.jpg#xywh={x},0,160,90" for x in (0, 160, 320)]
    sprite = cv2.imread(str(tmp_path / "my film.thumbnails000.jpg"))
    assert sprite is not None
    assert sprite.shape == (90, 1600, 3)
    scene = cv2.resize(cv2.imread(str(out / manifest.scenes[1].file)), (160, 90), interpolation=cv2.INTER_AREA)
    assert np.abs(sprite[:, 160:320].astype(int) - scene.astype(int)).mean() < 6


def test_captions_count_as_players_do_where_sound_begins_first(manifest: Manifest) -> None:
    late = manifest.model_copy(update={"source": manifest.source.model_copy(update={"begins_s": 1.5})})
    assert cues(captions.chapters(late))[0][0] == "00:00:01.500"
    # Tables and timelines count from the first picture.
    assert tables.scenes(late) == tables.scenes(manifest)


@pytest.mark.parametrize("kind", ["otio", "edl", "fcpxml"])
def test_timelines_are_read_back_by_their_own_library(kind: str, out: Path, manifest: Manifest, tmp_path: Path) -> None:
    (file,) = export(out, kind, tmp_path)
    adapter = timelines.ADAPTERS[kind]
    if kind == "fcpxml":
        tree = ElementTree.parse(file)
        clips = tree.findall(".//spine/clip")
        assert [Fraction(clip.get("offset", "").rstrip("s")) for clip in clips] == [0, 10, 20]
        assert [marker.get("value") for marker in clips[1].findall("marker")] == ["=Bob & <Co>", "Person 3"]
        (asset,) = tree.findall(".//asset")
        assert asset.get("src", "").endswith("/my%20film.mp4")
        return
    made = otio.adapters.read_from_file(str(file), adapter, **({"rate": 25} if kind == "edl" else {}))
    shown = list(made.find_clips())
    assert [clip.source_range.start_time.value for clip in shown] == [0, 250, 500]
    assert [clip.source_range.duration.value for clip in shown] == [250, 250, 250]
    assert [marker.name.upper() for marker in shown[1].markers] == ["=BOB & <CO>", "PERSON 3"]
    (bob, eve) = shown[1].markers
    assert bob.marked_range.start_time.value == 250
    assert 300 <= eve.marked_range.start_time.value <= 320
    if kind == "otio":
        assert shown[0].media_reference.target_url.endswith("/my%20film.mp4")
        assert bob.metadata["talent_frames"]["person"] == 0


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(0.0, 25.0), (24.99, 25.0), (23.98, 24000 / 1001), (29.97, 30000 / 1001), (15.0, 15.0), (12.6, 13.0)],
)
def test_frames_are_counted_at_a_usual_rate_where_one_is_near(fps: float, rate: float) -> None:
    assert timelines.frame_rate(fps) == pytest.approx(rate)


def test_a_run_without_scenes_or_people_can_be_exported(manifest: Manifest, out: Path) -> None:
    empty = manifest.model_copy(update={"people": [], "scenes": []})
    assert tables.appearances(empty).count("\n") == 1
    assert cues(captions.chapters(empty)) == []
    assert captions.thumbnails(empty, out, "x").sprites == {}
    made = otio.adapters.read_from_string(timelines.timeline(empty, "otio", "film.mp4"), "otio_json")
    assert [clip.name for clip in made.find_clips()] == ["my film.mp4"]


def xmp_of(jpeg: bytes) -> ElementTree.Element | None:
    if MARK not in jpeg:
        return None
    text = jpeg[jpeg.index(MARK) + len(MARK) :]
    return ElementTree.fromstring(text[text.index(b"<x:xmpmeta") : text.index(b"</x:xmpmeta>") + 12])


@pytest.mark.parametrize("names", [False, True])
def test_pictures_tell_where_they_come_from_and_names_only_when_asked(
    names: bool, out: Path, manifest: Manifest, tmp_path: Path
) -> None:
    written = export(out, "xmp", tmp_path, *(["--names"] if names else []))
    pictures = {file for file in manifest.files if file.endswith(".jpg")} - {manifest.contact_sheet_file}
    assert {path.relative_to(tmp_path).as_posix() for path in written} == pictures
    best = manifest.people[0].best_frame
    jpeg = (tmp_path / best.file).read_bytes()
    told = xmp_of(jpeg)
    assert told is not None
    (about,) = told.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert about.get("{http://purl.org/dc/elements/1.1/}source") == "my film.mp4"
    assert about.get(f"{{{NAMESPACE}}}run") == manifest.run_id
    assert about.get(f"{{{NAMESPACE}}}pts") == str(best.pts)
    assert about.get(f"{{{NAMESPACE}}}person") == "0"
    people = [one.text for one in told.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")]
    assert people == (["=Bob & <Co>"] if names else [])
    assert (b"Bob" in jpeg) is names
    # The picture itself is the same.
    ours, kept = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in (jpeg, (out / best.file).read_bytes())
    )
    assert ours is not None and kept is not None and np.array_equal(ours, kept)


def test_xmp_of_before_is_replaced_and_what_is_no_jpeg_refused(out: Path, manifest: Manifest) -> None:
    jpeg = (out / manifest.people[0].best_frame.file).read_bytes()
    one = tagged(jpeg, Provenance("a.mp4", "run", 1.0, 25))
    two = tagged(one, Provenance("b.mp4", "run", 1.0, 25, name="Ada\x07"))
    assert two.count(MARK) == 1
    assert b"a.mp4" not in two
    with pytest.raises(ValueError, match="no JPEG"):
        tagged(b"\x89PNG", Provenance("a.mp4", "run", 1.0))


def test_an_export_lies_beside_the_run_unless_told_otherwise(out: Path) -> None:
    done = CliRunner().invoke(cli.app, ["export", str(out), "--to", "csv"])
    assert done.exit_code == 0
    assert (out.with_name("run.export") / "my film.scenes.csv").is_file()
    assert CliRunner().invoke(cli.app, ["export", str(out)]).exit_code == 2
