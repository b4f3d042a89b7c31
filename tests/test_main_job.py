"""The whole job on one machine: a video in, its people out, through the real stages with real models."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import talent_frames
from lambdas.contracts import Settings
from lambdas.publish.manifest import Manifest
from talent_frames.demo import CUT_FRAMES, DURATION_S, FPS, PEOPLE, SHOTS

Run = tuple[Manifest, Path]


def command(*arguments: str | Path, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "talent_frames", *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


def check_run(manifest: Manifest, out: Path, *, representative: int = 10) -> None:
    """What holds for every run: the manifest on disk is the one returned, its pictures are there and as large as the
    video."""
    assert Manifest.model_validate_json((out / "manifest.json").read_bytes()) == manifest
    published = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert published == {*manifest.files, "manifest.json"}
    assert len(manifest.representative_frames) == representative
    assert manifest.scenes
    frames = [
        *(person.best_frame.file for person in manifest.people),
        *(frame.file for frame in manifest.representative_frames),
        *(scene.file for scene in manifest.scenes),
    ]
    for file in frames:
        picture = cv2.imread(str(out / file))
        assert picture is not None
        assert (picture.shape[1], picture.shape[0]) == (manifest.source.width, manifest.source.height), file
    assert not list(out.parent.glob(".*"))


def shots_seen_in(manifest: Manifest) -> list[tuple[int, ...]]:
    """For each person the demo's shots that one of their tracks is in for longer than a moment."""
    edges = [0.0, *(cut / FPS for cut in CUT_FRAMES), DURATION_S]
    seen = []
    for person in manifest.people:
        shots = [
            index
            for index, (start, end) in enumerate(itertools.pairwise(edges))
            if any(min(end, track.end_s) - max(start, track.start_s) > 0.3 for track in person.tracks)
        ]
        seen.append(tuple(shots))
    return sorted(seen)


# the demo clip, with the pack everyone has


def test_everyone_in_the_demo_clip_is_found_once_and_where_they_are(demo_run: Run) -> None:
    manifest, _ = demo_run
    assert len(manifest.people) == len(PEOPLE) == 4
    truth = [tuple(index for index, shot in enumerate(SHOTS) if person in shot.people) for person in PEOPLE]
    assert shots_seen_in(manifest) == sorted(truth)


def test_the_demo_clips_folder_holds_what_the_manifest_lists(demo_run: Run) -> None:
    manifest, out = demo_run
    check_run(manifest, out)
    assert manifest.models.pack == "open"
    assert manifest.source.frame_count == DURATION_S * FPS
    assert manifest.source.duration_s == pytest.approx(DURATION_S, abs=0.05)


def test_the_demo_clips_scenes_are_its_shots_to_the_frame(demo_run: Run) -> None:
    manifest, _ = demo_run
    assert [round(scene.start_s * FPS) for scene in manifest.scenes] == [0, *CUT_FRAMES]
    for scene in manifest.scenes:
        middle, length = (scene.start_s + scene.end_s) / 2, scene.end_s - scene.start_s
        assert abs(scene.t_s - middle) <= max(0.5, length / 10)


def test_representative_frames_are_spread_over_the_clip_and_differ(demo_run: Run) -> None:
    manifest, out = demo_run
    times = [frame.t_s for frame in manifest.representative_frames]
    assert times == sorted(times)
    assert times[0] < DURATION_S / 5
    assert times[-1] > DURATION_S * 4 / 5
    assert max(after - before for before, after in itertools.pairwise(times)) < DURATION_S / 3
    small = [
        cv2.resize(cv2.imread(str(out / frame.file)), (16, 9), interpolation=cv2.INTER_AREA).astype(int)
        for frame in manifest.representative_frames
    ]
    assert all(picture.mean() > 10 for picture in small)
    differences = [np.abs(a - b).mean() for index, a in enumerate(small) for b in small[:index]]
    assert min(differences) > 3


def test_a_best_frame_shows_its_person_inside_the_box_the_manifest_gives(demo_run: Run) -> None:
    manifest, _ = demo_run
    for person in manifest.people:
        x1, y1, x2, y2 = person.best_frame.box
        assert 0 <= x1 < x2 <= 1280
        assert 0 <= y1 < y2 <= 720
        assert y2 - y1 > 130


def test_the_chunking_and_the_workers_change_nothing(demo_run: Run, demo_clip: Path, tmp_path: Path) -> None:
    manifest, _ = demo_run
    whole = talent_frames.run(demo_clip, out=tmp_path / "run", workers=1, settings=Settings(chunk_s=3600))
    assert shots_seen_in(whole) == shots_seen_in(manifest)
    assert [scene.start_s for scene in whole.scenes] == [scene.start_s for scene in manifest.scenes]


# ending badly


def test_bad_input_is_one_line_and_2_and_leaves_nothing(tmp_path: Path) -> None:
    bad = {
        name: tmp_path / f"{name}.mp4" for name in ("missing", "empty", "text", "cut", "playlist", "concat", "sound")
    }
    bad["empty"].touch()
    bad["text"].write_text("This is not a video. " * 200)
    bad["cut"].write_bytes(
        bytes.fromhex("0000001c66747970") + b"isom\0\0\2\0isomiso2mp41" + b"\0\0\x40\0mdat" + b"\7" * 400
    )
    bad["playlist"].write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    bad["concat"].write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    bad["picture"] = tmp_path / "picture.png"
    cv2.imwrite(str(bad["picture"]), np.zeros((64, 64, 3), np.uint8))
    with av.open(str(bad["sound"]), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out = tmp_path / "out"
    done = command("run", *bad.values(), "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(bad)
    for line, path in zip(lines, bad.values(), strict=True):
        assert line.startswith("error: ")
        assert path.name in line
    assert not out.exists()


def test_bad_input_leaves_an_earlier_run_alone(demo_run: Run, tmp_path: Path) -> None:
    _, out = demo_run
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    (tmp_path / "text.mp4").write_text("This is not a video. " * 200)
    done = command("run", tmp_path / "text.mp4", "--out", copy)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert {path.relative_to(copy) for path in copy.rglob("*")} == {path.relative_to(out) for path in out.rglob("*")}


def live_in_group(group: int) -> list[str]:
    """Processes of a process group, those aside that have ended and that nobody has waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            state, _, pgrp = rest.split()[:3]
            if int(pgrp) == group and state not in "ZX":
                found.append(name)
    return found


def interrupt(clip: Path, out: Path, home: Path, number: int) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a run that gets a signal when its first chunk is done; nothing of it is alive."""
    shutil.rmtree(home / "staging", ignore_errors=True)
    arguments = ["--out", str(out), "--chunk", "5", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "talent_frames", "run", str(clip), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        give_up = time.monotonic() + 60
        while not (done := list(home.glob("staging/*/runs/*/chunks/*.json"))) and time.monotonic() < give_up:
            time.sleep(0.05)
        if number == signal.SIGINT:
            # Ctrl-C reaches every process of the session.
            os.killpg(run.pid, number)
        else:
            run.send_signal(number)
        stdout, stderr = run.communicate(timeout=30)
    assert done
    give_up = time.monotonic() + 5
    while (left := live_in_group(run.pid)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert left == []
    return run.returncode, stdout, stderr


def test_ctrl_c_ends_a_run_and_says_what_is_kept(demo_clip: Path, tmp_path: Path, own_home: Path) -> None:
    code, stdout, stderr = interrupt(demo_clip, tmp_path / "out" / "run", own_home, signal.SIGINT)
    assert (code, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert re.search(r"^interrupted; [1-9] of \d+ chunks kept$", stderr, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_a_terminated_run_leaves_nothing_and_the_next_goes_on(demo_clip: Path, tmp_path: Path, own_home: Path) -> None:
    out = tmp_path / "out" / "run"
    code, stdout, stderr = interrupt(demo_clip, out, own_home, signal.SIGTERM)
    assert (code, stdout) == (143, "")
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []

    stood = {path: path.stat().st_mtime_ns for path in own_home.glob("staging/*/runs/*/chunks/*.json")}
    manifest = talent_frames.run(demo_clip, out=out, settings=Settings(chunk_s=5), workers=1, progress=_Witness(stood))
    check_run(manifest, out)
    assert list((own_home / "staging").iterdir()) == []


class _Witness:
    """Checks, when detect is over, that finished chunks were not done again."""

    def __init__(self, stood: dict[Path, int]) -> None:
        self.stood = stood

    def started(self, stage: str, total: float | None = None) -> None:
        if stage == "cluster":
            assert {path: path.stat().st_mtime_ns for path in self.stood} == self.stood

    def advanced(self, stage: str, amount: float) -> None:
        pass

    def finished(self, stage: str, result: str) -> None:
        assert (stage == "split") == (f"goes on from {len(self.stood)} of " in result)


# real videos, with the small pack


def run_test_pack(video: Path, pack: Path, out: Path, **options: str) -> Run:
    arguments = [f"--{name}={value}" for name, value in options.items()]
    done = command("run", video, "--models", pack, "--out", out, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    manifest = Manifest.model_validate(json.loads(done.stdout), strict=False)
    return manifest, out


def test_seventeen_people_are_seventeen(videos: Path, test_pack: Path, tmp_path: Path) -> None:
    manifest, out = run_test_pack(videos / "people17_cuts_720p.mp4", test_pack, tmp_path / "run")
    check_run(manifest, out)
    assert len(manifest.people) == 17
    with (videos / "people17_cuts_720p.gt.csv").open() as file:
        truth = [(float(line["start"]), float(line["end"]), line["person"]) for line in csv.DictReader(file)]
    shown = {name for person in manifest.people for start, end, name in truth if start <= person.best_frame.t_s < end}
    assert shown == {name for _, _, name in truth if name}
    starts = [scene.start_s for scene in manifest.scenes]
    found = [any(abs(start - begin) < 0.1 for begin in starts) for start, _, _ in truth]
    assert sum(found) >= len(truth) - 1


@pytest.mark.parametrize(
    ("video", "people"),
    [
        ("intel_walkpause.mp4", 3),
        ("intel_headpose_fm.mp4", 2),
        ("intel_bottle-detection.mp4", 0),
        ("mp_bbb_0_30.webm", 0),
    ],
)
def test_people_of_the_small_videos(videos: Path, test_pack: Path, tmp_path: Path, video: str, people: int) -> None:
    manifest, out = run_test_pack(videos / video, test_pack, tmp_path / "run")
    check_run(manifest, out)
    assert len(manifest.people) == people


def test_people_alone_are_found_without_scenes_and_representative_frames(
    videos: Path, test_pack: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--representative", "0", "--no-scenes", "--json")
    done = command("run", videos / "intel_headpose_fm.mp4", "--models", test_pack, "--out", out, *arguments)
    assert done.returncode == 0, done.stderr
    manifest = Manifest.model_validate(json.loads(done.stdout), strict=False)
    assert (len(manifest.people), manifest.scenes, manifest.representative_frames) == (2, [], [])
    files = ["contact_sheet.jpg", "manifest.json", "names.txt", "people", "report.html"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert not any(section in (out / "report.html").read_text() for section in ('id="scenes"', 'id="ten"'))


def test_a_video_turned_by_its_tag_comes_out_upright(videos: Path, test_pack: Path, tmp_path: Path) -> None:
    manifest, out = run_test_pack(videos / "portrait_rotated.mp4", test_pack, tmp_path / "run")
    check_run(manifest, out)
    assert (manifest.source.width, manifest.source.height) == (720, 1280)
    assert len(manifest.people) == 1
    assert manifest.source.rotation in (90, 270)
    assert manifest.source.height > manifest.source.width
    assert manifest.people[0].best_frame.quality.frontal > 0.3


def test_a_gallery_of_others_names_nobody(
    videos: Path, gallery_pictures: Path, test_pack: Path, tmp_path: Path
) -> None:
    gallery = tmp_path / "gallery.npz"
    done = command("enroll", gallery_pictures, "-o", gallery, "--models", test_pack)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{gallery}: 6 people\n"
    manifest, _ = run_test_pack(videos / "intel_headpose_fm.mp4", test_pack, tmp_path / "run", gallery=str(gallery))
    assert [person.name for person in manifest.people] == [None, None]
    assert all(person.name_similarity is not None for person in manifest.people)
    refused = command("run", videos / "intel_headpose_fm.mp4", "--gallery", gallery, "--out", tmp_path / "other")
    assert refused.returncode == 2
    assert "another model pack" in refused.stderr
    assert refused.stderr.count("\n") == 1
