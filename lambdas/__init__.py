"""The four stages, one room each, and the modules they share."""

import os

# onnxruntime writes a device id into the home folder and queues events about the machine for its maker, from the moment
# it is imported, unless it is told not to before that. Every stage, worker, image and test passes here first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# OpenCV decodes a thousand million pixels unless it is told not to before it is imported: 3 GB out of a few MB of PNG.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))
