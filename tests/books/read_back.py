"""What the prepaid account holds, as each program reads it: one line a program, the last word its total in dollars.

Usage: read_back.py LEDGER DEPOSITS.CSV ENTRIES.CSV ENTRIES.JSONL
"""
import csv
import glob
import json
import os
import sqlite3
import sys
from decimal import Decimal

import duckdb
import duckdb_ext
import pandas

ledger, deposits_csv, entries_csv, entries_jsonl = sys.argv[1:]
PREPAID = "assets:prepaid:smsonline"


def tell(program, dollars):
    dollars = Decimal(dollars)
    assert dollars == dollars.quantize(Decimal("0.01")), (program, dollars)
    print(program, dollars.quantize(Decimal("0.01")))


def micros(total):
    return Decimal(int(total)) / 1_000_000


file = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
question = f"SELECT sum(amount_usd_micros) FROM accounting_entries WHERE account = '{PREPAID}'"
tell("python sqlite3, entries", micros(file.execute(question).fetchone()[0]))
question = "SELECT sum(amount_usd_micros - refunded_usd_micros + adjusted_usd_micros) FROM accounting_monthly"
tell("python sqlite3, monthly", micros(file.execute(question).fetchone()[0]))

frame = pandas.read_sql_query("SELECT * FROM accounting_entries", file)
tell("pandas, view", micros(frame[frame.account == PREPAID].amount_usd_micros.sum()))
frame = pandas.read_sql_query("SELECT * FROM accounting_deposits", file)
left = frame.amount_booked_micros.fillna(0).astype("int64") - frame.amount_refunded_micros.fillna(0).astype("int64")
tell("pandas, deposits", micros(left.sum()))
frame = pandas.read_csv(entries_csv, dtype=str, keep_default_na=False)
tell("pandas, csv", sum(Decimal(amount) for amount in frame[frame.account == PREPAID].amount))

with open(deposits_csv, newline="", encoding="utf-8") as lines:
    rows = list(csv.DictReader(lines, strict=True))
booked = sum(int(row["amount_booked_micros"] or 0) - int(row["amount_refunded_micros"] or 0) for row in rows)
tell("python csv", micros(booked))
with open(entries_jsonl, encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
tell("python json", sum(Decimal(row["amount"]) for row in rows if row["account"] == PREPAID))

extension = os.path.join(list(duckdb_ext.__path__)[0], "extensions", "*", "*", "sqlite_scanner.duckdb_extension")
duck = duckdb.connect()
duck.execute(f"LOAD '{glob.glob(extension)[0]}'")
duck.execute(f"ATTACH '{ledger}' AS books (TYPE sqlite, READ_ONLY)")
# To duckdb every column of a view is text.
question = f"SELECT sum(CAST(amount_usd_micros AS BIGINT)) FROM books.accounting_entries WHERE account = '{PREPAID}'"
tell("duckdb, view", micros(duck.execute(question).fetchone()[0]))
question = f"SELECT sum(amount) FROM read_csv('{entries_csv}', types={{'amount': 'DECIMAL(38,6)'}}) WHERE account = '{PREPAID}'"
tell("duckdb, csv", duck.execute(question).fetchone()[0])
