"""What `pricetime backup`, `archive` and `restore` take with a long log, and what orders notice: `make bench-backup`.

An embedded service of its own is filled by batches; each command then runs beside single orders, one after the other.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

SYMBOLS = ["AA_USDT", "BB_USDT", "CC_USDT", "DD_USDT"]
BATCH = 500


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fill(base_url, rows):
    """Orders of both sides around one price, every second of which trades, until so many are committed."""

    def send(symbol, batches):
        session = requests.Session()
        for batch in range(batches):
            items = [
                {"op": "place", "symbol": symbol, "side": side, "price": 100 + (batch + n) % 3, "quantity": "1.5"}
                for n, side in enumerate(["SELL", "BUY"] * (BATCH // 2))
            ]
            while session.post(f"{base_url}/api/orders/batch/?ack=committed", json={"items": items}).status_code != 200:
                time.sleep(0.1)

    batches = rows // BATCH // len(SYMBOLS)
    senders = [threading.Thread(target=send, args=(symbol, batches)) for symbol in SYMBOLS]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def orders_beside(base_url, work):
    """Does the work while single orders are placed; how long those took, in milliseconds."""
    took, done = [], threading.Event()

    def place():
        session = requests.Session()
        body = {"symbol": "EE_USDT", "side": "BUY", "price": 1, "quantity": 1}
        while not done.is_set():
            began = time.perf_counter()
            session.post(f"{base_url}/api/orders/", json=body).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.005)

    client = threading.Thread(target=place)
    client.start()
    try:
        work()
    finally:
        done.set()
        client.join()
    took.sort()
    share = [f"{took[int(len(took) * part)]:.1f}" for part in (0.5, 0.99)]
    print(f"  {len(took)} orders meanwhile: median {share[0]} ms, 99 % {share[1]} ms, worst {took[-1]:.1f} ms")


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    binary, rows = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        environment = {"PORT": str(port), "RUST_LOG": "warn", "DATA_DIR": str(folder / "data")}
        base_url = f"http://127.0.0.1:{port}"

        def tool(*arguments, **settings):
            began = time.perf_counter()
            command = subprocess.Popen([binary, *arguments], env={**environment, **settings}, cwd=folder)
            _, status, usage = os.wait4(command.pid, 0)
            if status != 0:
                sys.exit(f"{' '.join(arguments)} ended with {status}")
            seconds, memory = time.perf_counter() - began, usage.ru_maxrss / 1024
            print(f"  {arguments[0]}: {seconds:.1f} s, {memory:.0f} MiB of memory at most", flush=True)

        service = subprocess.Popen([binary, "serve"], env=environment, cwd=folder)
        try:
            while subprocess.run([binary, "healthcheck", "--ready"], env=environment, capture_output=True).returncode:
                time.sleep(0.1)
            fill(base_url, rows)
            tool("snapshot", "take")
            fill(base_url, 20_000)
            tool("snapshot", "take")
            print(f"the file: {size(folder / 'data') / 1e6:.0f} MB")
            orders_beside(base_url, lambda: time.sleep(10))
            orders_beside(base_url, lambda: tool("backup", "--to", "backup"))
            print(f"the backup: {size(folder / 'backup') / 1e6:.0f} MB")
            orders_beside(base_url, lambda: tool("archive"))
            print(f"the archive: {size(folder / 'data/archive') / 1e6:.0f} MB")
            tool("verify", "--full")
        finally:
            service.terminate()
            service.wait()
        restored = {"DATA_DIR": str(folder / "restored")}
        tool("restore", "--from", "backup", **restored)
        tool("verify", "--full", **restored)


if __name__ == "__main__":
    main()
