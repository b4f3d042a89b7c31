"""The process pool ends with its work, with its parent and with an error; staging waits for who resumes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambdas.contracts import Plan, Settings
from lambdas.errors import IncompleteRun, NoFrames, NoSpace, PackMismatch, SourceChanged, SourceUnreachable
from lambdas.publish.manifest import Manifest
from lambdas.staging import DirectoryStaging
from talent_frames.chunk_lengths import even_chunk_s, likely_workers
from talent_frames.detect_chunks import Lost, WorkerDied
from talent_frames.packs import resolve_pack
from talent_frames.run import RunOptions, run_video
from talent_frames.work_folder import work_folder
from talent_frames.worker_pool import loading_pool, worker_pool
from tests.cluster.factory import Video


@pytest.fixture(autouse=True)
def nothing_staged(own_home: Path) -> None:
    """What other tests interrupted is gone."""
    shutil.rmtree(own_home / "staging", ignore_errors=True)


def square(number: int) -> int:
    return number * number


def sleep_long(number: int) -> int:
    time.sleep(60)
    return number


def refuse(number: int) -> int:
    raise NoFrames(f"clip.mp4: {number} frames")


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_pool_works_and_leaves_no_process() -> None:
    with worker_pool(2) as pool:
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]
        pids = list(pool._processes)
    assert not any(alive(pid) for pid in pids)


def test_an_error_of_ours_comes_back_from_a_worker_as_it_was() -> None:
    with pytest.raises(NoFrames, match=r"^clip\.mp4: 0 frames$"), worker_pool(1) as pool:
        pool.submit(refuse, 0).result()


def test_workers_in_the_middle_of_something_end_when_the_block_raises() -> None:
    started = time.monotonic()
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt), worker_pool(2) as pool:
        waiting = [pool.submit(sleep_long, number) for number in range(4)]
        while not all(future.running() for future in waiting[:2]):
            time.sleep(0.05)
        pids = list(pool._processes)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "import time\n"
        "from talent_frames.worker_pool import worker_pool\n"
        "from tests.talent_frames.test_run import sleep_long\n"
        "if __name__ == '__main__':\n"
        "    with worker_pool(1) as pool:\n"
        "        future = pool.submit(sleep_long, 0)\n"
        "        while not future.running(): time.sleep(0.05)\n"
        "        time.sleep(2)\n"
        "        print(*pool._processes, flush=True)\n"
        "        time.sleep(60)\n"
    )
    house = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program], cwd=house, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert workers
    give_up = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)


def test_workers_that_are_still_loading_end_when_the_block_raises() -> None:
    started = time.monotonic()
    pids: list[int] = []
    with pytest.raises(NoFrames), loading_pool(2, resolve_pack("open")) as pool:
        pids = list(pool._processes)
        raise NoFrames("clip.mp4: 0 frames")
    assert time.monotonic() - started < 5
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_a_pack_that_does_not_load_is_told_with_a_chunk_and_not_before(tmp_path: Path) -> None:
    with loading_pool(1, tmp_path / "nothing here") as pool:
        assert pool.submit(square, 3).result() == 9


def test_an_early_pool_is_no_larger_than_the_chunks_and_works_as_any_other(
    demo_clip: Path, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    module = sys.modules["talent_frames.run"]

    def noted(workers: int, pack_dir: Path) -> object:
        made.append(workers)
        return loading_pool(workers, pack_dir)

    monkeypatch.setattr(module, "loading_pool", noted)
    manifest = run_video(demo_clip, out=tmp_path / "run", pack_dir=resolve_pack("open"), options=RunOptions(workers=3))
    assert made == [2]
    assert len(manifest.people) == 4
    assert list((own_home / "staging").iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "duration_s", "most", "workers"),
    [
        (Settings(), 180, 2, 2), (Settings(), 28, 8, 2), (Settings(), 28, 1, 1), (Settings(), 5, 4, 1),
        (Settings(chunk_s=60), 180, 8, 3), (Settings(chunk_s=60), 28, 8, 1), (Settings(), 3600, 16, 16),
        # What a container does not tell, nobody is started for.
        (Settings(), 0, 4, 1), (Settings(), float("inf"), 4, 1), (Settings(), float("nan"), 4, 1),
    ],
)  # fmt: skip
def test_no_more_workers_are_started_early_than_there_will_be_chunks(
    settings: Settings, duration_s: float, most: int, workers: int
) -> None:
    assert likely_workers(settings, duration_s, most) == workers


def test_staging_goes_when_a_run_is_done_or_its_input_is_bad(own_home: Path) -> None:
    with work_folder("done") as work:
        (work / "plan.json").write_text("{}")
    with pytest.raises(NoFrames), work_folder("bad") as work:
        (work / "plan.json").write_text("{}")
        raise NoFrames("clip.mp4: 0 frames")
    assert list((own_home / "staging").iterdir()) == []


def test_staging_of_an_interrupted_run_waits_for_the_next_with_the_same_key(own_home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder("interrupted") as work:
        (work / "chunk.json").write_text("{}")
        raise KeyboardInterrupt
    with work_folder("other") as work:
        assert list(work.iterdir()) == []
    with work_folder("interrupted") as work:
        assert (work / "chunk.json").is_file()
    assert list((own_home / "staging").iterdir()) == []


def test_staging_of_a_run_that_failed_goes_unless_what_failed_may_be_over(own_home: Path) -> None:
    for error, waits in ((ZeroDivisionError(), False), (IncompleteRun("x"), False), (WorkerDied("x"), True),
                         (OSError(28, "No space left"), True), (SourceUnreachable("x"), True)):  # fmt: skip
        with pytest.raises(type(error)), work_folder("failed") as work:
            (work / "chunk.json").write_text("{}")
            raise error
        assert work.is_dir() == waits
    with work_folder("failed") as work:
        assert (work / "chunk.json").is_file()


def test_two_runs_of_the_same_at_once_keep_out_of_each_others_way(own_home: Path) -> None:
    with work_folder("same") as first:
        (first / "chunk.json").write_text("{}")
        with work_folder("same") as second:
            assert first != second
            assert list(second.iterdir()) == []
        assert not second.exists()
        assert (first / "chunk.json").is_file()
    assert not first.exists()


def test_staging_nobody_came_back_for_is_dropped_after_a_week(own_home: Path) -> None:
    abandoned = own_home / "staging" / "abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "chunk.json").write_text("{}")
    os.utime(abandoned, (0, time.time() - 8 * 86_400))
    with work_folder("other"):
        assert not abandoned.exists()


def test_a_worker_ignores_the_interrupt_that_its_parent_handles() -> None:
    with worker_pool(1) as pool:
        assert pool.submit(square, 2).result() == 4
        os.kill(next(iter(pool._processes)), signal.SIGINT)
        assert pool.submit(square, 3).result() == 9


@pytest.mark.parametrize(
    ("duration_s", "workers", "chunks"),
    [
        (180, 2, 4), (120, 2, 2), (121, 2, 4), (90, 2, 2), (180, 1, 3), (3600, 8, 64), (28, 2, 2),
        # Not below ten seconds, unless a worker's share is longer than the setting allows.
        (28, 8, 2), (19, 2, 1), (5, 2, 1), (75, 16, 7), (200, 16, 16),
    ],
)  # fmt: skip
def test_every_worker_gets_as_many_chunks(duration_s: float, workers: int, chunks: int) -> None:
    length = even_chunk_s(duration_s, workers, 60)
    assert length <= 60
    assert max(1, round(duration_s / length)) == chunks


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("inf"), float("nan"), 1.5, 9.0])
def test_a_video_of_unknown_or_hardly_any_length_is_cut_as_the_settings_say(duration_s: float) -> None:
    assert even_chunk_s(duration_s, 4, 60) == 60


def test_short_chunks_that_were_asked_for_are_never_made_longer() -> None:
    assert even_chunk_s(28, 2, 5) == pytest.approx(28 / 6)


@pytest.mark.parametrize("duration_s, expected", [(25, 12.5), (60, 30), (100, 25), (180, 30), (1800, 60)])
def test_people_alone_are_looked_for_in_more_chunks_that_are_not_too_short(duration_s: float, expected: float) -> None:
    assert even_chunk_s(duration_s, 2, 60, people_only=True) == pytest.approx(expected)


class SeenEnough(WorkerDied):
    pass


def test_chunks_suit_the_workers_and_a_resumed_run_keeps_them(
    demo_clip: Path, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[Plan] = []

    def stop(plan: Plan, *others: object) -> None:
        planned.append(plan)
        raise SeenEnough

    def plan(workers: int, settings: Settings | None = None, force: str = "") -> tuple[str, int, float]:
        with pytest.raises(SeenEnough):
            options = RunOptions(workers=workers, force=force)
            run_video(demo_clip, out=tmp_path / "run", pack_dir=pack, settings=settings, options=options)
        return planned[-1].run_id, len(planned[-1].chunks), planned[-1].settings.chunk_s

    pack = resolve_pack("open")
    monkeypatch.setattr(sys.modules["talent_frames.run"], "_detect", stop)
    first = plan(2)
    assert first[1] == 2
    assert first[2] == pytest.approx(13.2, abs=0.1)
    # Fewer workers go on with what more began: a worker that died for its memory says to do just that.
    assert plan(1) == first
    assert plan(1, force="anew")[1:] == (1, 60.0)
    assert plan(2, Settings(chunk_s=12))[1:] == (2, 12.0)
    assert plan(2, Settings(chunk_s=60))[1:] == (1, 60.0)


def test_a_run_goes_on_without_as_many_chunks_as_may_be_lost(
    demo_clip: Path, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["talent_frames.detect_chunks"]
    work = module._detect_chunk

    def fail(root: Path, run_id: str, chunk: int, pack_dir: Path) -> object:
        if chunk == 1:
            raise SourceUnreachable("demo.mp4: could not be read")
        return work(root, run_id, chunk, pack_dir)

    monkeypatch.setattr(module, "_detect_chunk", fail)

    def run(most: int) -> Manifest:
        settings = Settings(chunk_s=12, max_lost_chunks=most)
        alone = RunOptions(workers=1)
        return run_video(
            demo_clip, out=tmp_path / "run", pack_dir=resolve_pack("open"), settings=settings, options=alone
        )

    with pytest.raises(SourceUnreachable):
        run(0)
    manifest = run(1)
    (missing,) = manifest.missing
    assert missing.error == "SourceUnreachable"
    assert 0 < missing.start_s < missing.end_s <= 28.5
    assert any("could not be worked through" in note for note in manifest.notes)
    assert manifest.people


def test_what_is_no_matter_of_one_chunk_is_never_a_lost_chunk(tmp_path: Path) -> None:
    plan = Video(30, []).write(DirectoryStaging(tmp_path), 10.0, settings={"max_lost_chunks": 3})
    for error in (NoFrames("x"), NoSpace("x"), SourceChanged("x"), PackMismatch("x"), OSError(28, "full")):
        with pytest.raises(type(error)):
            Lost(plan, DirectoryStaging(tmp_path)).give_up(0, error)
    lost = Lost(plan, DirectoryStaging(tmp_path))
    lost.give_up(0, SourceUnreachable("x"))
    lost.give_up(1, ZeroDivisionError())
    # Nothing would be left.
    with pytest.raises(ZeroDivisionError):
        lost.give_up(2, ZeroDivisionError())
