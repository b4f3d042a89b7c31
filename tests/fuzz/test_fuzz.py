"""Damaged files end in their frames or in a sentence, within limits of time and memory; `make fuzz` reads more."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.__main__ import run, wrong
from tests.fuzz.mutations import SEED_KINDS, mutated, seeds

COUNT = 300
"""Under a minute on two idle cores."""
FOUND = ((2026, 42), (2026, 548), (2026, 991), (2026, 1064), (2026, 1287), (2026, 1469), (2026, 1838), (2026, 1857),
         (2026, 2002), (2026, 2204))  # fmt: skip
"""Seeds and numbers of files that ended wrongly once: chunks of jumping times that got no packet, packets that FFmpeg
reads and does not write."""


def test_files_of_a_seed_end_as_they_should(tmp_path: Path) -> None:
    clips = seeds(tmp_path / "seeds")
    files = (mutated(clips, seed, number) for seed, number in (*FOUND, *((11, number) for number in range(COUNT))))
    outcome = run(files, tmp_path, workers=2)
    assert sum(outcome.ends.values()) == COUNT + len(FOUND)
    assert outcome.wrongs == []
    assert outcome.ends["frames"] > COUNT / 2
    assert outcome.peak_bytes > 0


def test_a_seed_gives_the_same_files_again(tmp_path: Path) -> None:
    clips = {"a.mp4": bytes(range(256)) * 40, "b.ts": bytes(range(255)) * 40}
    once, again, other = ([mutated(clips, seed, number) for number in range(50)] for seed in (1, 1, 2))
    assert once == again != other
    assert len({name for name, _ in once}) == 50
    assert len(SEED_KINDS) == 15


def test_what_is_wrong_is_called_wrong() -> None:
    fine = {"end": "frames", "given": 75, "plain": 75, "notes": [], "duration_s": 3.0}
    assert wrong("a.ts", fine) == []
    assert wrong("a.ts", fine | {"given": 60, "notes": ["ends early"]}) == []
    for change in ({"given": 60}, {"duration_s": 86_400.0}, {"end": "hang", "error": "60 s"},
                   {"end": "unnamed", "error": "AttributeError"}, {"end": "refused", "text": "a.ts: no"},
                   {"end": "refused", "text": "no", "plain": 0}):  # fmt: skip
        assert wrong("a.ts", fine | change), change
    assert wrong("a.ts", fine | {"end": "refused", "text": "a.ts: no", "plain": 0}) == []
