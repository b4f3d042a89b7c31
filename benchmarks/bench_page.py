"""docs/performance.md from the numbers benchmarks.bench kept: tables, drawings and the verdict on each bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.bench_clips import CLIPS
from benchmarks.bench_results import REFERENCED, ROOT, Clip, Results, Way
from benchmarks.pages import table, write_docs

NAMES: dict[Way, str] = {"all": "ours, everything", "people": "ours, people only", "seek": "seek", "linear": "linear"}
OURS: tuple[Way, Way] = ("all", "people")
COLOURS: dict[Way, str] = {"all": "#1b6ca8", "people": "#3a7d44", "seek": "#c8553d", "linear": "#8a8a8a"}

Ratios = tuple[float, float]
SPEED_BARS: dict[str, tuple[Ratios, Ratios]] = {
    "gop60": ((4, 8), (3, 5)),
    "phone": ((3, 5), (2, 3)),
}
"""Against the seek scan's wall: the goal and the least, each for everything on and for people only."""
MOVING = ("grain", "strong_grain", "handheld", "animation", "interlaced")
QUIET = ("talking_head", "interview", "panel", "slides", "vfr", "720p", "4k", "480p", "vertical", "gop250", "fixed250")
"""Kinds of H.264 with long GOPs: those whose whole picture changes all the time, and those where little does."""
LONG_GOP_BARS: dict[str, tuple[Sequence[str], Ratios]] = {
    "long GOPs of H.264, grain and handheld included": (MOVING, (4, 6)),
    "long GOPs of H.264, quiet pictures": (QUIET, (6, 9)),
}
"""Against the seek scan's wall, the least for everything on and for people only, on the worst of these kinds."""
LINEAR_BAR = 1.8
"""Against the linear way's wall, everything on, on the worst kind."""
DECODE_BAR = 1.15
"""Most CPU of decoding over one pass over the frames that others refer to."""
CPU_BAR = 1.6
"""Most CPU of a run over its floor."""
BYTES_BAR = 1.05
"""Most bytes of all chunks together over the file's."""
INDEX_BAR = 2.0
"""Most bytes an opening takes over the file's index."""
MEMORY_BARS_MIB = {1080: 700e6 / 2**20, 2160: 1.6e9 / 2**20}
START_BAR_S = 2.0
ROOT_PAGE = ROOT / "docs" / "performance.md"
FLOOR_STEPS = ("decode", "detect", "embed")
"""Steps of detect that the floor has a part for."""
STEP_WORDS = {
    "decode": "decoding",
    "detect": "finding faces",
    "embed": "embedding",
    "convert": "colours and scaling for detection",
    "features": "features of frames",
    "skip": "asking what is static",
    "measure": "measuring and aligning faces",
    "read": "reading eyes and what covers a face",
    "stage": "encoding kept frames",
    "other": "the rest of detect",
}


@dataclass(frozen=True)
class Verdict:
    """One bar and how it was passed."""

    bar: str
    measured: str
    verdict: str


def plain(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def label(one: Clip) -> str:
    return f"{one.kind}, {length(one.video_s)}"


def compared(results: Results) -> list[Clip]:
    """Clips with a whole pair, the one that gains least over the seek scan first."""
    clips = [one for one in results.clips.values() if one.whole_pairs]
    return sorted(clips, key=lambda one: one.times_faster("all", "seek"))


def in_order(results: Results) -> list[Clip]:
    """All clips: those compared as `compared` has them, then the others."""
    return [*compared(results), *(one for one in results.clips.values() if not one.whole_pairs)]


# tables


def show_machine(results: Results) -> str:
    if not results.clips:
        return "Nothing was measured yet."
    days = sorted({one.made_on for one in results.clips.values()})
    busiest = max((one.others_share() for one in compared(results)), default=0.0)
    states = {one.code for one in results.clips.values()}
    lines = [
        f"{results.machine}; {results.software}. Measured on {' and '.join(dict.fromkeys([days[0], days[-1]]))}.",
        f"Other processes of the machine took up to {busiest:.2f} cores during a run.",
    ]
    if len(states) > 1:
        lines.append(
            f"The clips were measured at {len(states)} different states of the code; see benchmarks/bench.json."
        )
    return " ".join(lines)


def show_wall(results: Results) -> str:
    rows = []
    for one in compared(results):
        rows.append(
            [
                label(one),
                one.what,
                str(len(one.whole_pairs)),
                *(f"{one.wall_s(way):.1f}" for way in NAMES),
                f"**{one.times_faster('all', 'seek'):.1f}**, **{one.times_faster('people', 'seek'):.1f}**",
                f"{one.times_faster('all', 'linear'):.1f}, {one.times_faster('people', 'linear'):.1f}",
            ]
        )
    head = ["clip", "what it is", "pairs", *(f"{name}, s" for name in NAMES.values()),
            "times seek: everything, people only", "times linear: everything, people only"]  # fmt: skip
    return table(head, rows)


def show_spent(results: Results) -> str:
    rows = []
    for one in compared(results):
        rows.append(
            [
                label(one),
                *(f"{one.cpu_s(way):.1f}" for way in NAMES),
                *(memory(one, way) for way in NAMES),
                "; ".join(", ".join(map(str, one.people(way))) for way in NAMES),
            ]
        )
    head = ["clip", *(f"CPU s, {name}" for name in NAMES.values()),
            *(f"MiB, {name}" for name in NAMES.values()), "people found, in that order"]  # fmt: skip
    return table(head, rows)


def memory(one: Clip, way: Way) -> str:
    """Peaks of the largest process and of all together, the most of any pair."""
    spent = [pair[way].spent for pair in one.whole_pairs]
    return f"{max(s.largest_mib for s in spent):,}, {max(s.together_mib for s in spent):,}"


def show_limits(results: Results) -> str:
    rows = []
    for one in in_order(results):
        if not one.limits:
            continue
        for name, limit in one.limits.items():
            ours = one.wall_s("all") / limit.wall_s if one.whole_pairs else None
            rows.append(
                [
                    label(one),
                    name,
                    f"{limit.frames:,}" if limit.frames else "",
                    plain(limit.wall_s),
                    plain(limit.cpu_s),
                    f"{ours:,.1f}" if ours is not None else "",
                ]
            )
    head = ["clip", "alone", "frames", "wall s", "CPU s", "our wall, everything on, is so many times that"]
    return table(head, rows)


def show_stages(results: Results) -> str:
    rows = []
    for one in in_order(results):
        for stage, spent in one.stages.spent.items() if one.stages else ():
            rows.append(
                [
                    label(one),
                    stage,
                    plain(spent.starts_cpu_s),
                    plain(spent.cpu_s),
                    plain(spent.wall_s),
                    f"{spent.peak_mib:,}",
                    f"{spent.bytes_read / 1e6:,.1f} ({spent.bytes_read / one.bytes:.2f})",
                ]
            )
    head = ["clip", "stage", "start, CPU s", "CPU s", "wall s", "peak MiB", "MB read (of the file's)"]
    return table(head, rows)


def breakdown(one: Clip) -> list[tuple[str, float, float]]:
    """Parts of a whole run's CPU seconds with everything on: name, ours, the floor's. They add up to the run's CPU.

    Empty without pairs, stages and floor.
    """
    if one.stages is None or one.floor is None or not one.whole_pairs:
        return []
    total = one.cpu_s("all")
    spent = one.stages.spent
    floors = {
        "decode": one.floor.decode_s,
        "detect": one.stages.looked_frames * one.floor.one_detection_s,
        "embed": one.stages.embedded_faces * one.floor.one_embedding_s,
    }
    steps = sorted(one.stages.steps, key=lambda step: (step not in FLOOR_STEPS, step == "other", step))
    parts = [
        (STEP_WORDS.get(step, step), spent["detect"].cpu_s * one.stages.steps[step], floors.get(step, 0.0))
        for step in steps
    ]
    parts += [(stage, spent[stage].cpu_s, 0.0) for stage in ("split", "cluster", "publish")]
    rest = total - sum(ours for _, ours, _ in parts)
    return [*parts, ("Python, imports, models, and what side by side costs", rest, 0.0)]


def show_breakdown(results: Results) -> str:
    rows = []
    for one in compared(results):
        parts = breakdown(one)
        if not parts or one.floor_s is None or one.stages is None:
            continue
        total = one.cpu_s("all")
        for name, ours, floor in parts:
            rows.append([label(one), name, f"{ours:.1f}", f"{ours / total:.0%}", f"{floor:.1f}" if floor else ""])
        rows.append(
            [
                label(one),
                f"**together** ({one.stages.looked_frames} looks, {one.stages.embedded_faces} faces embedded)",
                f"**{total:.1f}**",
                "100%",
                f"**{one.floor_s:.1f}**, ours is {total / one.floor_s:.2f} times that",
            ]
        )
    return table(["clip", "part", "CPU s", "share", "floor, CPU s"], rows)


def show_ranges(results: Results) -> str:
    rows = []
    for one in results.ranges.values():
        rows.append(
            [
                one.what,
                f"{one.file_bytes / 1e6:.1f}",
                f"{sum(one.chunk_bytes) / 1e6:.1f}",
                f"{one.share:.3f}",
                ", ".join(map(str, one.chunk_requests)),
                ", ".join(map(str, one.chunk_openings)),
                f"{one.split_bytes / 1e6:.1f} in {one.split_requests}",
                f"{one.needed_bytes / 1e6:.1f}",
            ]
        )
    head = ["clip", "file, MB", "all chunks, MB", "of the file", "requests of each chunk", "openings of each chunk",
            "split, MB and requests", "packets that looked-at and kept frames need, MB"]  # fmt: skip
    return table(head, rows)


# verdicts


def judge(reached: float, goal: float, least: float) -> str:
    return "goal met" if reached >= goal else "least met, goal missed" if reached >= least else "missed"


def met(condition: bool) -> str:
    return "met" if condition else "missed"


def verdicts(results: Results) -> list[Verdict]:
    """Every bar that has a number, and those that have none as not measured."""
    found: list[Verdict] = []
    clips = compared(results)
    for which, (kinds, wanted) in LONG_GOP_BARS.items():
        for way, least in zip(OURS, wanted, strict=True):
            found.append(
                _over_clips(
                    f"{which}: {NAMES[way]}, against seek: least {least:g}x",
                    [(one.times_faster(way, "seek"), one) for one in clips if one.kind in kinds],
                    worst=min,
                    told="{:.1f}x",
                    ok=at_least(least),
                )
            )
    for kind, (goals, leasts) in SPEED_BARS.items():
        of_kind = [one for one in clips if one.kind == kind]
        for way, goal, least in zip(OURS, goals, leasts, strict=True):
            bar = f"{kind}: {NAMES[way]}, against seek: goal {goal:g}x, least {least:g}x"
            if not of_kind:
                found.append(Verdict(bar, "", "not measured"))
            for one in of_kind:
                reached = one.times_faster(way, "seek")
                found.append(Verdict(bar, f"{reached:.1f}x at {length(one.video_s)}", judge(reached, goal, least)))
    slowest = [(one.times_faster("all", "linear"), one) for one in clips]
    found.append(
        _over_clips(
            f"every kind: {NAMES['all']}, against linear: least {LINEAR_BAR:g}x",
            slowest,
            worst=min,
            told="{:.2f}x",
            ok=at_least(LINEAR_BAR),
        )
    )
    counts = [one for one in clips if one.kind in CLIPS and one.video_s >= CLIPS[one.kind].film_s]
    off = [one for one in counts if max(errors(one, "all", "people")) > min(errors(one, "seek", "linear"))]
    found.append(
        Verdict(
            "people found at least as near those who are there as the usual way",
            f"on {len(counts) - len(off)} of {len(counts)} clips" if counts else "",
            met(not off) if counts else "not measured",
        )
    )
    floors = [(one.cpu_s("all") / one.floor_s, one) for one in clips if one.floor_s]
    found.append(
        _over_clips(f"CPU at most {CPU_BAR}x of the floor", floors, worst=max, told="{:.2f}x", ok=at_most(CPU_BAR))
    )
    decoding = [
        (one.stages.spent["detect"].cpu_s * one.stages.steps["decode"] / one.limits[REFERENCED].cpu_s, one)
        for one in results.clips.values()
        if one.stages and REFERENCED in one.limits
    ]
    found.append(
        _over_clips(
            f"decoding takes at most {DECODE_BAR:g}x of one pass over referenced frames",
            decoding,
            worst=max,
            told="{:.2f}x",
            ok=at_most(DECODE_BAR),
        )
    )
    for container in ("MP4", "MKV"):
        whole = [one for name, one in results.ranges.items() if name.endswith(container)]
        share = max((one.share for one in whole), default=0.0)
        bar = f"bytes of all chunks at most {BYTES_BAR}x of the file, {container}"
        found.append(
            Verdict(bar, f"{share:.3f}x" if whole else "", met(share <= BYTES_BAR) if whole else "not measured")
        )
    openings = [count for one in results.ranges.values() for count in one.chunk_openings]
    found.append(
        Verdict(
            "one opening a chunk",
            f"{min(openings)} to {max(openings)}" if openings else "",
            met(max(openings) == 1) if openings else "not measured",
        )
    )
    lean = [one for one in results.ranges.values() if one.people_only]
    excess = max((sum(one.chunk_bytes) / max(1, one.needed_bytes) for one in lean), default=0.0)
    found.append(
        Verdict(
            f"a people-only run reads what it decodes (at most {BYTES_BAR}x of those packets)",
            f"{excess:.2f}x" if lean else "",
            met(excess <= BYTES_BAR) if lean else "not measured",
        )
    )
    long = results.long_opening
    found.append(
        Verdict(
            f"opening an hours-long file takes at most {INDEX_BAR:g}x its index",
            f"{long.bytes / long.index_bytes:.2f}x of {long.index_bytes / 1e6:.1f} MB" if long else "",
            met(long.bytes <= INDEX_BAR * long.index_bytes) if long else "not measured",
        )
    )
    for height, most in MEMORY_BARS_MIB.items():
        peaks = [
            (float(one.stages.spent["detect"].peak_mib), one)
            for one in results.clips.values()
            if one.stages and one.kind in CLIPS and CLIPS[one.kind].lines == height
        ]
        found.append(
            _over_clips(
                f"a detect worker's memory at {height} lines at most {most * 2**20 / 1e6:,.0f} MB ({most:,.0f} MiB)",
                peaks,
                worst=max,
                told="{:,.0f} MiB",
                ok=at_most(most),
            )
        )
    start = median(results.start.seconds) if results.start else 0.0
    found.append(
        Verdict(
            f"from the first import to the first look at most {START_BAR_S:g} s",
            f"{start:.2f} s" if results.start else "",
            met(start <= START_BAR_S) if results.start else "not measured",
        )
    )
    return found


def errors(one: Clip, *ways: Way) -> list[int]:
    """By how many people each count of these ways misses the range that is right."""
    fewest, most = CLIPS[one.kind].people
    return [max(fewest - count, count - most, 0) for way in ways for count in one.people(way)]


def at_most(bound: float) -> Callable[[float], bool]:
    """Whether a value is no more than it."""
    return lambda value: value <= bound


def at_least(bound: float) -> Callable[[float], bool]:
    """Whether a value is no less than it."""
    return lambda value: value >= bound


def _over_clips(
    bar: str,
    values: Sequence[tuple[float, Clip]],
    worst: Callable[..., tuple[float, Clip]],
    told: str,
    ok: Callable[[float], bool],
) -> Verdict:
    """The verdict on the worst of several clips."""
    if not values:
        return Verdict(bar, "", "not measured")
    value, one = worst(values, key=lambda pair: pair[0])
    return Verdict(bar, f"{told.format(value)} ({label(one)})", met(ok(value)))


def show_verdicts(results: Results) -> str:
    return table(["bar", "measured", "verdict"], [[v.bar, v.measured, v.verdict] for v in verdicts(results)])


def show_start(results: Results) -> str:
    if results.start is None:
        return "Not measured."
    return (
        f"{median(results.start.seconds):.2f} s (median of {len(results.start.seconds)}) from the first import until a "
        f"detect worker has looked at its first frame, both models loaded; {median(results.start.process_s):.2f} s for "
        "the whole process, Python's own start and end included. The files were in the page cache."
    )


# drawings


def draw_walls(clips: Sequence[Clip]) -> str:
    """Bars: seconds of wall a minute of video, each way of each clip."""
    values = [(one, way, one.wall_s(way) / one.video_s * 60) for one in clips for way in NAMES]
    longest = max((value for _, _, value in values), default=1.0)
    left, bar, gap, wide = 130, 13, 14, 370
    height = 40 + len(clips) * (len(NAMES) * bar + gap) + 10
    parts = _begin(640, height, "Seconds of the clock for a minute of video; shorter is faster")
    y = 40
    for one in clips:
        parts.append(f'<text x="{left - 8}" y="{y + 2 * bar + 4}" text-anchor="end">{label(one)}</text>')
        for way in NAMES:
            value = one.wall_s(way) / one.video_s * 60
            across = value / longest * wide
            parts.append(
                f'<rect x="{left}" y="{y + 1}" width="{across:.1f}" height="{bar - 2}" fill="{COLOURS[way]}"/>'
            )
            parts.append(
                f'<text x="{left + across + 5:.1f}" y="{y + bar - 3}" font-size="10">{value:.1f} {NAMES[way]}</text>'
            )
            y += bar
        y += gap
    return "\n".join([*parts, "</svg>", ""])


SHADES = (
    "#1b6ca8", "#c8553d", "#e0a030", "#6d9dc5", "#3a7d44", "#7b4b94", "#8fbf7f", "#b08968", "#bbbbbb", "#d8d8d8",
    "#e4c1c1", "#c1d0e4", "#555555",
)  # fmt: skip


def draw_breakdown(clips: Sequence[Clip]) -> str:
    """Stacked bars: CPU seconds a minute of video, the floor above ours, part by part."""
    shown = [(one, breakdown(one)) for one in clips if breakdown(one)]
    names = list(dict.fromkeys(name for _, parts in shown for name, _, _ in parts))
    colour = {name: SHADES[row % len(SHADES)] for row, name in enumerate(names)}
    longest = max((one.cpu_s("all") / one.video_s * 60 for one, _ in shown), default=1.0)
    left, bar, wide = 130, 16, 450
    top = 40 + len(shown) * (2 * bar + 14)
    height = top + 14 * ((len(names) + 1) // 2) + 16
    parts = _begin(640, height, "CPU seconds for a minute of video: the floor, and ours below it")
    y = 40
    for one, rows in shown:
        parts.append(f'<text x="{left - 8}" y="{y + bar + 4}" text-anchor="end">{label(one)}</text>')
        for values in ([floor for _, _, floor in rows], [ours for _, ours, _ in rows]):
            x = float(left)
            for (name, _, _), value in zip(rows, values, strict=True):
                across = max(0.0, value) / one.video_s * 60 / longest * wide
                if across > 0.05:
                    parts.append(
                        f'<rect x="{x:.1f}" y="{y}" width="{across:.1f}" height="{bar - 2}" fill="{colour[name]}"/>'
                    )
                x += across
            total = sum(values) / one.video_s * 60
            parts.append(f'<text x="{x + 4:.1f}" y="{y + bar - 5}" font-size="10">{total:.1f}</text>')
            y += bar
        y += 14
    for number, name in enumerate(names):
        x, y = 20 + number % 2 * 310, top + number // 2 * 14
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour[name]}"/>')
        parts.append(f'<text x="{x + 15}" y="{y + 9}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _begin(width: int, height: int, title: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11" fill="#333">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="20" y="20" font-size="13">{title}</text>',
    ]


# the page


def sections(results: Results) -> dict[str, str]:
    """Each table under its name on the page."""
    return {
        "machine": show_machine(results),
        "verdicts": show_verdicts(results),
        "wall": show_wall(results),
        "spent": show_spent(results),
        "limits": show_limits(results),
        "breakdown": show_breakdown(results),
        "stages": show_stages(results),
        "ranges": show_ranges(results),
        "start": show_start(results),
    }


def write_page(results: Results, docs: Path) -> str:
    """Writes performance.md and its drawings into folder `docs`; returns the verdicts."""
    clips = compared(results)
    found = sections(results)
    drawn = {"performance-wall.svg": draw_walls(clips), "performance-cpu.svg": draw_breakdown(clips)}
    write_docs(found, drawn, docs / "performance.md")
    return f"{found['wall']}\n\n{found['verdicts']}"
