"""How long DuckDB takes for questions over the files of a pattern: a line each, in milliseconds, three times.

Usage: fleet.py FLEET.SQL PATTERN QUESTION...
"""
import glob
import os
import sys
import time

import duckdb
import duckdb_ext

script, pattern, *questions = sys.argv[1:]
extension = os.path.join(list(duckdb_ext.__path__)[0], "extensions", "*", "*", "sqlite_scanner.duckdb_extension")
duck = duckdb.connect()
duck.execute(f"LOAD '{glob.glob(extension)[0]}'")
duck.execute(f"SET VARIABLE ledger_files = '{pattern}'")
begun = time.monotonic()
duck.execute(open(script).read())
print(f"fleet.sql itself took {time.monotonic() - begun:.2f} s")
for question in questions:
    times = []
    for _ in range(3):
        begun = time.monotonic()
        duck.execute(question).fetchall()
        times.append(f"{(time.monotonic() - begun) * 1000:.1f}")
    print(" ".join(times))
