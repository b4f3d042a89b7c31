"""One chunk, from its packets to what detect hands on. docs/architecture.md tells the same on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.contracts import ChunkDocument, Detections
from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.faces.turned import TurnedLooks, hardly_any, look_turned
from lambdas.detect.first_pass import FirstPass, first_pass
from lambdas.detect.packs import Pack
from lambdas.detect.reread import exact_features, kept_pictures
from lambdas.detect.selection.columns import columns_of_chunk
from lambdas.detect.selection.encode import pack_pictures
from lambdas.detect.selection.staging import choose_staged, most_staged, worth_keeping
from lambdas.detect.selection.targets import targets
from lambdas.detect.shots.boundaries import Shots
from lambdas.detect.tracking.association import associate
from lambdas.detect.tracking.detection import Track
from lambdas.detect.tracking.embeddings import Embeddings, faces_to_embed
from lambdas.detect.tracking.people import people_of
from lambdas.detect.tracking.scores import scores_of

_FEWEST_DENSE, _FEWEST_CLEAN_DENSE = 3, 2
"""A face that refinement alone met counts from so many detections on: fewer are mostly false alarms, but not where each
is a face without a flaw."""


@dataclass(frozen=True)
class ChunkResult:
    """What detect writes for a chunk."""

    frames: bytes
    """A tar of the staged frames, JPEG."""
    detections: Detections
    document: ChunkDocument


def process_chunk(context: ChunkContext, location: str, name: str, pack: Pack) -> ChunkResult:
    """Works through one chunk, read from `location`; `name` is the source's in messages."""
    settings = context.settings
    with context.watch.step("models"):
        analyzer = FaceAnalyzer(pack.detector, pack.embedder, context)
    embeddings = Embeddings(analyzer.embed, context.distances)
    with ChunkReader(location, name, context.source, context.chunk, most_pixels=settings.limits.max_pixels) as reader:
        seen = first_pass(reader, context, analyzer, embeddings)
        features = exact_features(reader, seen, context)
        shots = Shots(features, settings)

        tracks = [
            track
            for track in associate(
                seen.events, shots.cut_times.tolist(), embeddings, context.distances, context.tier.period_s
            )
            if _counts(track)
        ]
        alone = scores_of(([track] for track in tracks), shots.steadiness)
        embeddings.make([face for track in tracks for face in faces_to_embed(track, alone)])
        people = people_of(tracks, alone, embeddings, context.distances)
        scores = scores_of(people, shots.steadiness)

        at_hand = seen.frames.keys() | seen.pictures.keys()
        wanted = targets(seen.features_with_carried(), shots, context, at_hand)
        keep = [target.pts for target in wanted] + worth_keeping(people, scores, seen.pictures.keys())
        turned = _looked_at_turned(seen, tracks, analyzer, pack, context)
        pictures = kept_pictures(reader, seen, keep, context)
        chosen = choose_staged(people, scores, wanted, pictures.keys(), most_staged(features, len(people)))
        staged = [pictures[pts] for pts in chosen]

    tar, entries = pack_pictures(staged, shots)
    columns = columns_of_chunk(tracks, features, shots.steadiness, staged, embeddings, analyzer.dimensions, seen)
    document = ChunkDocument(
        index=context.chunk.index,
        frame_count=reader.frame_count or 0,
        first_pts=reader.first_pts,
        last_pts=reader.last_pts,
        end_pts=reader.end_pts,
        looked_frames=analyzer.frames,
        corrupt_frames=seen.corrupt,
        turned_looks=turned.frames,
        turned_faces=turned.faces,
        staged=entries,
        seconds=dict(context.watch.seconds),
    )
    return ChunkResult(tar, columns, document)


def _looked_at_turned(
    seen: FirstPass, tracks: Sequence[Track], analyzer: FaceAnalyzer, pack: Pack, context: ChunkContext
) -> TurnedLooks:
    with_faces = {face.pts for track in tracks for face in track.detections}
    if not hardly_any(len(with_faces), analyzer.frames):
        return TurnedLooks()
    frames = [frame for pts, frame in sorted(seen.frames.items()) if pts not in with_faces]
    source = context.source
    with context.watch.step("detect"):
        return look_turned(frames, pack.detector, source.width, source.height, context.settings.min_face_px)


def _counts(track: Track) -> bool:
    """Whether a face that refinement alone met is one, rather than a false alarm."""
    if not track.is_dense:
        return True
    clean = all(face.absolute.is_clean for face in track.detections)
    return len(track.detections) >= (_FEWEST_CLEAN_DENSE if clean else _FEWEST_DENSE)
