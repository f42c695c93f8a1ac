#!/usr/bin/env bash
# MP4 files say in a display matrix how their pictures are to be shown: turned by a quarter or more, mirrored, or both.
# OpenCV's VideoCapture turns pictures by itself (CAP_PROP_ORIENTATION_AUTO is on), and so shows what a phone filmed upright.
#
# One would expect a video whose matrix says "mirror left to right" to come out mirrored left to right, as the ffmpeg
# program and players show it, or, where mirroring is not supported, as it was stored.
#
# What happens: it comes out turned by 180 degrees: top and bottom change places, too. The angle is taken from the matrix as
# if it were a rotation, and a mirror has none. "Mirror top to bottom" is passed over: the picture comes out as stored.
# CAP_PROP_ORIENTATION_META says 180 and 0. Labels of left and right, masks drawn on another decoder's frames, and
# data sets made with two libraries then disagree without a word.
#
# Seen: opencv-python-headless 5.0.0.93, av 18.1.0, numpy 2.4.6, Python 3.11, x86_64. Output seen:
#   quarter turn:          stored [250, 180, 110, 40], shown [110, 250, 40, 180], wanted [110, 250, 40, 180], meta 90
#   mirrored left-right:   stored [250, 180, 110, 40], shown [40, 110, 180, 250], wanted [180, 250, 40, 110], meta 180
#   mirrored top-bottom:   stored [250, 180, 110, 40], shown [250, 180, 110, 40], wanted [110, 40, 250, 180], meta 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys

import av
import cv2
import numpy as np

print("opencv", cv2.__version__, "av", av.__version__)
# Gray levels of the four quarters: top left, top right, bottom left, bottom right.
stored = np.array([[250, 180], [110, 40]], np.uint8)
picture = np.repeat(np.kron(stored, np.ones((32, 32), np.uint8))[..., None], 3, axis=2)
with av.open("plain.mp4", "w") as container:
    stream = container.add_stream("libx264", rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for _ in range(5):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode())


def levels(image):
    """Mean gray level of each quarter, as the nearest stored one."""
    means = [image[r : r + 32, c : c + 32].mean() for r in (0, 32) for c in (0, 32)]
    return [int(min((250, 180, 110, 40), key=lambda level: abs(level - mean))) for mean in means]


cases = {  # a, b, c, d of the matrix, and what numpy makes of the stored picture
    "quarter turn": ((0, 1, -1, 0), np.rot90(stored, -1)),
    "mirrored left-right": ((-1, 0, 0, 1), stored[:, ::-1]),
    "mirrored top-bottom": ((1, 0, 0, -1), stored[::-1]),
}
found = {}
for name, ((a, b, c, d), wanted) in cases.items():
    data = bytearray(open("plain.mp4", "rb").read())
    at = data.index(b"tkhd") + 44  # the matrix of a version 0 track header, in 16.16 and 2.30 fixed point
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    open("shown.mp4", "wb").write(data)
    video = cv2.VideoCapture("shown.mp4", cv2.CAP_FFMPEG)
    ok, image = video.read()
    assert ok
    found[name] = levels(image), wanted.ravel().tolist()
    meta = int(video.get(cv2.CAP_PROP_ORIENTATION_META))
    print(f"{name + ':':<22} stored {stored.ravel().tolist()}, shown {found[name][0]}, wanted {found[name][1]}, meta {meta}")
right = {name: shown == wanted for name, (shown, wanted) in found.items()}
upside_down = found["mirrored left-right"][0] == stored[::-1, ::-1].ravel().tolist()
sys.exit(not (right == {"quarter turn": True, "mirrored left-right": False, "mirrored top-bottom": False} and upside_down))
PYTHON
