"""Runs a program on a terminal of its own, and answers what it asks.

Usage: answer.py ANSWERS COMMAND...
ANSWERS is a JSON list of pairs: what must stand on the terminal, and what is then typed. Prints what stood there, and in
a last line whether the terminal shows what is typed; ends as the program does. Gives up after 60 seconds of silence.
"""
import json
import os
import pty
import select
import sys
import termios

answers, command = json.loads(sys.argv[1]), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
seen, told = b"", 0


def read():
    global seen
    if not select.select([terminal], [], [], 60)[0]:
        sys.exit(f"it says nothing more:\n{seen.decode(errors='replace')}")
    try:
        part = os.read(terminal, 65536)
    except OSError:
        part = b""
    seen += part
    return part


for expected, answer in answers:
    while expected.encode() not in seen[told:]:
        if not read():
            sys.exit(f"it ended before {expected!r}:\n{seen.decode(errors='replace')}")
    told = seen.index(expected.encode(), told) + len(expected)
    os.write(terminal, answer.encode())
shows = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
while read():
    shows = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(seen.decode().replace("\r\n", "\n"))
print("shows what is typed" if shows else "hides what is typed")
sys.exit(status if status >= 0 else 100 - status)
