"""Types a line and a tab into an interactive shell, and waits for what the shell makes of it.

Usage: type.py SHELL FIRST LINE EXPECTED
SHELL is started on a terminal of its own, is told FIRST, and then LINE and two tabs. Ends with 0 once EXPECTED stands on
the terminal, which LINE must not contain; with 1 and what the terminal shows where it does not come within 30 seconds.
"""
import os
import pty
import select
import sys
import time

shell, first, line, expected = sys.argv[1:]
end = time.monotonic() + 30
child, terminal = pty.fork()
if child == 0:
    program = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    os.environ.update(PS1="READY> ", PROMPT="READY> ", TERM="dumb", COLUMNS="200")
    os.execvp(program[0], program)
seen = b""


def wait(text, count):
    global seen
    while seen.count(text.encode()) < count:
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            sys.exit(f"{shell} does not show {text!r} after {line!r}:\n{seen.decode(errors='replace')}")
        seen += os.read(terminal, 65536)


wait("READY> ", 1)
os.write(terminal, f"{first}; printf 'SET%s\\n' UP\n".encode())
wait("SETUP", 1)
os.write(terminal, f"{line}\t\t".encode())
wait(expected, 1)
os.close(terminal)
