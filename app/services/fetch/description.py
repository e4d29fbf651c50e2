"""What a link holds, told from its first bytes or from what yt-dlp found out."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from app.models.resolution import MAX_FORMATS, MediaDescription, MediaFormat
from app.services.fetch.sniff import MediaType
from app.services.fetch.source import Source

Info = Mapping[str, Any]


def of_source(source: Source, probe: Mapping[str, Any]) -> MediaDescription:
    """Of a link that is the media itself; `probe` is what is known of its inside (`Probe`), or nothing."""
    media_type = source.media_type
    inside = {name: probe.get(name) for name in ("height", "fps", "video_codec", "audio_codec")}
    file = MediaFormat(id="file", container=media_type.extension, bytes=source.length, stored=True, **inside)
    return MediaDescription(
        title=source.filename,
        kind=probe.get("kind") or _kind_of(media_type),
        duration_s=probe.get("duration_s"),
        bytes=source.length,
        container=media_type.extension,
        content_type=media_type.content_type,
        formats=[file],
    )


def of_info(info: Info, entries: int | None) -> MediaDescription:
    """Of what yt-dlp found behind a page: its info dict, with the formats that it chose, and the playlist's length."""
    chosen = chosen_formats(info)
    return MediaDescription(
        title=info.get("title"),
        kind="video" if any(_has_picture(item) for item in chosen) else "audio",
        duration_s=info.get("duration"),
        bytes=expected_bytes(info),
        container=info.get("ext"),
        entries=entries,
        formats=_formats(info.get("formats") or chosen, {item.get("format_id") for item in chosen}),
    )


def with_file(description: MediaDescription, media_type: MediaType, length: int | None) -> MediaDescription:
    """The same, now that the first bytes of the one file that would be stored have been seen."""
    size = description.bytes if length is None else length
    seen = {"kind": _kind_of(media_type), "container": media_type.extension, "content_type": media_type.content_type}
    formats = [one.model_copy(update={"bytes": size}) if one.stored else one for one in description.formats]
    return description.model_copy(update={**seen, "bytes": size, "formats": formats})


def chosen_formats(info: Info) -> list[Info]:
    """What would be downloaded: one format, or two that are merged."""
    return info.get("requested_formats") or [info]


def is_one_file(info: Info) -> bool:
    """Whether what would be downloaded is one file over http(s) that needs neither putting together nor mending."""
    return (
        len(chosen_formats(info)) == 1
        and info.get("protocol") in {"http", "https"}
        and not info.get("fragments")
        and not str(info.get("container") or "").endswith("_dash")
        and info.get("stretched_ratio") in {None, 1}
    )


def expected_bytes(info: Info) -> int | None:
    """The size of what would be downloaded, where the site tells it or its bitrates do."""
    sizes = [int(item.get("filesize") or item.get("filesize_approx") or 0) for item in chosen_formats(info)]
    return sum(sizes) if all(sizes) else None


def _formats(offered: Iterable[Info], stored: set[str | None]) -> list[MediaFormat]:
    """yt-dlp has the best last; storyboards, which have neither picture nor sound, are no media."""
    listed = [item for item in offered if item.get("vcodec") != "none" or item.get("acodec") != "none"]
    listed.reverse()
    listed.sort(key=lambda item: item.get("format_id") not in stored)
    return [
        MediaFormat(
            id=item.get("format_id"),
            name=item.get("format_note") or item.get("resolution"),
            container=item.get("ext"),
            height=item.get("height"),
            fps=item.get("fps"),
            video_codec=_codec(item.get("vcodec")),
            audio_codec=_codec(item.get("acodec")),
            bytes=item.get("filesize") or item.get("filesize_approx"),
            stored=item.get("format_id") in stored,
        )
        for item in listed[:MAX_FORMATS]
    ]


def _codec(name: object) -> Any:
    return None if name == "none" else name


def _has_picture(item: Info) -> bool:
    return item.get("vcodec") != "none"


def _kind_of(media_type: MediaType) -> Literal["video", "audio", "image"]:
    kind = media_type.content_type.partition("/")[0]
    return "audio" if kind == "audio" else "image" if kind == "image" else "video"
