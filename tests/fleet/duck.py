"""Prints every view of deploy/fleet.sql over the files of a pattern, as JSON: the view's name, and its rows as texts.

Usage: duck.py FLEET.SQL PATTERN [VIEW...]
"""
import glob
import json
import os
import sys

import duckdb
import duckdb_ext

script, pattern, *views = sys.argv[1:]
extension = os.path.join(list(duckdb_ext.__path__)[0], "extensions", "*", "*", "sqlite_scanner.duckdb_extension")
duck = duckdb.connect()
duck.execute(f"LOAD '{glob.glob(extension)[0]}'")
duck.execute(f"SET VARIABLE ledger_files = '{pattern}'")
duck.execute(open(script).read())
for view in views:
    rows = duck.execute(f"SELECT * FROM {view}").fetchall()
    texts = [[None if value is None else str(value) for value in row] for row in rows]
    print(json.dumps([view, sorted(texts, key=str)]))
