"""From a video to its people, on one machine.

import talent_frames

if __name__ == "__main__":  # workers are spawned, so a script needs this guard
    manifest = talent_frames.run("interview.mp4", out="out/interview", gallery="cast/")
    for person in manifest.people:
        print(person.id, person.name, person.best_frame.file)
"""

from lambdas.contracts import Settings
from talent_frames.api import run

__all__ = ["Settings", "run"]
