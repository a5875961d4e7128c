"""What Schemathesis sends to the control port, where JSON Schema and readers of JSON differ."""

import schemathesis


def whole(value):
    """6.0 is an integer by JSON Schema; whoever writes one for the control port writes 6."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)
