from __future__ import annotations

from pathlib import Path

import pytest

from talent_frames.linked_video import linked_video


@pytest.mark.parametrize(
    ("video", "report", "wanted", "expected"),
    [
        ("film.mp4", "out/film/report.html", False, "../../film.mp4"),
        ("out/demo.mp4", "out/demo/report.html", False, "../demo.mp4"),
        ("videos/film.mp4", "out/film/report.html", False, ""),
        ("videos/film.mp4", "out/film/report.html", True, "../../videos/film.mp4"),
        ("a b#1?.mp4", "out/report.html", False, "../a%20b%231%3F.mp4"),
        ("https://host/film.mp4?signature=x", "out/report.html", False, ""),
        ("https://host/film.mp4?signature=x", "out/report.html", True, "https://host/film.mp4?signature=x"),
        ("s3://bucket/film.mp4", "out/report.html", True, ""),
    ],
)
def test_a_report_links_a_video_that_lies_above_it_and_any_other_where_that_is_asked_for(
    video: str, report: str, wanted: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert linked_video(video, Path(report), wanted=wanted) == expected
