"""Small moving test pictures in every container and codec we read, made on the spot. Nothing random: testsrc2."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

SECONDS = 6
RATE = 25
X264 = "-c:v libx264 -preset ultrafast -tune psnr -g 25 -bf 3 -b_strategy 0 -x264-params scenecut=0:threads=1"
X265 = "-c:v libx265 -preset ultrafast -x265-params keyint=25:min-keyint=25:scenecut=0:bframes=3:log-level=none:pools=1"
FRAGMENTS = "-movflags +frag_keyframe+empty_moov+default_base_moof"
SOUND = "-f lavfi -i sine=duration=6 -map 0:v -map 1:a -c:a aac"

KINDS: dict[str, tuple[str, str]] = {
    "mp4_moov_last": ("mp4", f"{SOUND} {X264}"),
    "mp4_moov_first": ("mp4", f"{X264} -movflags +faststart"),
    "mov": ("mov", X264),
    "mkv": ("mkv", X264),
    "mkv_without_cues": ("mkv", f"{X264} -f matroska -live 1"),
    "mkv_without_cues_late": ("mkv", f"{X264} -output_ts_offset 5 -f matroska -live 1"),
    "webm_vp9": ("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25"),
    "ts": ("ts", f"-f lavfi -i sine=duration=6 -map 0:v -map 1:a -c:a mp2 {X264}"),
    "ts_hevc": ("ts", X265),
    "flv": ("flv", X264),
    "mpeg_ps": ("mpg", "-c:v mpeg2video -g 25 -bf 2 -b:v 500k"),
    "avi": ("avi", "-c:v mpeg4 -g 25 -bf 0"),
    "avi_with_b_frames": ("avi", f"{X264}"),
    "avi_with_open_gops": ("avi", "-c:v mpeg4 -g 25 -bf 2"),
    "fragmented_with_sidx": ("mp4", f"{X264} {FRAGMENTS}+global_sidx"),
    "fragmented_with_mfra": ("mp4", f"{X264} {FRAGMENTS}"),
    "fragmented_without_index": ("mp4", f"{X264} {FRAGMENTS}+skip_trailer"),
    "variable_rate": ("mp4", f"-vf select='lt(n,50)+not(mod(n,7))+not(mod(n,4))' -fps_mode vfr {X264}"),
    "hevc": ("mp4", f"{X265}:open-gop=0"),
    "hevc_open_gop": ("mp4", f"{X265}:open-gop=1:b-adapt=0"),
    "hevc_open_gop_without_cues": ("mkv", f"{X265}:open-gop=1:b-adapt=0 -f matroska -live 1"),
    "h264_open_gop": ("mp4", f"{X264}:open-gop=1"),
    "ten_bit": ("mp4", f"{X264} -pix_fmt yuv420p10le"),
    "av1": ("mp4", "-c:v libsvtav1 -preset 12 -g 25 -svtav1-params lp=1"),
    "long_gop": ("mp4", f"{X264} -g 9999"),
    "long_gop_without_cues": ("mkv", f"{X264} -g 9999 -f matroska -live 1"),
    "interlaced": ("mp4", f"-vf tinterlace=interleave_top,setfield=tff {X264} -flags +ildct+ilme"),
    "wide_pixels": ("mp4", f"-vf setsar=16/15 {X264}"),
    "with_cover_art": ("mp4", f"-f lavfi -i color=red:s=64x64:d=0.04:r=25 -map 0 -map 1 {X264} -c:v:1 mjpeg -bf:v:1 0 "
                              "-disposition:v:1 attached_pic"),
}  # fmt: skip
"""Suffix and what ffmpeg is told, by kind of clip. All are 160x96 and six seconds long."""


def ffmpeg(*arguments: str) -> None:
    """Runs imageio-ffmpeg's ffmpeg; raises with its text if it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def picture(seconds: float = SECONDS, size: str = "160x96") -> list[str]:
    """Arguments for the moving test picture as first input."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={seconds}"]


def make_clip(kind: str, folder: Path) -> Path:
    """A clip of one of KINDS, or `edit_list`."""
    if kind == "edit_list":
        whole = make_clip("mp4_moov_first", folder)
        clip = folder / "edit_list.mp4"
        # A copy that starts between keyframes: the frames before are in the file and hidden by an edit list.
        ffmpeg("-ss", "0.6", "-i", str(whole), "-c", "copy", str(clip))
        return clip
    suffix, arguments = KINDS[kind]
    clip = folder / f"{kind}.{suffix}"
    pixels = [] if "-pix_fmt" in arguments else ["-pix_fmt", "yuv420p"]
    ffmpeg(*picture(), *arguments.split(), *pixels, "-bitexact", str(clip))
    return clip


ALL_KINDS = [*KINDS, "edit_list"]
