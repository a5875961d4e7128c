"""What Schemathesis sends to the control port, where JSON Schema and readers of JSON differ."""

import re

import schemathesis


def whole(value):
    """6.0 is an integer by JSON Schema; whoever writes one for the control port writes 6."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)



@schemathesis.hook
def before_call(context, case, kwargs):
    """What the tool writes otherwise than it means it."""
    # A revision is sixteen digits in quotes, which it takes for JSON and unwraps.
    revision = (case.headers or {}).get("If-Match")
    if revision is not None and not re.fullmatch('"[0-9a-f]{16}"', str(revision)):
        del case.headers["If-Match"]
    # Nothing is sent for a parameter of the query that is nothing, instead of an empty text.
    case.query = {name: value for name, value in (case.query or {}).items() if value not in (None, "", [], [""])}


@schemathesis.hook
def filter_case(context, case):
    """A header that nobody knows is no mistake in HTTP."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})
