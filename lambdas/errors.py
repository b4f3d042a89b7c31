"""The errors a run can end with. A class's name is contract: the state machine matches it in `ErrorEquals`."""

import errno

OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where a disk is full, or a user's share of it, or a file may not grow (`ulimit -f`)."""


class TalentFramesError(Exception):
    """Anything this pipeline raises knowingly; its text is one line fit for a user."""


class BadInput(TalentFramesError):
    """The video, the settings or the gallery can't be worked with; trying again can't help."""


class SourceMissing(BadInput):
    """There is no such file or object, or it may not be read."""


class EmptySource(BadInput):
    """The source has no bytes."""


class UnreadableVideo(BadInput):
    """The source is not a video container we accept, or nothing in it can be read."""


class NoVideoStream(BadInput):
    """The container holds no moving picture: audio alone, or a still picture."""


class EncryptedVideo(BadInput):
    """The video is protected (DRM) and we have no key."""


class TooLarge(BadInput):
    """The video exceeds a limit of the settings, which the text names."""


class NoFrames(BadInput):
    """The video stream gives not one frame."""


class InvalidSettings(BadInput):
    """A setting is unknown or outside its range."""


class InvalidRequest(BadInput):
    """What a stage was asked is not what it understands: a field is unknown, missing or of another kind."""


class KeyTooLong(BadInput):
    """The video's key leaves no room for the names of what would be published under it."""


class InvalidGallery(BadInput):
    """The gallery can't be read, or nobody in it can be enrolled."""


class GalleryPackMismatch(BadInput):
    """The gallery was enrolled with another model pack; its embeddings can't be compared."""


class InvalidCorrections(BadInput):
    """The corrections can't be read, or were made on another video."""


class RunExpired(BadInput):
    """What was kept of a run, which repeating or correcting it needs, has been deleted since."""


class UnknownPack(BadInput):
    """No model pack goes by that name and no directory has that path."""


class MissingPack(TalentFramesError):
    """The model pack is known but not here; the text says how to get it and what its licence allows."""


class DamagedPack(TalentFramesError):
    """A file of the model pack is missing or its checksum is not the one expected."""


class PackMismatch(TalentFramesError):
    """A worker holds another model pack than the plan was made for."""


class DownloadFailed(TalentFramesError):
    """A model file could not be downloaded."""


class AwsMissing(TalentFramesError):
    """A bucket was named, and the packages that reach buckets are not installed."""


class FfmpegMissing(TalentFramesError):
    """A video has to be copied before it can be read in parts, and no ffmpeg is here to do it."""


class IncompleteRun(TalentFramesError):
    """A chunk's document is missing when the chunks are to be merged."""


class SourceChanged(TalentFramesError):
    """The source is no longer the one the plan was made from."""


class MissingEnvironment(TalentFramesError):
    """An environment variable that a function needs is not set, or holds what can't be used."""


class GpuMissing(TalentFramesError):
    """The GPU was asked for, to run models or to decode, and can't be used; nothing is done on the CPU instead."""


class SourceUnreachable(TalentFramesError):
    """The video's host did not answer, or answered with trouble of its own; trying again may help."""


class ProcessDied(TalentFramesError):
    """A process of ours ended without an answer: killed for its memory or by somebody, or crashed in native code."""


class NoSpace(TalentFramesError):
    """A disk is full; with room on it the run goes on."""


class SourceRefused(TalentFramesError):
    """The video's store refused how it was asked, not the video: credentials, signature, region or clock."""


class ServiceUnavailable(TalentFramesError):
    """A bucket or table throttled us or was in trouble through all tries; trying again later may help."""
