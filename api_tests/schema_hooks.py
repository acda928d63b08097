"""What schemathesis is told about this service."""

import schemathesis


@schemathesis.hook
def map_query(context, query):
    """A poll that waits half a minute is right, and too slow for a test."""
    if query and isinstance(query.get("wait_ms"), int) and 100 < query["wait_ms"] <= 30_000:
        query["wait_ms"] = 100
    return query
