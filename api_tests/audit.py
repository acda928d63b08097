"""Audits an exported event log on its own: shares nothing with the service but the format and the rule book.

It recomputes the hash chain, then executes every command again by the rule book (audit_rules.py) with books of its own
(audit_book.py), written for obviousness, and compares each event. Reads what `pricetime export` writes:

    pricetime export | python api_tests/audit.py
    python api_tests/audit.py export.jsonl

Exit code 0 if all is well, 1 with the first findings if not. docs/log-format.md describes the format,
docs/orders.md the rules.
"""

import json
import sys
from decimal import Decimal
from itertools import zip_longest

from blake3 import blake3

from audit_rules import Engine, UnknownCommandError

FORMAT = 1
SHOWN_FINDINGS = 20


class Finding(Exception):
    """Something in the log that is not as it must be."""


def stream_position(text):
    """`ms-n` as two numbers, which compare as the positions do."""
    millis, index = text.split("-")
    return int(millis), int(index)


def next_chain(chain, row):
    """The chain's value at a row: BLAKE3 over the value before, six numbers of 8 bytes, the command, the events."""
    command, events = row["command"].encode(), row["events"].encode()
    numbers = (row["seq"], *stream_position(row["stream_position"]), row["epoch"], row["time"], len(command))
    return blake3(chain + b"".join(n.to_bytes(8, "big") for n in numbers) + command + events).digest()


class Chain:
    """Rows are numbered without gaps, chained, and never go back in time, term or stream."""

    def __init__(self):
        self.seq, self.value, self.time, self.epoch, self.position = 0, bytes(32), 0, 0, (0, 0)

    def check(self, row):
        if row["seq"] != self.seq + 1:
            raise Finding(f"row {row['seq']} follows row {self.seq}")
        self.seq = row["seq"]
        self.value = next_chain(self.value, row)
        if row["chain"] != self.value.hex():
            self.value = bytes.fromhex(row["chain"])
            raise Finding("its chain value is not the hash of what stands there")
        position = stream_position(row["stream_position"])
        if row["time"] < self.time or row["epoch"] < self.epoch or position < self.position:
            raise Finding("it goes back in time, term or stream position")
        self.time, self.epoch, self.position = row["time"], row["epoch"], position


def differs(expected, found):
    """Whether a value is not what the rules say; decimals are compared as numbers, and must be written in short."""
    if isinstance(expected, Decimal):
        short = isinstance(found, str) and ("." not in found or not found.endswith("0"))
        return not short or Decimal(found) != expected
    if type(expected) is not type(found):
        return True
    if isinstance(expected, dict):
        return expected.keys() != found.keys() or any(differs(value, found[name]) for name, value in expected.items())
    if isinstance(expected, list):
        return len(expected) != len(found) or any(map(differs, expected, found))
    return expected != found


def plain(event):
    """An event as it is read, decimals as they are written."""
    return "no event there" if event is None else json.dumps(event, default=lambda number: f"{number.normalize():f}")


def audit(lines):
    """Findings about an exported log, and how many rows and trades it has."""
    chain, engine, findings = Chain(), Engine(), []
    for line in lines:
        if len(findings) >= SHOWN_FINDINGS:
            break
        row = json.loads(line)
        try:
            chain.check(row)
        except Finding as finding:
            findings.append(f"row {row['seq']}: {finding}")
        if row["format"] != FORMAT:
            findings.append(f"row {row['seq']}: its format is {row['format']}, not {FORMAT}: it is not read")
            break
        try:
            expected = engine.apply(row["seq"], row["time"], json.loads(row["command"]))
        except UnknownCommandError as error:
            findings.append(f"row {row['seq']}: {error}")
            continue
        found = json.loads(row["events"])
        for told, logged in zip_longest(expected, found):
            if differs(told, logged):
                findings.append(f"row {row['seq']}: the rules give {plain(told)}, the log has {plain(logged)}")
                break
    return findings, chain.seq, engine.trades


def main():
    source = open(sys.argv[1], encoding="utf-8") if len(sys.argv) > 1 else sys.stdin
    with source:
        findings, rows, trades = audit(source)
    for finding in findings:
        print(finding)
    print(f"{rows} rows, {trades} trades: {len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
