"""Requests made from the schema, good and bad, against a service: no 5xx but 503 and 504, answers as the schema says.

MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/schema_check.py [seed]

Without MATCHING_API_KEY, a service without DEBUG refuses most of it, which is checked as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASE_URL = os.environ.get("MATCHING_BASE_URL", "http://127.0.0.1:8000")
CHECKS = "no_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main(seed: str) -> int:
    """Runs schemathesis; it says how to repeat what failed."""
    key = os.environ.get("MATCHING_API_KEY")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{BASE_URL}/api/schema/?format=json", "--checks", CHECKS, "--seed", seed, "--max-examples", "15"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--workers", "1", "--no-color"),
        # A socket is no request and answer.
        *("--exclude-path", "/api/ws/"),
        *(("--header", f"Authorization: Bearer {key}") if key else ()),
        *("--generation-database", "none", "--warnings", "off"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run(command, env=environment, check=False, timeout=280).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "7"))
