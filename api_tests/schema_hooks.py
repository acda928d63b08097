"""What schemathesis is told about this service."""

import schemathesis


@schemathesis.hook
def map_query(context, query):
    """A poll that waits half a minute is right, and too slow for a test."""
    if query and isinstance(query.get("wait_ms"), int) and 100 < query["wait_ms"] <= 30_000:
        query["wait_ms"] = 100
    return query


@schemathesis.check
def no_server_error(_context, response, _case):
    """503 and 504 are answers of a service that says so in its schema; any other 5xx is a failure of its own."""
    if response.status_code >= 500 and response.status_code not in (503, 504):
        raise AssertionError(f"{response.status_code}: {response.text[:300]}")
