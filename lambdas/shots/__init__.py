"""Where one shot ends and the next begins, from what every looked-at frame was measured to be.

Shared by detect, which needs it chunk by chunk to know what to keep, and cluster, which decides once over the whole
video. Pure: no files, no pictures.
"""
