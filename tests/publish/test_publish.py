from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args

import boto3
import cv2
import jsonschema
import numpy as np
import pytest
from botocore.stub import Stubber
from numpy.typing import NDArray

from lambdas.contracts import (
    Deployment,
    JobReport,
    KeyTemplates,
    Limits,
    LostChunk,
    Plan,
    PublishRequest,
    Selection,
    Settings,
    SuggestedMerge,
    UnclearReason,
    frames_key,
    job_report_key,
    plan_key,
    selection_key,
)
from lambdas.errors import IncompleteRun, InvalidSettings
from lambdas.publish import cost, handler, names, report
from lambdas.publish import manifest as manifests
from lambdas.publish.notes import losses
from lambdas.publish.source_uri import published_uri
from lambdas.staging import DirectoryStaging, S3Staging, get_document, put_document
from tests.publish.drawn_runs import GREEN, RUN, DrawnRun, astronaut, drawn_frame

SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
REQUEST = PublishRequest(run_id=RUN)


class WatchedDirectory(DirectoryStaging):
    """A folder that remembers what was done to it, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.done: list[tuple[str, str]] = []

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        super().put(key, data, content_type=content_type)
        self.done.append(("put", key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.done.append(("get_range", f"{key}@{offset}"))
        return super().get_range(key, offset, length)

    def delete(self, key: str) -> None:
        super().delete(key)
        self.done.append(("delete", key))


@pytest.fixture
def staging(tmp_path: Path) -> WatchedDirectory:
    return WatchedDirectory(tmp_path / "staging")


@pytest.fixture
def published(tmp_path: Path) -> WatchedDirectory:
    return WatchedDirectory(tmp_path / "published")


def two_people(settings: Settings | None = None, uri: str = "/videos/clip.mp4") -> DrawnRun:
    """The astronaut and a block, two alternatives, three frames that stand for the whole, two seen unclearly."""
    run = DrawnRun(1280, 720, settings, uri)
    frame, face = astronaut(1280, 720)
    block = (900.0, 100.0, 1000.0, 220.0)
    run.person(run.face(frame, face), run.face(frame, face), run.face(frame, face), name="Eileen Collins")
    run.person(run.face(drawn_frame(1280, 720, [block]), block, frontal=0.2, sharpness=0.1))
    for shade in (40, 120, 200):
        run.stand_for_it(drawn_frame(1280, 720, shade=shade))
    run.merges.append(SuggestedMerge(people=(0, 1), distance=0.55))
    run.unclear_one("brief", run.face(frame, face), (1.5, 2.5))
    run.unclear_one("doubtful", None, (2.5, 3.0))
    return run


def read_manifest(published: DirectoryStaging, key: str = "manifest.json") -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(published.get(key))
    return manifest


def read_picture(published: DirectoryStaging, key: str) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(published.get(key), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def all_files(store: DirectoryStaging) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


def test_the_committed_schema_is_the_one_the_manifest_has() -> None:
    assert SCHEMA.read_text() == manifests.schema_text(), (
        "run: python -m lambdas.publish.manifest > docs/manifest.schema.json"
    )


def test_a_run_is_published_whole_and_its_manifest_fits_the_schema(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    response = handler.run(REQUEST, staging, published)
    assert (response.people, response.representative, response.scenes) == (2, 3, 3)
    document = read_manifest(published, response.manifest_key)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    manifests.Manifest.model_validate_json(published.get("manifest.json"))
    assert all_files(published) == {*document["files"], "manifest.json"}
    assert {
        "people/person_000.jpg",
        "people/person_000_alt1.jpg",
        "people/person_000_alt2.jpg",
        "people/person_000_face.jpg",
        "people/person_001.jpg",
        "people/person_001_face.jpg",
        "representative/01.jpg",
        "representative/03.jpg",
        "scenes/000.jpg",
        "scenes/002.jpg",
        "unclear/000.jpg",
        "names.txt",
        "report.html",
        "contact_sheet.jpg",
    } <= set(document["files"])


def test_the_manifest_has_exactly_the_names_others_rely_on(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    assert document["schema_version"] == "2.1"
    assert {
        "schema_version",
        "run_id",
        "source",
        "models",
        "settings",
        "people",
        "suggested_merges",
        "representative_frames",
        "scenes",
        "unclear",
        "timings",
        "cost",
    } <= set(document)
    assert set(document["source"]) == {
        "uri",
        "container",
        "codec",
        "width",
        "height",
        "rotation",
        "fps",
        "duration_s",
        "frame_count",
        "begins_s",
        "mirrored",
        "identity",
    }
    assert {"pack", "licence", "detector", "embedder"} <= set(document["models"])
    person = document["people"][0]
    assert set(person) == {
        "id",
        "name",
        "name_similarity",
        "confidence",
        "best_frame",
        "alternatives",
        "thumbnail",
        "screen_time_s",
        "tracks",
    }
    assert {"file", "t_s", "pts", "box", "score", "quality"} <= set(person["best_frame"])
    assert set(person["alternatives"][0]) == set(person["best_frame"])
    assert set(person["tracks"][0]) == {"start_s", "end_s", "best_s", "best_pts", "best_box"}
    assert set(document["representative_frames"][0]) == {"file", "t_s", "score"}
    assert set(document["scenes"][0]) == {"index", "start_s", "end_s", "t_s", "file"}
    assert set(document["unclear"][0]) == {"reason", "sightings", "screen_time_s", "tracks", "best"}
    assert set(document["unclear"][0]["best"]) == {"file", "t_s", "pts", "score", "quality", "flags"}
    assert set(document["timings"]) == {"split", "detect", "cluster", "publish"}
    assert document["suggested_merges"][0]["people"] == [0, 1]


@pytest.mark.parametrize("size", ["1080p", "source"])
@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640)])
def test_the_manifests_box_is_the_face_in_the_file(
    staging: WatchedDirectory,
    published: WatchedDirectory,
    width: int,
    height: int,
    fit: Literal["pad", "crop"],
    size: Literal["1080p", "source"],
) -> None:
    run = DrawnRun(width, height, Settings(size=size, fit=fit))
    face = (0.2 * width, 0.15 * height, 0.4 * width, 0.4 * height)
    run.person(run.face(drawn_frame(width, height, [face]), face))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    best = read_manifest(published)["people"][0]["best_frame"]
    picture = read_picture(published, best["file"])
    expected = {"source": (height, width), "1080p": (1080, 1920) if width > height else (1920, 1080)}[size]
    assert picture.shape[:2] == expected
    rows, columns = np.nonzero(np.abs(picture.astype(int) - GREEN).max(axis=2) < 40)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert best["box"] == pytest.approx(seen, abs=4)
    middle = [(seen[0] + seen[2]) / 2, (seen[1] + seen[3]) / 2]
    assert best["landmarks"][0] == pytest.approx(middle, abs=4)


def test_pictures_come_first_and_the_manifest_last(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    order = [key for action, key in published.done if action == "put"]
    assert order[-1] == "manifest.json"
    assert order[-2] == "report.html"
    assert order[-4:-2] == ["names.txt", "contact_sheet.jpg"]
    assert all(key.endswith(".jpg") for key in order[:-4])


def test_each_staged_frame_is_read_once(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    reads = [key for action, key in staging.done if action == "get_range"]
    assert len(reads) == len(set(reads)) == 8


def test_publishing_twice_gives_the_same_pictures(
    staging: WatchedDirectory, published: WatchedDirectory, tmp_path: Path
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    again = DirectoryStaging(tmp_path / "again")
    handler.run(REQUEST, staging, again)
    assert all_files(again) == all_files(published)
    assert all(again.get(file) == published.get(file) for file in all_files(again) if file.endswith(".jpg"))


def test_files_of_the_run_before_are_deleted_after_the_new_manifest_stands(
    staging: WatchedDirectory, published: WatchedDirectory, tmp_path: Path
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    published.put("keep.txt", b"not ours")
    published.done.clear()
    fewer = DrawnRun(1280, 720)
    fewer.stand_for_it(drawn_frame(1280, 720))
    later = DirectoryStaging(tmp_path / "later")
    fewer.write(later)
    handler.run(REQUEST, later, published)
    assert all_files(published) == {*read_manifest(published)["files"], "manifest.json", "keep.txt"}
    assert not (published.root / "people").exists()
    actions = [action for action, _ in published.done]
    assert actions.index("delete") > published.done.index(("put", "manifest.json"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"files": 3}', b'{"files": ["../../outside.txt", "/x", 7]}'])
def test_a_foreign_manifest_deletes_nothing_outside(
    staging: WatchedDirectory, published: WatchedDirectory, text: bytes, tmp_path: Path
) -> None:
    (tmp_path / "outside.txt").write_text("stays")
    published.put("manifest.json", text)
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    assert (tmp_path / "outside.txt").exists()
    assert not [action for action, _ in published.done if action == "delete"]


def test_everything_goes_under_the_prefix(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    response = handler.run(PublishRequest(run_id=RUN, prefix="clip.mp4/0123/"), staging, published)
    assert response.manifest_key == "clip.mp4/0123/manifest.json"
    assert all(file.startswith("clip.mp4/0123/") for file in all_files(published))


def test_a_video_without_people_still_gets_frames_and_a_report(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(640, 360)
    for shade in (30, 60):
        run.stand_for_it(drawn_frame(640, 360, shade=shade))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    assert document["people"] == []
    assert "Nobody was found" in " ".join(document["notes"])
    assert published.get("names.txt") == b""
    assert b"Nobody was found" in published.get("report.html")
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_a_run_that_chose_nothing_is_still_published(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    DrawnRun(640, 360, Settings(representative=0)).write(staging)
    handler.run(REQUEST, staging, published)
    assert all_files(published) == {"names.txt", "report.html", "contact_sheet.jpg", "manifest.json"}


def test_fewer_frames_than_asked_for_are_all_published_and_the_manifest_says_so(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(640, 360)
    for shade in (30, 60, 90, 120):
        run.stand_for_it(drawn_frame(640, 360, shade=shade))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    assert len(document["representative_frames"]) == 4
    assert "only 4 frames" in " ".join(document["notes"])
    assert "all are published" in " ".join(document["notes"])


def test_those_seen_unclearly_are_listed_longest_first_with_picture_times_and_reason(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(640, 360)
    box = (100.0, 100.0, 200.0, 200.0)
    turned = run.face(drawn_frame(640, 360, [box]), box, frontal=0.1)
    late = run.face(drawn_frame(640, 360, [box]), box)
    run.unclear_one("turned", late, (7.0, 9.5), sightings=3)
    run.unclear_one("dark", None, (3.0, 5.0))
    run.unclear_one("brief", turned, (0.0, 0.5), (6.0, 6.25), sightings=2)
    run.write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    first, without_frame, last = document["unclear"]
    assert [seen["reason"] for seen in document["unclear"]] == ["turned", "dark", "brief"]
    assert (first["sightings"], first["screen_time_s"], first["best"]["file"]) == (3, 2.5, "unclear/000.jpg")
    assert without_frame["best"] is None
    (track,) = without_frame["tracks"]
    assert (track["start_s"], track["end_s"], track["best_s"]) == (3.0, 5.0, 3.0)
    assert [track["start_s"] for track in last["tracks"]] == [0.0, 6.0]
    best = last["best"]
    assert best["file"] == "unclear/002.jpg"
    assert (best["t_s"], best["pts"]) == (turned.frame.t_s, turned.frame.pts)
    assert (best["score"], best["quality"]["frontal"], best["flags"]) == (0.8, 0.1, ["side_face"])
    assert [file for file in document["files"] if "unclear" in file] == ["unclear/000.jpg", "unclear/002.jpg"]
    assert all_files(published) == {*document["files"], "manifest.json"}
    picture = read_picture(published, "unclear/002.jpg")
    assert picture.shape == (256, 256, 3)
    assert np.abs(picture[80:176, 80:176].astype(int) - GREEN).max() < 40
    assert np.abs(picture[:20].astype(int) - GREEN).max() > 40


def test_the_200_longest_on_screen_of_those_seen_unclearly_get_pictures_and_all_are_listed(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(64, 36)
    face = run.face(drawn_frame(64, 36), (10.0, 10.0, 20.0, 20.0))
    for index in range(202):
        run.unclear_one("small", None if index == 3 else face, (0.0, 9.0 - index / 100))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    pictured = [index for index, seen in enumerate(document["unclear"]) if seen["best"] and seen["best"]["file"]]
    assert pictured == [index for index in range(201) if index != 3]
    last = document["unclear"][201]
    assert last["best"]["file"] is None
    assert last["best"]["t_s"] == face.frame.t_s
    assert last["tracks"][0]["end_s"] == pytest.approx(9.0 - 2.01)
    files = [f"unclear/{index:03d}.jpg" for index in pictured]
    assert [file for file in document["files"] if file.startswith("unclear/")] == files
    assert set(files) <= all_files(published)
    assert published.get("report.html").decode().count("<strong>too small</strong>") == 202


def test_those_seen_unclearly_are_named_by_their_template(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people(Settings(keys=KeyTemplates(unclear="{stem}/nobody_{number}.jpg"))).write(staging)
    handler.run(REQUEST, staging, published)
    assert read_manifest(published)["unclear"][0]["best"]["file"] == "clip/nobody_1.jpg"
    assert published.exists("clip/nobody_1.jpg")


@pytest.mark.parametrize("reason", get_args(UnclearReason))
def test_the_report_folds_away_who_was_never_seen_clearly_and_says_why(
    staging: WatchedDirectory, published: WatchedDirectory, reason: UnclearReason
) -> None:
    run = two_people()
    face = run.unclear[0].face
    run.unclear = []
    run.unclear_one(reason, face, (61.5, 62.5), (64.0, 65.0), (66.0, 67.0), (68.0, 69.0))
    run.unclear_one(reason, None, (2.5, 3.0))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html").decode()
    found = re.search(r'(<details class="unclear"[^>]*>)(.*?)</details>', page, re.DOTALL)
    assert found is not None
    opening, folded = found.groups()
    assert "open" not in opening
    assert re.match(r"\s*<summary>.*Seen, but never clearly.*</summary>", folded)
    with_picture, without = re.findall(r"<li>(.*?)</li>", folded, re.DOTALL)
    assert 'href="./unclear/000.jpg"' in with_picture
    assert 'src="data:image/webp;base64,' in with_picture
    assert "1:01.5 to 1:02.5, 1:04.0 to 1:05.0, 1:06.0 to 1:07.0 and 1 more time<" in with_picture
    assert "<img" not in without
    assert "0:02.5 to 0:03.0" in without
    for entry in (with_picture, without):
        assert f"<strong>{report.UNCLEAR[reason]}</strong>" in entry
    assert len(set(report.UNCLEAR.values())) == len(get_args(UnclearReason))


def test_where_all_are_clear_the_report_has_no_section_for_others(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = two_people()
    run.unclear = []
    run.write(staging)
    handler.run(REQUEST, staging, published)
    assert read_manifest(published)["unclear"] == []
    assert "never clearly" not in published.get("report.html").decode()


def test_where_nobody_is_clear_the_notes_say_so_instead_of_that_nobody_was_found(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(64, 36)
    run.unclear_one("dark", None, (0.0, 5.0))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    notes = " ".join(read_manifest(published)["notes"])
    assert "Nobody was seen clearly" in notes
    assert "Nobody was found" not in notes


def test_a_picture_of_somebody_seen_unclearly_must_be_among_the_files(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    document = read_manifest(published)
    document["files"].remove("unclear/000.jpg")
    with pytest.raises(ValueError, match=r"unclear/000\.jpg is not among the files"):
        manifests.Manifest.model_validate_json(json.dumps(document))


def test_the_report_escapes_what_others_wrote(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    run = DrawnRun(640, 360, uri="/videos/<script>alert(1)</script>&.mp4")
    box = (100.0, 100.0, 200.0, 220.0)
    run.person(run.face(drawn_frame(640, 360, [box]), box), name='<script>alert("x")</script>')
    run.write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html").decode()
    assert re.findall(r"<script[^>]*>", page) == ["<script>"]
    assert "alert(" not in page.replace("&lt;script&gt;alert(", "")
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page


def test_the_report_needs_nothing_but_itself(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html").decode()
    sources = re.findall(r'src="([^"]*)"', page)
    assert sources
    assert all(re.match("data:image/(jpeg|webp);base64,", source) for source in sources)
    assert "http://" not in page
    assert not re.search(r"<(link|iframe|object|embed)\b|@import|url\(", page)
    assert all("alt=" in tag for tag in re.findall(r"<img [^>]*>", page))
    for href in re.findall(r'href="(\./[^"]*)"', page):
        assert href == "./people/" or published.exists(href)
    for anchor in re.findall(r'href="#([^"]*)"', page):
        assert f'id="{anchor}"' in page


def test_the_report_says_in_words_why_a_frame_is_a_persons_best(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html").decode()
    assert "Sharp, eyes open, facing you, well lit." in page
    assert "Eyes open, well lit, close, nothing in front, but turned aside and blurred." in page
    assert "<li>side face</li>" in page
    assert "<li>blurry</li>" in page
    assert "<li>eyes closed</li>" not in page


def test_people_are_counted_from_one_where_people_read_and_from_nought_in_the_manifest(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html").decode()
    assert "Person 2" in page and "Person 0" not in page
    assert read_manifest(published)["people"][1]["id"] == 1


def test_the_manifest_holds_the_flags_of_every_face(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    run = DrawnRun(640, 360)
    box = (100.0, 100.0, 200.0, 220.0)
    clean, dark = (run.face(drawn_frame(640, 360, shade=shade), box) for shade in (120, 10))
    run.person(dark.model_copy(update={"flags": ["too_dark", "eyes_closed"]}), clean)
    run.write(staging)
    handler.run(REQUEST, staging, published)
    person = json.loads(published.get("manifest.json"))["people"][0]
    assert person["best_frame"]["flags"] == ["too_dark", "eyes_closed"]
    assert person["alternatives"][0]["flags"] == []
    assert "<li>too dark</li>" in published.get("report.html").decode()


def test_a_report_of_hundreds_of_noisy_pictures_stays_small(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = DrawnRun(640, 360, Settings(size="source"))
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    box = (100.0, 100.0, 200.0, 220.0)
    face = run.face(noise, box)
    for _ in range(60):
        run.person(face)
    run.write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("report.html")
    assert 1_000_000 < len(page) < 5_000_000
    assert page.count(b"<img") == 120


def test_pictures_that_do_not_fit_are_made_smaller_and_none_is_left_out() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    few = {"a": report.Shown.of(noise, 480)}
    many = {str(number): report.Shown.of(noise, 160) for number in range(40)}
    limit = sum(len(one.data) for one in (*few.values(), *many.values())) * 2 // 3
    kept = report.fitting(limit, [few, many])
    assert list(kept) == [*few, *many]
    assert sum(len(one.data) for one in kept.values()) <= limit
    assert kept["a"] == few["a"]
    assert (kept["0"].width, kept["0"].full_width) == (128, 640)
    assert report.fitting(len(few["a"].data), [few, {}]) == few
    first = report.Shown.of(noise, 64)
    assert list(report.fitting(len(first.data) + 10, [{"first": first}, many])) == ["first"]
    assert report.fitting(0, [{}, {}]) == {}


def test_the_report_links_its_files_from_wherever_it_lies(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    keys = KeyTemplates(report="reports/{stem}: all.html")
    two_people(Settings(keys=keys)).write(staging)
    handler.run(REQUEST, staging, published)
    page = published.get("reports/clip: all.html").decode()
    assert 'href="./../people/person_000.jpg"' in page


def test_names_are_listed_one_person_a_line(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    assert published.get("names.txt").decode() == (
        "people/person_000.jpg\tEileen Collins\npeople/person_001.jpg\tunknown\n"
    )


def test_a_names_file_called_after_the_video_holds_its_main_persons_name(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people(Settings(keys=KeyTemplates(names="{stem}.txt"))).write(staging)
    handler.run(REQUEST, staging, published)
    assert published.get("clip.txt") == b"Eileen Collins\n"


def test_a_name_with_tabs_and_lines_stays_on_its_line() -> None:
    run = DrawnRun(64, 36)
    run.person(run.face(drawn_frame(64, 36), (1.0, 1.0, 9.0, 9.0)), name="A\tB\nC\u2028D")
    assert names.list_names([("a.jpg", run.people[0])]) == "a.jpg\tA B C D\n"
    assert names.main_name(run.people) == "A B C D\n"
    assert names.main_name([]) == ""


def test_colliding_templates_fail_before_anything_is_written(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people(Settings(keys=KeyTemplates(person="same.jpg"))).write(staging)
    with pytest.raises(InvalidSettings):
        handler.run(REQUEST, staging, published)
    assert all_files(published) == set()


def test_names_that_make_two_files_one_fail_before_anything_is_written(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    keys = KeyTemplates(person="{id}{name}.jpg")
    run = DrawnRun(64, 36, Settings(keys=keys))
    face = run.face(drawn_frame(64, 36), (1.0, 1.0, 9.0, 9.0))
    for index in range(12):
        run.person(face, name={1: "1x", 11: "x"}.get(index, "y"))
    run.write(staging)
    with pytest.raises(InvalidSettings, match="11x"):
        handler.run(REQUEST, staging, published)
    assert all_files(published) == set()


@pytest.mark.parametrize(
    "width, height, settings", [(640, 360, Settings(size="source", jpeg_quality=95)), (1920, 1080, Settings())]
)
def test_what_needs_no_resizing_is_published_as_it_is_staged(
    staging: WatchedDirectory, published: WatchedDirectory, width: int, height: int, settings: Settings
) -> None:
    run = DrawnRun(width, height, settings)
    run.stand_for_it(drawn_frame(width, height))
    run.write(staging)
    handler.run(REQUEST, staging, published)
    ref = run.representative[0].frame
    assert published.get("representative/01.jpg") == staging.get_range(frames_key(RUN, 0), ref.offset, ref.length)


def test_a_missing_selection_is_an_incomplete_run(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    with pytest.raises(IncompleteRun, match=r"plan\.json is missing"):
        handler.run(REQUEST, staging, published)


@pytest.mark.parametrize("data", [None, b"", b"tar without frames" * 1000])
def test_frames_that_are_not_there_are_an_incomplete_run_and_leave_no_manifest(
    staging: WatchedDirectory, published: WatchedDirectory, data: bytes | None
) -> None:
    two_people().write(staging)
    if data is None:
        staging.delete(frames_key(RUN, 0))
    else:
        staging.put(frames_key(RUN, 0), data)
    with pytest.raises(IncompleteRun, match="chunk 0's frame"):
        handler.run(REQUEST, staging, published)
    assert not published.exists("manifest.json")


def test_a_frame_of_another_size_than_selected_is_an_incomplete_run(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    selection = get_document(staging, selection_key(RUN), Selection).model_dump_json()
    staging.put(selection_key(RUN), selection.replace('"width":1280', '"width":1000').encode())
    with pytest.raises(IncompleteRun, match="is 1280x720, not 1000x720"):
        handler.run(REQUEST, staging, published)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://user:secret@host:8080/a/clip.mp4?X-Amz-Signature=1#t", "https://host:8080/a/clip.mp4"),
        ("s3://bucket/a?b.mp4", "s3://bucket/a?b.mp4"),
        ("HTTPS://user:secret@host/a/clip.mp4?X-Amz-Signature=1", "https://host/a/clip.mp4"),
        ("/home/ada/videos/clip.mp4", "clip.mp4"),
        ("videos/clip.mp4", "clip.mp4"),
        ("http://[", "["),
    ],
)
def test_no_secret_of_a_url_and_no_path_of_this_machine_is_published(uri: str, expected: str) -> None:
    assert published_uri(uri) == expected


def test_a_path_is_published_where_it_is_asked_for() -> None:
    assert published_uri("/home/ada/videos/clip.mp4", whole_path=True) == "/home/ada/videos/clip.mp4"
    secret = published_uri("https://user:secret@host/clip.mp4?X-Amz-Signature=1", whole_path=True)
    assert secret == "https://host/clip.mp4"


def test_costs_add_up_and_follow_seconds_and_memory(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people().write(staging)
    handler.run(REQUEST, staging, published)
    estimate = read_manifest(published)["cost"]
    assert estimate["total_usd"] == pytest.approx(sum(part["usd"] for part in estimate["parts"]))
    assert estimate["prices_as_of"] == cost.PRICES.as_of
    detect = next(part for part in estimate["parts"] if part["name"].startswith("lambda detect"))
    assert detect["quantity"] == pytest.approx(3.0 * 1769 / 1024)
    assert detect["usd"] == pytest.approx(3.0 * 1769 / 1024 * 0.0000166667, rel=1e-3)


def test_the_deployments_architecture_memory_and_days_decide_the_cost(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    memory = {"split": 512, "detect": 3008, "cluster": 1024, "publish": 1024}
    mine = Deployment(architecture="arm64", memory_mib=memory, staging_days=30)
    handler.run(REQUEST, staging, published, mine)
    estimate = read_manifest(published)["cost"]
    assert estimate["architecture"] == "arm64"
    parts = {part["name"]: part for part in estimate["parts"]}
    detect = parts["lambda detect, 3008 MiB"]
    assert detect["quantity"] == pytest.approx(3.0 * 3008 / 1024)
    assert detect["usd_per_unit"] == cost.PRICES.lambda_gb_second["arm64"]
    assert "staging for 30 days" in parts


def test_a_run_on_a_gpu_costs_its_machine_and_only_the_chunks_the_map_did(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    run = two_people()
    run.write(staging)
    put_document(staging, job_report_key(REQUEST.run_id), JobReport(chunks=1, detect_s=2.5, job_s=7200.0))
    handler.run(REQUEST, staging, published, Deployment(gpu_machine="g5.xlarge", gpu_spot=False))
    parts = {part["name"]: part for part in read_manifest(published)["cost"]["parts"]}
    machine = parts["gpu g5.xlarge, on demand"]
    assert (machine["quantity"], machine["unit"]) == (2.0, "hour")
    assert machine["usd_per_unit"] == pytest.approx(cost.gpu_hour("g5.xlarge", False, 60))
    assert machine["usd_per_unit"] > cost.PRICES.gpu_hour["g5.xlarge"]
    assert parts["lambda detect, 1769 MiB"]["quantity"] == pytest.approx(0.5 * 1769 / 1024)
    assert cost.gpu_hour("g5.xlarge", True, 60) < cost.gpu_hour("g5.xlarge", False, 60)


def test_arm_costs_less_and_nothing_costs_nothing_but_requests() -> None:
    idle = cost.Work(
        seconds={"split": 0, "detect": 0, "cluster": 0, "publish": 0},
        chunks=0,
        segments=0,
        segment_bytes=0,
        video_s=0,
        staged_frame_bytes=0,
        frames_read=0,
        files_published=0,
    )
    assert sum(line.usd for line in cost.estimate(idle) if line.unit == "GB-second") == 0
    busy = cost.Work(**{**vars(idle), "seconds": {"detect": 100.0}})
    assert sum(line.usd for line in cost.estimate(busy, Deployment(architecture="arm64"))) < sum(
        line.usd for line in cost.estimate(busy)
    )


def test_deleting_leaves_no_empty_folder_and_is_fine_twice(tmp_path: Path) -> None:
    store = DirectoryStaging(tmp_path / "root")
    store.put("a/b/c.txt", b"1")
    store.put("a/d.txt", b"2")
    store.delete("a/b/c.txt")
    store.delete("a/b/c.txt")
    assert not (store.root / "a" / "b").exists()
    assert store.get("a/d.txt") == b"2"
    store.delete("a/d.txt")
    assert list(store.root.iterdir()) == []


def test_deleting_from_a_bucket_asks_for_the_whole_key() -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as answers:
        answers.add_response("delete_object", {}, {"Bucket": "published", "Key": "clip.mp4/a.jpg"})
        S3Staging("published", "clip.mp4/", client).delete("a.jpg")
        answers.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("demuxer", "uri", "expected"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "a/b.MP4", "mp4"),
        ("mov,mp4,m4a", "https://host/watch", "mov"),
        ("matroska,webm", "b.webm", "webm"),
        ("mpegts", "b.ts", "mpegts"),
    ],
)
def test_the_report_calls_a_container_by_one_name(demuxer: str, uri: str, expected: str) -> None:
    assert report.container(demuxer, uri) == expected


@pytest.mark.parametrize(
    ("seconds", "shown", "lasting"),
    [
        (0, "0:00.0", "0.00 s"),
        (59.96, "1:00.0", "1 min"),
        (83.26, "1:23.3", "1 min 23 s"),
        (3723.5, "1:02:03.5", "1 h 2 min"),
    ],
)
def test_times_read_like_times(seconds: float, shown: str, lasting: str) -> None:
    assert report.clock(seconds) == shown
    assert report.span(seconds) == lasting


def test_appearances_are_drawn_as_one_path_and_wide_enough_to_be_seen() -> None:
    tracks = [manifests.Track(start_s=0, end_s=10, best_s=1), manifests.Track(start_s=50, end_s=50.01, best_s=50)]
    assert report.bars(tracks, 100) == "M0.0 3h100.0v14H0.0zM500.0 3h2.5v14H500.0z"
    assert report.bars([], 100) == ""
    assert report.spans(tracks) == "0.0-10.0 50.0-50.0"


def test_a_limit_of_people_that_was_reached_is_noted(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    for most, noted in ((2, True), (3, False)):
        run = two_people()
        run.settings = run.settings.model_copy(update={"limits": Limits(max_people=most)})
        run.write(staging)
        handler.run(REQUEST, staging, published)
        assert ("limits.max_people" in " ".join(read_manifest(published)["notes"])) == noted


def test_what_split_knows_of_a_hard_video_stands_in_the_manifest(
    staging: WatchedDirectory, published: WatchedDirectory
) -> None:
    two_people().write(staging)
    plan = get_document(staging, plan_key(RUN), Plan)
    facts = plan.source.model_copy(
        update={"promised_s": 10_000.0, "packets": 1_000_000, "begins_s": 2.5, "mirrored": True}
    )
    noted = plan.model_copy(update={"source": facts, "notes": ["The video's time stamps jump once."]})
    staging.put(plan_key(RUN), noted.model_dump_json().encode())
    handler.run(REQUEST, staging, published)
    manifest = read_manifest(published)
    notes = " ".join(manifest["notes"])
    assert "time stamps jump once" in notes
    assert "The video ends early: " in notes and " of 10000.0 s could be read" in notes
    assert "of the file's 1000000 frames were not met" in notes
    assert (manifest["source"]["begins_s"], manifest["source"]["mirrored"]) == (2.5, True)


@pytest.mark.parametrize(("promised_s", "met_s", "said"), [(0, 2, False), (3, 3, False), (3, 2.8, False), (3, 2, True),
                                                           (7200, 7150, False), (7200, 7000, True)])  # fmt: skip
def test_a_video_ends_early_where_more_than_a_header_rounds_is_missing(
    staging: WatchedDirectory, promised_s: float, met_s: float, said: bool
) -> None:
    two_people().write(staging)
    facts = get_document(staging, plan_key(RUN), Plan).source.model_copy(update={"promised_s": float(promised_s)})
    assert bool(losses(facts, float(met_s), 75)) == said


def test_what_is_missing_stands_in_manifest_and_report(staging: WatchedDirectory, published: WatchedDirectory) -> None:
    two_people(Settings(max_lost_chunks=2)).write(staging)
    selection = get_document(staging, selection_key(RUN), Selection)
    lost = [
        LostChunk(index=0, start_s=0.0, end_s=2.0, error="SourceUnreachable"),
        LostChunk(index=3, start_s=6.0, end_s=8.0, error=""),
    ]
    put_document(staging, selection_key(RUN), selection.model_copy(update={"lost": lost}))
    handler.run(REQUEST, staging, published)
    manifest = read_manifest(published)
    assert manifest["missing"] == [
        {"start_s": 0.0, "end_s": 2.0, "error": "SourceUnreachable"},
        {"start_s": 6.0, "end_s": 8.0, "error": ""},
    ]
    note = "are missing here: 0.0 to 2.0 s, 6.0 to 8.0 s."
    assert note in " ".join(manifest["notes"])
    assert note in published.get("report.html").decode()
    jsonschema.validate(manifest, json.loads(SCHEMA.read_text()))
