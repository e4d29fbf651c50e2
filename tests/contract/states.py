"""The states, and which may follow which, in the tests' own words: not taken from the table that they check."""

ACTIVE = "resolving downloading uploading processing"
STATES = ["pending", "queued", *ACTIVE.split(), "ready", "retrying", "failed", "canceled"]
FOLLOWS = {
    "pending": "pending queued",
    "queued": "pending queued resolving retrying canceled",
    "resolving": "pending queued downloading processing retrying failed canceled",
    "downloading": "pending queued uploading retrying failed canceled",
    "uploading": "pending queued processing retrying failed canceled",
    "processing": "pending queued ready retrying failed canceled",
    "ready": "pending queued",
    "retrying": "pending queued resolving retrying canceled",
    "failed": "pending queued",
    "canceled": "pending queued",
}
