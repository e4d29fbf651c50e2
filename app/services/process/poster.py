"""One still of the media: WebP, at most 640 pixels wide. Runs in the inspection child only."""

import io
from dataclasses import dataclass

import av.container
from av.error import FFmpegError
from av.video.frame import VideoFrame
from PIL import Image

MAX_WIDTH = 640
_LATEST_SECONDS = 3.0
_QUALITY = 80
_TRANSPOSE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@dataclass(frozen=True)
class Poster:
    """The encoded still and its size in pixels."""

    body: bytes
    width: int
    height: int


def make_poster(container: "av.container.InputContainer", rotation: int) -> Poster | None:
    """A frame from a little way in (a first frame is often black), or an audio file's cover; None where there is none.

    `rotation`: clockwise degrees by which the picture must be turned to stand upright.
    """
    if not container.streams.video:
        return None
    frame = _pick_frame(container)
    if frame is None:
        return None
    width = min(MAX_WIDTH, frame.width if rotation not in _TRANSPOSE or rotation == 180 else frame.height)
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # its parameters alone lack types
    if rotation in _TRANSPOSE:
        picture = picture.transpose(_TRANSPOSE[rotation])
    height = max(1, round(picture.height * width / picture.width))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=_QUALITY, method=3)
    return Poster(encoded.getvalue(), width, height)


def _pick_frame(container: "av.container.InputContainer") -> VideoFrame | None:
    """The frame at a tenth of the length, at most three seconds in; the first that decodes where seeking fails."""
    stream = container.streams.video[0]
    seconds = min(_LATEST_SECONDS, (container.duration or 0) / av.time_base / 10)
    for offset in (int(seconds * av.time_base), 0):
        try:
            container.seek(offset)
            frame = next(iter(container.decode(stream)), None)
        except FFmpegError:
            continue
        if isinstance(frame, VideoFrame):
            return frame
    return None
