"""A plugin of pytest that allows one transition too many, or one too few, for as long as the tests run.

`TRANSITION_MUTANT=ready>failed` toggles that pair in `TRANSITIONS`, in place and before any test is collected.
"""

import os

from app.models.media import TRANSITIONS, Status

if named := os.environ.get("TRANSITION_MUTANT"):
    _source, _target = (Status(name) for name in named.split(">"))
    TRANSITIONS[_source] = TRANSITIONS[_source] ^ {_target}
