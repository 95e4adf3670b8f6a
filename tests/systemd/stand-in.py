#!/usr/bin/python3
"""Stands in for the daemon, to try run.sh itself: ready late, watchdog, credentials, a ledger, a socket, a drain."""
import os, signal, socket, subprocess, sys, time

config = sys.argv[sys.argv.index("--config") + 1]
text = open(config).read()


def value(key):
    return [line.split('"')[1] for line in text.splitlines() if line.startswith(key + " =")][0]


if "colour" in text:
    print(f"{config}: upstream.colour: unknown key", file=sys.stderr)
    sys.exit(2)
key = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"), "upstream-api-key")
if not os.path.exists(key):
    print(f"{config}: upstream.api_key: missing", file=sys.stderr)
    sys.exit(2)
assert open(key).read().strip()


def tell(message):
    address = os.environ["NOTIFY_SOCKET"]
    address = "\0" + address[1:] if address[0] == "@" else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(message.encode(), address)


stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
ledger = value("path")
if not os.path.exists(ledger):
    # As the real one must: readers that may not write need the -wal and -shm files to be there, always.
    script = """.filectrl persist_wal 1
        PRAGMA journal_mode=WAL; CREATE TABLE t(x); CREATE VIEW accounting_deposits AS SELECT x FROM t;"""
    subprocess.run(["sqlite3", ledger], input=script, text=True, check=True, stdout=subprocess.DEVNULL)
time.sleep(2)
place = [part.split('"')[0] for part in text.split("unix:")[1:]][0]
if os.path.exists(place):
    os.remove(place)
server = socket.socket(socket.AF_UNIX)
server.bind(place)
os.chmod(place, 0o660)
server.listen()
server.settimeout(0.5)
tell("READY=1")
while not stopping:
    tell("WATCHDOG=1")
    try:
        line, _ = server.accept()
    except TimeoutError:
        continue
    line.recv(4096)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    line.close()
tell("STOPPING=1")
