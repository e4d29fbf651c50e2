"""Where things lie in the bucket. Every name is ours: a stranger's file name never reaches a key."""

import re

ROOT = "projects/"
TRIAL_KEY = "takeup-trial"
PICTURE_KEY = "takeup-picture.png"

_IN_PROJECT = re.compile(r"^projects/(?P<project>[0-9a-f-]{36})/")
_OUR_KEY = re.compile(
    r"^projects/(?P<project>[0-9a-f-]{36})/scenes/(?P<scene>[0-9a-f-]{36})/(?P<generation>\d+)/[^/]+$"
)


def scene_prefix(project_id: str, scene_id: str) -> str:
    """Under which everything of one scene lies, of every generation."""
    return f"{ROOT}{project_id}/scenes/{scene_id}/"


def generation_prefix(project_id: str, scene_id: str, generation: int) -> str:
    return f"{scene_prefix(project_id, scene_id)}{generation}/"


def original_key(project_id: str, scene_id: str, generation: int, extension: str) -> str:
    """`extension` is one of our own table of media types, without a dot."""
    return f"{generation_prefix(project_id, scene_id, generation)}original.{extension}"


def poster_key(project_id: str, scene_id: str, generation: int) -> str:
    return f"{generation_prefix(project_id, scene_id, generation)}poster.webp"


def scene_of(key: str) -> str | None:
    """The id of the scene that a key belongs to; None for a key that is not of our making."""
    place = place_of(key)
    return place[1] if place else None


def project_of(key: str) -> str | None:
    """The id of the project under whose prefix a key lies, whoever made it; None for a key that lies under none."""
    match = _IN_PROJECT.match(key)
    return match["project"] if match else None


def place_of(key: str) -> tuple[str, str] | None:
    """The ids of the project and the scene that a key belongs to; None for a key that is not of our making."""
    match = _OUR_KEY.match(key)
    return (match["project"], match["scene"]) if match else None
