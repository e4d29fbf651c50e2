"""The inspection child: opens one object with FFmpeg's libraries, tells what it holds, and makes the poster.

Runs as a process of its own, forked by `child_server`. Caps on streams, pixels and duration are
checked before any frame is decoded; the demuxers are those of the media types that Takeup stores.
"""

import io
import json
import os
import sys
from typing import IO, Any

import av
import av.container
from av.error import FFmpegError
from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

from app.core.media_errors import MalformedMediaError, MediaError, NotMediaError, TooLongError, UnsafeMediaError
from app.services.confine import confine, forbid_network_and_processes
from app.services.fetch.sniff import HEAD_BYTES, sniff
from app.services.process.poster import Poster, make_poster

_ADDRESS_SPACE_BYTES = 3 << 30
_CPU_SECONDS = 60
_OPEN_FILES = 64
_MAX_STREAMS = 64
_PICTURE_FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)  # imported here, as nothing can be once the process is confined
_MAX_PIXELS = 100_000_000
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,aac,ogg,wav,flac,avi,flv,asf,mpeg,mpegts,gif,"
    "jpeg_pipe,png_pipe,webp_pipe,avif,image2"
)
_IMAGE_FORMATS = frozenset({"gif", "jpeg_pipe", "png_pipe", "webp_pipe", "image2"})
_IMAGE_CODECS = frozenset({"mjpeg", "png", "webp", "gif", "av1", "hevc"})


class RemoteFile(io.RawIOBase):
    """The object as a file that can be read and sought; every read asks the parent."""

    def __init__(self, size: int, questions: IO[bytes], answers: IO[bytes]) -> None:
        super().__init__()
        self._size = size
        self._offset = 0
        self._questions = questions
        self._answers = answers
        self._block = b""
        self._block_start = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._size}[whence]
        self._offset = max(0, base + offset)
        return self._offset

    def readinto(self, target: Any) -> int:
        piece = self.read(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, and no more than one block holds; b"" at the end."""
        within = self._offset - self._block_start
        if not 0 <= within < len(self._block):
            self._ask()
            within = 0
        piece = self._block[within : within + size] if size >= 0 else self._block[within:]
        self._offset += len(piece)
        return piece

    def _ask(self) -> None:
        write_message(self._questions, {"type": "read", "offset": self._offset})
        length = int.from_bytes(self._answers.read(8), "big")
        self._block = self._answers.read(length)
        self._block_start = self._offset


def write_message(stream: IO[bytes], message: dict[str, Any]) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def main() -> int:
    """Serve one job; exit code 0 whenever a result or an error was written."""
    answers = sys.stdin.buffer
    job = json.loads(answers.readline())
    questions = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    confine(
        job["parent"],
        address_space=_ADDRESS_SPACE_BYTES,
        file_bytes=1 << 20,  # its stderr; the audit hook lets it open no other
        open_files=_OPEN_FILES,
        cpu_seconds=_CPU_SECONDS,
    )
    forbid_network_and_processes()
    try:
        probe, poster = _inspect(RemoteFile(job["size"], questions, answers), job)
    except MediaError as error:
        write_message(questions, {"type": "error", "code": error.code, "detail": error.detail})
        return 0
    except MemoryError:
        write_message(questions, {"type": "error", "code": UnsafeMediaError.code, "detail": None})
        return 0
    except (FFmpegError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        write_message(questions, {"type": "error", "code": MalformedMediaError.code, "detail": None})
        return 0
    body = poster.body if poster else b""
    size = {"poster_width": poster.width, "poster_height": poster.height} if poster else {}
    result = {
        "type": "result",
        "probe": probe,
        "poster_bytes": len(body),
        "poster_width": 0,
        "poster_height": 0,
        **size,
    }
    write_message(questions, result)
    questions.write(body)
    questions.flush()
    return 0


def _inspect(file: RemoteFile, job: dict[str, Any]) -> tuple[dict[str, Any], Poster | None]:
    _check_picture_size(file)
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": ""}
    with av.open(file, mode="r", options=options, metadata_errors="replace") as container:
        if len(container.streams) > _MAX_STREAMS:
            raise UnsafeMediaError("It has too many streams.")
        probe = _probe(container)
        longest = job["max_duration_seconds"]
        if longest is not None and (probe["duration_s"] or 0) > longest:
            raise TooLongError
        rotation = _check_decodable(container, probe)
        probe["rotation"] = rotation
        if rotation in {90, 270}:
            probe["width"], probe["height"] = probe["height"], probe["width"]
        return probe, make_poster(container, rotation) if job["poster"] else None


def _check_picture_size(file: RemoteFile) -> None:
    """FFmpeg calls a picture of absurd size damaged; this asks its header first. Raises `UnsafeMediaError`."""
    media_type = sniff(file.read(HEAD_BYTES))
    file.seek(0)
    if media_type is None or not media_type.content_type.startswith("image/"):
        return
    Image.MAX_IMAGE_PIXELS = None
    buffered = io.BufferedReader(file, 1 << 16)
    try:
        with Image.open(buffered, formats=_PICTURE_FORMATS) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return
    finally:
        buffered.detach().seek(0)
    if width * height > _MAX_PIXELS:
        raise UnsafeMediaError("Its picture is too large.")


def _probe(container: "av.container.InputContainer") -> dict[str, Any]:
    """The container's own words about itself, checked against the caps."""
    names = set(container.format.name.split(","))
    covers = [s for s in container.streams.video if s.disposition & s.disposition.attached_pic]
    videos = [s for s in container.streams.video if s not in covers]
    audios = container.streams.audio
    if not videos and not audios:
        raise NotMediaError
    for stream in container.streams.video:
        if stream.codec_context.width * stream.codec_context.height > _MAX_PIXELS:
            raise UnsafeMediaError("Its picture is too large.")
    video = videos[0] if videos else None
    still = bool(video) and not audios and _is_image(names, video)
    duration = container.duration / av.time_base if container.duration and not (still and "gif" not in names) else None
    return {
        "kind": "image" if still else "video" if video else "audio",
        "container": container.format.name,
        "duration_s": round(duration, 3) if duration else None,
        "width": video.codec_context.width if video else None,
        "height": video.codec_context.height if video else None,
        "fps": round(float(video.average_rate), 3) if video and video.average_rate and not still else None,
        "rotation": 0,
        "video_codec": video.codec_context.name if video else None,
        "audio_codec": audios[0].codec_context.name if audios else None,
    }


def _is_image(formats: set[str], video: Any) -> bool:
    if formats & _IMAGE_FORMATS:
        return True
    return video.frames == 1 and video.codec_context.name in _IMAGE_CODECS


def _check_decodable(container: "av.container.InputContainer", probe: dict[str, Any]) -> int:
    """Decode the first frame of what the kind promises; its rotation. Raises `MalformedMediaError`."""
    stream = container.streams.audio[0] if probe["kind"] == "audio" else container.streams.video[0]
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise MalformedMediaError
    return -getattr(frame, "rotation", 0) % 360
