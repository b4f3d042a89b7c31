"""Features of detect, cluster and shots: how each is switched off, and the tests nearest to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """Something that the pipeline does, and how it would stop doing it."""

    name: str
    """What is done, in a few words."""
    file: str
    """From the repository's root."""
    old: str
    """A piece of that file, there exactly once."""
    new: str
    """What stands there instead when the feature is off."""
    tests: tuple[str, ...]
    """Test modules, or single tests of them, that have to notice."""


def _module(file: str, *tests: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {file: (f"lambdas/{file}", tuple(f"tests/{test}.py" for test in tests))}


_FILES = (
    _module("detect/decode/chunk_reader.py", "detect/test_gops", "detect/test_chunk_reader")
    | _module("detect/decode/frame.py", "detect/test_frame")
    | _module("detect/decode/gop_activity.py", "detect/test_static_gops")
    | _module("detect/decode/interlacing.py", "detect/test_frame")
    | _module("detect/decode/packet_buffer.py", "detect/test_gops", "detect/test_reread", "detect/test_chunk_reader")
    | _module("detect/faces/analyzer.py", "detect/test_analyzer")
    | _module("detect/faces/detections.py", "detect/test_detectors")
    | _module("detect/faces/quality.py", "detect/test_quality")
    | _module("detect/faces/sampling.py", "detect/test_sampling")
    | _module("detect/first_pass.py", "detect/test_first_pass")
    | _module("detect/pipeline.py", "detect/test_pipeline")
    | _module("detect/refinement.py", "detect/test_refinement")
    | _module("detect/reread.py", "detect/test_reread")
    | _module("detect/selection/encode.py", "detect/test_encode")
    | _module("detect/selection/frame_cache.py", "detect/test_frame_cache")
    | _module("detect/selection/staging.py", "detect/test_staging")
    | _module("detect/selection/targets.py", "detect/test_targets")
    | _module("detect/shots/boundaries.py", "detect/test_boundaries", "detect/test_targets")
    | _module("detect/shots/damage.py", "detect/test_damage")
    | _module("detect/shots/feature_track.py", "detect/test_feature_track", "detect/test_damage")
    | _module("detect/shots/features.py", "detect/test_features")
    | _module("detect/shots/static_gops.py", "detect/test_static_gops")
    | _module("detect/tracking/association.py", "detect/test_association")
    | _module("detect/tracking/embeddings.py", "detect/test_embeddings")
    | _module("detect/tracking/people.py", "detect/test_people")
    | _module("detect/tracking/scores.py", "detect/test_scores")
    | _module("cluster/best_frames.py", "cluster/test_best_frames", "cluster/test_handler")
    | _module("cluster/clarity.py", "cluster/test_identities", "cluster/test_unclear")
    | _module("cluster/identities.py", "cluster/test_identities")
    | _module("cluster/scenes.py", "cluster/test_scenes")
    | _module("cluster/scores.py", "cluster/test_scores")
    | _module("cluster/tracks.py", "cluster/test_identities")
    | _module("scoring.py", "test_scoring")
    | _module("cluster/clustering.py", "cluster/test_identities")
    | _module("cluster/merges.py", "cluster/test_identities")
    | _module("cluster/people.py", "cluster/test_unclear")
    | _module("cluster/units.py", "cluster/test_identities")
    | _module("shots/change.py", "test_shots")
    | _module("shots/cuts.py", "test_shots")
    | _module("shots/dissolves.py", "test_shots")
    | _module("shots/fades.py", "test_shots")
    | _module("shots/scene_changes.py", "test_shots")
    | _module("shots/wipes.py", "test_shots")
)


def _off(file: str, name: str, old: str, new: str, *tests: str) -> Feature:
    """A feature of `lambdas/` + file; `tests` replace the modules that are named for it above."""
    path, usual = _FILES[file]
    return Feature(name, path, old, new, tests or usual)


FEATURES = (
    # decode
    _off("detect/decode/chunk_reader.py", "frames that no other refers to are left out",
         '"DEFAULT" if wanted or self.packets.skips_for_good else "NONREF"', '"DEFAULT"',
         "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/chunk_reader.py", "every frame near a chunk's border",
         "near |= self._exact_cuts and at_border", "near |= False", "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/chunk_reader.py", "every frame about a packet so large that a cut may be there",
         "if self._exact_cuts and is_large(packet.size, self._sizes):", "if False:",
         "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/chunk_reader.py", "disposable packets of HEVC are not decoded",
         "if not wanted and packet is not None and self.packets.may_drop(packet):", "if False:",
         "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/chunk_reader.py", "a skipped GOP's rest is not decoded",
         'self._skip_until = self._last + 1', "pass", "tests/detect/test_gops.py"),
    _off("detect/decode/packet_buffer.py", "a keyframe larger than is allowed is not peeked at",
         "            if self._most_pixels:\n", "            if False:\n", "tests/detect/test_gops.py"),
    _off("detect/decode/packet_buffer.py", "frames larger than is allowed are not decoded",
         "most=Most(pixels=self._most_pixels)", "most=Most(pixels=0)",
         "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/packet_buffer.py", "no more packets are kept than memory is set aside for",
         "if self._kept_bytes > KEPT_BYTES:", "if False:", "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/packet_buffer.py", "packets tell that no cut can hide among frames left out",
         "least = _INTRA_SHARE * recent[place].size if place < len(recent) else 0.0", "least = 0.0",
         "tests/detect/test_reread.py", "tests/detect/test_chunk_reader.py"),
    _off("detect/decode/interlacing.py", "deinterlacing",
         "if not _may_be_combed(picture) or not combed(picture):", "if True:"),
    _off("detect/decode/interlacing.py", "still pictures flagged interlaced keep all lines",
         "if not _may_be_combed(picture) or not combed(picture):", "if not _may_be_combed(picture):"),
    _off("detect/decode/frame.py", "tone mapping", "transfer_of(decoded, self._source.hdr))", "'')"),
    _off("detect/decode/frame.py", "rotation", "turns = rotation // 90", "turns = 0"),
    _off("detect/decode/frame.py", "mirroring", "if mirrored:", "if False:"),
    _off("detect/decode/frame.py", "frames of another shape in mid-stream keep it",
         "if (coded_width, coded_height) == self._coded_size and as_usual:", "if True:"),
    _off("detect/decode/gop_activity.py", "a peak of packets may be a cut",
         "if len(peaks) and not _harmless(peaks, ahead, now_s, key_s, source):", "if False:"),
    _off("detect/decode/gop_activity.py", "packets that grow tell of something new",
         "if following.max() > max(nothing, _BUSY_WINDOW * before):", "if False:"),
    _off("detect/decode/gop_activity.py", "packets that grow later than a dissolve are seen too",
         "if len(later) and later.max()", "if False and later.max()"),
    _off("detect/decode/gop_activity.py", "a packet larger than its keyframe may be a cut",
         "(ahead.sizes[coming] > large) | cuts[coming]", "ahead.sizes[coming] > large"),
    # shots
    _off("detect/shots/feature_track.py", "a cut needs a change of layout",
         "is_cut = is_cut and change >= CLEAR_CUT_CHANGE", "pass", "tests/detect/test_feature_track.py"),
    _off("detect/shots/feature_track.py", "frames between are compared where something moves",
         "if before and content >= _MOVING_SHARE * self._threshold:", "if False:",
         "tests/detect/test_feature_track.py"),
    _off("detect/shots/feature_track.py", "no more frames wait between than memory allows",
         " and len(self._between) < self._most_between", "", "tests/detect/test_feature_track.py"),
    _off("detect/shots/feature_track.py", "what damage smears counts as the picture before",
         "            if self._damage.smears(t_s):\n", "            if False:\n", "tests/detect/test_damage.py"),
    _off("detect/shots/feature_track.py", "the picture after damage is no cut if it is the one before",
         "elif self._damage.smears(before.t_s) and", "elif False and", "tests/detect/test_damage.py"),
    _off("detect/shots/features.py", "black and white pictures differ by their layout",
         "return max(content, threshold * min(1.0, change / _OTHER_LAYOUT) ** 2)", "return content"),
    _off("detect/shots/boundaries.py", "moments within dissolves are not steady",
         "return min(calm, self._dissolves.clearness(t_s))", "return calm"),
    _off("detect/shots/boundaries.py", "moments that move are less steady",
         "calm = near * (1 - min(MOTION_COST, MOTION_COST * motion / self._threshold))", "calm = near"),
    _off("detect/shots/boundaries.py", "moments near cuts are not steady", "calm = near * (1 -", "calm = 1 * (1 -"),
    _off("detect/shots/boundaries.py", "motion that goes on is no candidate for a cut",
         "candidate = sudden & (by_layout | by_content)", "candidate = by_layout | by_content"),
    _off("detect/shots/boundaries.py", "a content value makes a fainter change of layout a candidate",
         "candidate = sudden & (by_layout | by_content)", "candidate = sudden & by_layout"),
    _off("detect/shots/static_gops.py", "static GOPs are skipped",
         'self._may_skip = not settings.thorough and settings.scene_detector != "adaptive"', "self._may_skip = False"),
    _off("detect/shots/static_gops.py", "nothing is skipped where every frame is asked for",
         'self._may_skip = not settings.thorough and settings.scene_detector != "adaptive"', "self._may_skip = True"),
    _off("detect/shots/static_gops.py", "the next keyframe may forbid a skip",
         "        if is_cut is None:\n", "        if False:\n"),
    _off("detect/shots/static_gops.py", "packets may forbid a skip",
         'if busy == "busy" or (at_end and busy != "even"):', "if False:"),
    _off("detect/shots/static_gops.py", "after keyframes in vain a chunk asks no more",
         "if self._in_vain >= _MOST_IN_VAIN:", "if False:"),
    _off("detect/shots/static_gops.py", "a scene's middle is sampled before the rest is skipped",
         "again_s = max(again_s, middle_s)", "pass"),
    _off("detect/shots/static_gops.py", "closed eyes are waited out",
         "            if not both_clean and not self._assured:\n", "            if False:\n"),
    _off("detect/shots/static_gops.py", "who comes in must be seen clean too",
         "self._assured &= self._sample.has_faces_of(before)", "pass"),
    _off("detect/shots/static_gops.py", "a fade at the next keyframe forbids a skip",
         "dimmed = abs(float(then.mean()) - float(small.mean())) >= _DIMMED", "dimmed = False"),
    _off("detect/shots/static_gops.py", "a keyframe sooner than the longest GOP was put there for a cut",
         "return (next_key_pts - self._key_pts) * float(self._source.time_base) < _IRREGULAR * most_s", "return False"),
    _off("detect/shots/static_gops.py", "who turned away meanwhile is followed",
         "if self._lost_sight(faces) or (on_trust", "if (on_trust"),
    _off("detect/shots/static_gops.py", "the same people at the next keyframe tell that the shot goes on",
         "return all(self._same_face(then, now) for then, now in pairs)", "return False"),
    _off("detect/shots/static_gops.py", "somebody else at the next keyframe is something new",
         "return all(self._same_face(then, now) for then, now in pairs)", "return True"),
    _off("detect/shots/static_gops.py", "eyes that are always narrow are known after three samples",
         "or self._equal >= _EQUAL_SAMPLES)", ")"),
    _off("detect/shots/static_gops.py", "one sample is enough where nobody could look better",
         "nobody_better = bool(faces) and all(map(is_nearly_best, faces))", "nobody_better = False"),
    # faces
    _off("detect/faces/analyzer.py", "second opinion on doubtful faces",
         "return confidence_again(self._detector, image, box) >= self._detector.sure", "return True"),
    _off("detect/faces/analyzer.py", "no second opinion where there is no doubt",
         "if expression.in_view >= _SURELY_A_FACE:", "if False:"),
    _off("detect/faces/analyzer.py", "faces turned away are not read",
         " or frontal_part(part.landmarks) < _READABLE_FRONTAL", ""),
    _off("detect/faces/analyzer.py", "faces smaller than asked for are left out", ">= self._settings.min_face_px",
         ">= 0"),
    _off("detect/faces/analyzer.py", "large known faces are looked for in a smaller picture",
         "if near is None else self._size_for(near)", ""),
    _off("detect/faces/detections.py", "large faces are found in a thumbnail", "    if scale < 1:\n",
         "    if False:\n"),
    _off("detect/faces/detections.py", "a part of a face with its landmarks is the same face",
         " & ~(twin & (overlap > 0))", ""),
    _off("detect/faces/quality.py", "sharpness", "sharpness_part(gray) * unbroken_part(gray, _tilt(landmarks))", "1.0"),
    _off("detect/faces/quality.py", "blocks of compression are no detail",
         " * unbroken_part(gray, _tilt(landmarks))", "", "tests/detect/test_quality.py"),
    _off("detect/faces/quality.py", "exposure", '"exposure": _exposure_part(levels)', '"exposure": 1.0'),
    _off("detect/faces/quality.py", "closed eyes", '"eyes_open": float(eyes_open[0])', '"eyes_open": 1.0'),
    _off("detect/faces/quality.py", "faces cut off by the border",
         '"inside": inside_part(box, width, height)', '"inside": 1.0'),
    _off("detect/faces/quality.py", "faces behind others",
         "min(unobstructed_part(box, others), float(in_view_part(in_view)[0]))", "float(in_view_part(in_view)[0])"),
    _off("detect/faces/quality.py", "faces with something before them",
         "min(unobstructed_part(box, others), float(in_view_part(in_view)[0]))", "unobstructed_part(box, others)"),
    _off("detect/faces/quality.py", "faces turned away", '"frontal": frontal_part(landmarks)', '"frontal": 1.0'),
    _off("detect/faces/quality.py", "size", '"size": size_part(box)', '"size": 1.0'),
    _off("detect/faces/sampling.py", "a new shot is sampled soon", "self._extra_s = t_s + _AFTER_CUT_S", "pass"),
    _off("detect/faces/sampling.py", "a sample comes early to fall on a keyframe",
         "if self._prefers_keyframes and keyframe and", "if False and"),
    _off("detect/faces/sampling.py", "no sample just after another",
         "if t_s - self.sampled_s < _JUST_SAMPLED * self._period_s:", "if False:"),
    _off("detect/faces/sampling.py", "a sample that was asked for stands for those on the grid",
         "self._again_s = again_s", "pass"),
    # first pass, refinement, what is read again
    _off("detect/first_pass.py", "a standing frame is carried over",
         "if skipped is None and self._latest_s is not None and self._sampling.sampled_s == self._latest_s:",
         "if False:"),
    _off("detect/first_pass.py", "samples due in a skipped stretch are carried over",
         "self._carry_over(self._missed(answer.skip))", "pass"),
    _off("detect/first_pass.py", "every frame of a tiny clip is compared",
         "tiny = 0 < context.source.duration_s <= _TINY_S", "tiny = False"),
    _off("detect/first_pass.py", "the last frame is carried over as long as it is shown",
         "if features and self._sampling.sampled_s == features[-1].t_s:", "if False:"),
    _off("detect/first_pass.py", "the first sample of a shot decides on no skip before the one after its cut",
         "if self._sampling.awaits_shot:", "if False:"),
    _off("detect/refinement.py", "refinement", "if self._tier.dense_looks == 0:", "if True:"),
    _off("detect/refinement.py", "further moments of a face clean in none", "_FURTHER_MOMENTS = 3",
         "_FURTHER_MOMENTS = 0"),
    _off("detect/refinement.py", "a face met at its best needs no further moment",
         " and one.track not in satisfied]", "]"),
    _off("detect/refinement.py", "a face as good as can be is not refined",
         "        once = len(track.detections)", "        return True\n        once = len(track.detections)"),
    _off("detect/refinement.py", "a long shot is refined before too many frames wait",
         "if len(self._waiting) >= self._most_waiting:", "if False:"),
    _off("detect/refinement.py", "the best frame of each moment is kept", "if face.pts not in self.pictures:",
         "if False:"),
    _off("detect/refinement.py", "samples are compared with what is usual for their person",
         "        scores = scores_against(baseline, [*track.detections, *refined], steady_at)\n",
         "        scores = {one: one.absolute for one in [*track.detections, *refined]}\n"),
    _off("detect/refinement.py", "once the quota is used a moment must beat the weakest refined one",
         "if full and (not reached or scores[detection].number < _BETTER * reached[-1]):", "if full:"),
    _off("detect/refinement.py", "a face detected too seldom to count is always refined",
         "if once or not is_nearly_best", "if not is_nearly_best"),
    _off("detect/reread.py", "cuts among frames left out are placed exactly",
         "if not context.settings.scenes or len(seen.features) + seen.corrupt >= (reader.frame_count or 0):",
         "if True:"),
    _off("detect/reread.py", "frames at hand are not decoded again", "sorted(missing & seen.frames.keys())", "()"),
    # tracking
    _off("detect/tracking/association.py", "a face that was not detected for a moment returns to its track",
         "_PERIODS_UNSEEN = 2.5", "_PERIODS_UNSEEN = 0.0"),
    _off("detect/tracking/association.py", "a track ends when its face is long gone",
         "_PERIODS_UNSEEN = 2.5", "_PERIODS_UNSEEN = 1e9"),
    _off("detect/tracking/association.py", "a track of two people is divided",
         "for part in divide(track, embeddings)]", "for part in [track]]"),
    _off("detect/tracking/association.py", "cuts end tracks", "while cuts and cuts[0] <= t_s:", "while False:"),
    _off("detect/tracking/association.py", "a stranger in the same place is another track",
         "if embeddings.goes_on(tracks[row].last, detections[column]):", "if True:"),
    _off("detect/tracking/association.py", "faces that overlap others are linked by their embeddings",
         "if distance < distances.same * (0.8 + 0.3 * near[row, column]):", "if True:"),
    _off("detect/tracking/association.py", "moments carried over keep a face present",
         "track.carried.append(event)", "pass"),
    _off("detect/tracking/embeddings.py", "a face that looks the same goes on without the embedder",
         "likeness(before, now) >= SURE_ALIKE or ", ""),
    _off("detect/tracking/embeddings.py", "embedded faces of a track are apart",
         "apart_s = lasts_s / (2 * count)", "apart_s = 0.0"),
    _off("detect/tracking/people.py", "two faces of one frame are two people", "if apart and 1 -", "if 1 -"),
    _off("detect/tracking/people.py", "tracks surely of one person serve one purpose",
         "< distances.strict:", "< -1:"),
    _off("detect/tracking/scores.py", "closed eyes are never surely clean",
         "return read.opening >= _SURELY_OPEN and", "return"),
    _off("detect/tracking/scores.py", "covered faces are never surely clean",
         "read.in_view >= _SURELY_IN_VIEW and ", ""),
    _off("detect/tracking/scores.py", "how steady a moment is counts for the score",
         "score(measures_of(detections, steady_at), baseline)", "score(measures_of(detections), baseline)"),
    _off("detect/pipeline.py", "a face that refinement alone met counts only if met often",
         "    if not track.is_dense:\n", "    if True:\n",
         "tests/detect/test_pipeline.py::"
         "test_a_face_that_refinement_alone_met_counts_from_three_detections_on_or_two_without_a_flaw"),
    # frames to keep
    _off("detect/selection/frame_cache.py", "frames for which there is no room are encoded",
         "if len(self.frames) > self._most:", "if False:"),
    _off("detect/selection/frame_cache.py", "a long shot's frames are thinned out",
         "if len(self._between) > _OF_RUNNING_SHOT * self._most:", "if False:"),
    _off("detect/selection/frame_cache.py", "of a shot's samples those near others are let go",
         "del self.frames[one.frame.pts]", "pass"),
    _off("detect/selection/targets.py", "frames unlike all others are wanted too",
         "kept += others(features, shots, kept, len(windows), at_hand)", "pass"),
    _off("detect/selection/targets.py", "one frame serves two wishes", "kept = thin(found)", "kept = list(found)"),
    _off("detect/selection/targets.py", "a frame at hand is taken where it looks about as good",
         "    if near is None:\n", "    if True:\n"),
    _off("detect/selection/targets.py", "black frames are passed over",
         "return light * content * (0.3 + 0.7 * frame.sharpness)", "return 1.0"),
    _off("detect/selection/targets.py", "blurred frames are not staged for their own sake",
         "for one, fine in zip(able, good, strict=True) if fine]", "for one, fine in zip(able, good, strict=True)]"),
    _off("detect/selection/targets.py", "even moments are wanted where scenes are few",
         "if len(borders) - 1 < settings.min_scenes else ()", "if False else ()"),
    _off("detect/selection/staging.py", "further moments of everybody", "_FURTHER_MOMENTS = 3", "_FURTHER_MOMENTS = 0"),
    _off("detect/selection/staging.py", "a further moment is worth showing",
         "number(detection) >= worth and ", ""),
    _off("detect/selection/staging.py", "a chunk stages no more than a limit", "            if len(kept) >= most:\n",
         "            if False:\n"),
    _off("detect/selection/staging.py", "a frame about as good that is kept will do",
         "if reached < _AS_GOOD * scores[best].number:", "if True:"),
    _off("detect/selection/encode.py", "frames near cuts are marked",
         "in_transition=shots.cut_distance_s(one.t_s) < _TRANSITION_S", "in_transition=False"),
    _off("detect/selection/encode.py", "what will be resized is staged finer",
         "if settings.published_as_staged(image.shape[1], image.shape[0]):", "if True:"),
    # scores
    _off("scoring.py", "faces are compared with what is usual for their person",
         "    if baseline is not None:\n", "    if False:\n"),
    _off("scoring.py", "a flaw costs more than its weight", "np.asarray(mean * cost, np.float32)",
         "np.asarray(mean, np.float32)"),
    _off("scoring.py", "an eye turned away does not count",
         "return np.asarray(seen * eyes + (1 - seen) * eyes[:, ::-1], np.float32)", "return eyes"),
    _off("scoring.py", "one eye closed is enough", "return np.minimum(pair, _interpolated(worse, _WORSE_OPENING))",
         "return pair"),
    _off("cluster/scores.py", "faces are scored once more when it is known who is who",
         "    if not any(map(len, measures)):\n", "    if True:\n"),
    # who is who
    _off("cluster/tracks.py", "two faces of one frame are two people",
         "conflicts.append(_seen_together(chunk, local) + first)", "conflicts.append(np.zeros((0, 2), np.int64))"),
    _off("cluster/tracks.py", "one face found twice is one", "<= FOUND_TWICE_OVERLAP:", "<= 1.0:"),
    _off("cluster/tracks.py", "a cut at a chunk's border ends tracks", "        if is_cut:\n", "        if False:\n"),
    _off("cluster/tracks.py", "a track that goes on across a border keeps its place",
         "if overlap(before.boxes[last], after.boxes[first]) < BORDER_OVERLAP:", "if False:"),
    _off("cluster/tracks.py", "tracks are linked across borders", "links.append((a, b))", "pass"),
    _off("cluster/clustering.py", "whom linkage joins was never in one frame",
         "table[apart[:, 0], apart[:, 1]] = table[apart[:, 1], apart[:, 0]] = APART", "pass"),
    _off("cluster/clustering.py", "those of one frame do not vouch for one another",
         "    if len(apart):\n", "    if False:\n"),
    _off("cluster/identities.py", "nobody joins a person seen beside them",
         "if label[unit] < 0 and all(label[other] != person for other in beside.get(unit, [])):",
         "if label[unit] < 0:"),
    _off("cluster/identities.py", "profiles join the nearest person", "    _attach(units, label, side, attach)\n", ""),
    _off("cluster/identities.py", "those never clear join the nearest person",
         "    _attach(units, label, np.flatnonzero(units.embedded & (label < 0)), attach)\n", ""),
    _off("cluster/identities.py", "a profile far from everybody is a person",
         "alone = _nobody_else(units, label, side[label[side] < 0], limit)", "alone = side[:0]"),
    _off("cluster/identities.py", "a profile that may be somebody else is nobody",
         "alone = _nobody_else(units, label, side[label[side] < 0], limit)", "alone = side[label[side] < 0]"),
    _off("cluster/clustering.py", "chains through one poor track are undone",
         'found = _linked(vectors[part], within(part, apart, groups), together, "average")',
         "found = np.zeros(len(part), np.int64)"),
    _off("cluster/clustering.py", "whom linkage takes off needs as many clear detections",
         "enough = np.bincount(found, weights=samples[part])[found] >= least", "enough = np.ones(len(found), bool)"),
    _off("cluster/units.py", "of a unit with a clear track the others say nothing",
         "speaks = (tracks.faces > 0) & ((tracks.clear > 0) | (clear[unit_of_track] == 0))",
         "speaks = tracks.faces > 0"),
    _off("cluster/merges.py", "merges are not suggested of people seen in one frame",
         "if row < column and (start + row, start + column) not in conflicts:", "if row < column:",
         "tests/cluster/test_handler.py", "tests/cluster/test_identities.py", "tests/cluster/test_corrections.py"),
    _off("cluster/clarity.py", "faces that a second opinion does not confirm are not clear",
         " & columns.confirmed\n", "\n"),
    _off("cluster/clarity.py", "small faces are not clear", " & (side_px >= CLEAR_PX)", ""),
    _off("cluster/clarity.py", "a clear profile is sharp, lit and sure", "clear & turned & good &", "clear & turned &"),
    _off("cluster/people.py", "unclear faces are listed", "unclear.append(_unclear(", "[].append(_unclear(",
         "tests/cluster/test_unclear.py"),
    _off("cluster/best_frames.py", "alternatives come from another shot first",
         "((APART_S, True), (APART_S, False), (APART_AT_LEAST_S, False))",
         "((APART_S, False), (APART_AT_LEAST_S, False))"),
    _off("cluster/best_frames.py", "alternatives have no flaw that the best has not",
         "        and not flaws[face] & ~flaws[shown[0]]\n", "", ),
    _off("cluster/best_frames.py", "alternatives are beyond doubt", "        and (doubted[face] >= least).all()\n", ""),
    _off("cluster/best_frames.py", "alternatives are worth showing",
         "if face[0] <= WORTH_SHOWING * shown[0][0]\n        and not", "if not"),
    _off("cluster/best_frames.py", "alternatives look different",
         "if all(_difference(footage, face, other) >= SAME_MOMENT_DIFFERENCE for other in chosen):", "if True:"),
    _off("cluster/best_frames.py", "clear frames come before others", "for face in clear or shown if",
         "for face in shown if",
         "tests/cluster/test_unclear.py"),
    _off("cluster/best_frames.py", "a face lost and found again never left",
         "meets = joined and part.start_s <= joined[-1].end_s + 1e-6", "meets = False"),
    _off("cluster/scenes.py", "too few scenes give even parts",
         "for parts in range(min_scenes, len(bounds) - 1, -1):", "for parts in ():"),
    _off("cluster/scenes.py", "dull frames show no scene", "return dull, away > tolerance",
         "return False, away > tolerance"),
    _off("cluster/scenes.py", "frames of a transition show no scene", "bool(mixed[index]), away, index",
         "False, away, index"),
    _off("cluster/scenes.py", "a scene without a frame joins its neighbour",
         "bounds = _with_frames([0.0, *(one.at_s for one in changes if 0 < one.at_s < duration_s), duration_s], t_s)",
         "bounds = [0.0, *(one.at_s for one in changes if 0 < one.at_s < duration_s), duration_s]"),
    # changes of scene
    _off("shots/scene_changes.py", "fades", "fades, faded = find_fades(columns, pictures, settings.min_scene_s)",
         "fades, faded = [], find_fades(columns, pictures, settings.min_scene_s)[1]"),
    _off("shots/scene_changes.py", "dissolves", "gradual = find_dissolves(columns, pictures, barriers)",
         "gradual = []"),
    _off("shots/wipes.py", "wipes", "found = wiped(cells, pictures.shared(number[:1], number[-1:])[0])",
         "found = None"),
    _off("shots/wipes.py", "slides", "found = slid(cells.reshape(-1, LAYOUT_CELLS, LAYOUT_CELLS, 3))", "found = None"),
    _off("shots/cuts.py", "flashes are no cuts",
         "_comes_back(t_s, pictures, at, change[at], settings.min_scene_s)\n            or ", ""),
    _off("shots/cuts.py", "a thrown camera makes no cut",
         "or (moving[at] and pictures.is_moved(at - 1, at, change[at]))", ""),
    _off("shots/fades.py", "dropped pictures are no fades", "if gap_s >= least_s or not same:", "if True:"),
    _off("shots/cuts.py", "in the dark content values are not believed", "asked[columns.luma < DARK_LUMA] = CUT_CHANGE",
         "pass"),
    _off("shots/cuts.py", "cuts between pale pictures amid calm",
         "asked = np.where(calm, np.minimum(asked, CALM_CHANGE), asked)", "pass"),
    _off("shots/change.py", "changes are a scene apart",
         "return abs(one.at_s - other.at_s) >= least_s", "return True"),
    _off("shots/cuts.py", "a cut stands out", " & stands_out(t_s, change) & lone", " & lone"),
    _off("shots/cuts.py", "content that goes on changing makes no cut", " & lone & ~faded", " & ~faded"),
    _off("shots/cuts.py", "what fades makes no cut as well", " & lone & ~faded", " & lone"),
    _off("shots/dissolves.py", "the camera's moves are no dissolves",
         "if pictures.is_moved(int(low[at]), int(high[at]), DISSOLVE_CHANGE):", "if False:"),
    _off("shots/fades.py", "the bottom of a fade that turns at once is blank", " | _dips(columns.t_s, relief)", ""),
    _off("shots/dissolves.py", "a dissolve changes more than what is around it",
         "if not _steady_around(t_s, pictures, int(low[at]), int(high[at]), barriers):", "if False:"),
    _off("shots/dissolves.py", "a title is no dissolve", " & (cells > DISSOLVE_CELLS)\n", "\n"),
)  # fmt: skip
"""Each by itself; what they do is told in the module that its file names."""
