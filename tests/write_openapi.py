"""Writes the API's description, of which the front end's client is made: `python -m tests.write_openapi`."""

import json
import sys
from pathlib import Path

from app.core.config import Settings
from app.main import create_app

DOCUMENT = Path(__file__).parents[1] / "frontend" / "openapi.json"
ELSEWHERE = {
    "mongodb_uri": "mongodb://database.example.com/",
    "redis_url": "redis://broker.example.com/",
    "s3_endpoint_url": "https://bucket.example.com",
    "s3_access_key_id": "nobody",
    "s3_secret_access_key": "nothing",
}
"""Nothing is asked of these: the application is made, not started."""


def described() -> str:
    """The description in the form in which it is committed."""
    return json.dumps(create_app(Settings.model_validate(ELSEWHERE)).openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        DOCUMENT.write_text(described(), encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != described():
        sys.exit("frontend/openapi.json is not what the API says: run `make client`")
