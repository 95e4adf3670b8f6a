"""What many.sh asks of many daemons at once, inside the machine; with no more of Python than python3-minimal has.

usage: many.py healthz|deposit|reconcile NAME...   one call of each daemon's API, all at once
       many.py pss|load UNIT-PID...                memory now; processor time and wake-ups so far
"""

import os
import socket
import sys
import threading
import time


def call(name, method, path, body, wait):
    """The status of the answer, or what kept it from coming."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(wait)
    try:
        line.connect(f"/run/depositd/{name}/depositd.sock")
        head = f"{method} {path} HTTP/1.1\r\nHost: depositd\r\nConnection: close\r\n"
        head += f"Prefer: wait=60\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall((head + body).encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
        return answer.split()[1]
    except (OSError, IndexError) as error:
        return repr(error)
    finally:
        line.close()


def call_all(names, method, path, body, good):
    took, bad = [], []

    def one(name):
        began = time.monotonic()
        status = call(name, method, path, body, 120)
        took.append(time.monotonic() - began)
        if status != good:
            bad.append(f"{name}: {status}")

    began = time.monotonic()
    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took.sort()
    print(f"{len(took) - len(bad)} of {len(names)} answered {good}: all within {time.monotonic() - began:.1f} s, "
          f"the median one {took[len(took) // 2]:.2f} s, the slowest {took[-1]:.2f} s")
    for line in bad[:10]:
        print(line)
    return 1 if bad else 0


def rollup(pid):
    lines = (line.split() for line in open(f"/proc/{pid}/smaps_rollup"))
    return {words[0][:-1]: int(words[1]) for words in lines if words[-1] == "kB"}


def pss(pids):
    """The sum in kB on the last line."""
    all_of_it = [rollup(pid) for pid in pids]
    each = sorted(found["Pss"] for found in all_of_it)
    private = sum(found["Private_Dirty"] + found["Private_Clean"] for found in all_of_it)
    rss = sorted(found["Rss"] for found in all_of_it)
    print(f"PSS a daemon: {each[0] / 1024:.2f} MB at least, {each[len(each) // 2] / 1024:.2f} the median, "
          f"{each[-1] / 1024:.2f} at most; resident {rss[len(rss) // 2] / 1024:.1f} MB; its own alone "
          f"{private / 1024 / len(each):.2f} MB; all together {sum(each) / 1024:.0f} MB")
    print(sum(each))
    return 0


def load(pids):
    """Ticks of the processor, wake-ups, threads and open files of all."""
    ticks = switches = threads = files = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
        files += len(os.listdir(f"/proc/{pid}/fd"))
        for task in os.listdir(f"/proc/{pid}/task"):
            threads += 1
            for line in open(f"/proc/{pid}/task/{task}/status"):
                if line.startswith("voluntary_ctxt_switches"):
                    switches += int(line.split()[1])
    print(ticks, switches, threads, files)
    return 0


VERBS = {
    "healthz": lambda names: call_all(names, "GET", "/healthz", "", "200"),
    "deposit": lambda names: call_all(
        names, "POST", "/v1/deposits", '{"currency": "USDT", "network": "BSC", "amount": "25"}', "201"),
    "reconcile": lambda names: call_all(names, "POST", "/v1/reconciliations", "", "200"),
    "pss": pss,
    "load": load,
}
sys.exit(VERBS[sys.argv[1]](sys.argv[2:]))
