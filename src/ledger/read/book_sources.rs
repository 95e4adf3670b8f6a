//! What is copied of a ledger's books beside its events: which rows, by which columns, and in which parts.
//!
//! A part is what is compared and written at a time. Rows that come and go by their numbers are in parts of so many numbers,
//! so that neither memory nor what is written again grows with the ledger.

/// So many numbers are one part.
const PART: i64 = 4096;

/// When the rows of a source can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceChanges {
    /// With any event.
    WithEvents,
    /// With a run of the reconciliation, what a person says, or the books' settings.
    WithRuns,
}

/// Rows that are copied as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookSource {
    /// What it is called; `accounting_` and this name is the view, where there is one.
    pub name: &'static str,
    /// Its columns in their order.
    pub columns: &'static [&'static str],
    /// When its rows can change.
    pub changes: SourceChanges,
    /// Where they are.
    from: &'static str,
    /// The number that tells the part, and where the highest is; without one, all rows are one part.
    key: Option<(&'static str, &'static str)>,
}

impl BookSource {
    /// The part in which the row with this number is.
    pub(super) fn part_of(&self, key: i64) -> i64 {
        if self.key.is_none() { 0 } else { key.max(0).checked_div(PART).unwrap_or(0) }
    }

    /// The numbers of a part: from the first one up to the last.
    pub(super) fn keys_of(&self, part: i64) -> (i64, i64) {
        let from = part.saturating_mul(PART);
        (from, from.saturating_add(PART).saturating_sub(1))
    }

    /// The statement for the highest number.
    pub(super) fn last_key_sql(&self) -> Option<String> {
        let (key, table) = self.key?;
        Some(format!("SELECT coalesce(max({key}), 0) FROM {table}"))
    }

    /// The statement for the rows of a part, which takes its first and its last number.
    pub(super) fn rows_sql(&self) -> String {
        let (columns, from) = (self.columns.join(", "), self.from);
        match self.key {
            // Both numbers are given, whatever the statement makes of them.
            None => format!("SELECT {columns} FROM {from} WHERE ?1 <= ?2 ORDER BY 1, 2"),
            Some(_) => format!("SELECT {columns} FROM {from} BETWEEN ?1 AND ?2 ORDER BY 1, 2"),
        }
    }
}

/// Of `accounting_entries`: what an event fixes for ever. The rest is computed where the copy is.
pub const ENTRY_COLUMNS: &[&str] = &[
    "entry_id",
    "transaction_id",
    "posted_at",
    "account",
    "commodity",
    "amount",
    "amount_usd_micros",
    "deposit_id",
    "description",
    "refers_to",
    "figure",
    "evidence_id",
    "flag",
];

/// Of `accounting_deposits`: all but `reconciled`, which runs change without an event of the deposit.
pub const DEPOSIT_COLUMNS: &[&str] = &[
    "id",
    "order_id",
    "reference",
    "currency",
    "network",
    "address",
    "amount_requested",
    "amount_usd",
    "amount_usd_micros",
    "amount_crypto",
    "state",
    "outcome",
    "late",
    "txid",
    "requested_at",
    "wallet_created_at",
    "expire_at",
    "settled_at",
    "amount_booked",
    "amount_booked_micros",
    "refunded_at",
    "needs_review",
    "upstream_status",
    "updated_at",
    "amount_refunded_micros",
    "memo",
    "method",
    "arrived_crypto",
    "arrived_usd_micros",
    "url",
];

/// Everything that is copied as it is.
pub const BOOK_SOURCES: &[BookSource] = &[
    BookSource {
        name: "trial_balance",
        columns: &["account", "commodity", "balance", "balance_usd_micros"],
        changes: SourceChanges::WithEvents,
        from: "accounting_trial_balance",
        key: None,
    },
    BookSource {
        name: "monthly",
        columns: &[
            "month",
            "currency",
            "network",
            "deposits",
            "amount_usd",
            "amount_usd_micros",
            "refunds",
            "refunded_usd",
            "refunded_usd_micros",
            "adjustments",
            "adjusted_usd",
            "adjusted_usd_micros",
            "method",
        ],
        changes: SourceChanges::WithEvents,
        from: "(SELECT month, coalesce(currency, '') AS currency, coalesce(network, '') AS network, deposits, amount_usd,
                       amount_usd_micros, refunds, refunded_usd, refunded_usd_micros, adjustments, adjusted_usd,
                       adjusted_usd_micros, method FROM accounting_monthly)",
        key: None,
    },
    BookSource {
        name: "account_months",
        columns: &[
            "month",
            "account",
            "commodity",
            "debits_usd_micros",
            "credits_usd_micros",
            "closing_usd_micros",
        ],
        changes: SourceChanges::WithEvents,
        from: "accounting_account_months",
        key: None,
    },
    BookSource {
        name: "periods",
        columns: &[
            "month",
            "closed_at",
            "event_seq",
            "reconciled_at",
            "transactions",
            "head_seq",
            "head_hash",
            "hash",
            "closed_by",
            "ends_at",
        ],
        changes: SourceChanges::WithEvents,
        from: "accounting_periods",
        key: None,
    },
    BookSource {
        name: "statement",
        columns: &[
            "month",
            "starts_at",
            "ends_at",
            "opening_at",
            "since_at",
            "closing_at",
            "opening_usd",
            "opening_usd_micros",
            "since_usd",
            "since_usd_micros",
            "ours_usd",
            "ours_usd_micros",
            "elsewhere_usd",
            "elsewhere_usd_micros",
            "refunds_usd",
            "refunds_usd_micros",
            "spent_usd",
            "spent_usd_micros",
            "rises_usd",
            "rises_usd_micros",
            "in_transit_usd",
            "in_transit_usd_micros",
            "unexplained_usd",
            "unexplained_usd_micros",
            "closing_usd",
            "closing_usd_micros",
        ],
        changes: SourceChanges::WithEvents,
        from: "accounting_statement",
        key: None,
    },
    BookSource {
        name: "accepted",
        columns: &[
            "id",
            "case_id",
            "kind",
            "deposit_id",
            "order_id",
            "listed_cents",
            "counted_cents",
            "drift_cents",
            "accepted_at",
            "accepted_by",
            "note",
            "taken_back_at",
        ],
        changes: SourceChanges::WithEvents,
        from: "accounting_accepted WHERE id",
        key: Some(("id", "acceptance")),
    },
    BookSource {
        name: "discrepancies",
        columns: &[
            "id",
            "kind",
            "deposit_id",
            "order_id",
            "expected",
            "found",
            "opened_at",
            "closed_at",
            "resolution",
            "explained",
            "explained_at",
            "explained_by",
            "closed_by",
            "closed_who",
            "detail",
        ],
        changes: SourceChanges::WithRuns,
        from: "accounting_discrepancies WHERE id",
        key: Some(("id", "discrepancy")),
    },
    BookSource {
        name: "elsewhere",
        columns: &[
            "id",
            "seen_at",
            "date",
            "created_at",
            "method",
            "status",
            "pay_id",
            "sesid",
            "amount_usd",
            "amount_usd_micros",
            "listed",
            "before_first_run",
        ],
        changes: SourceChanges::WithRuns,
        from: "accounting_elsewhere WHERE id",
        key: Some(("row_id", "invoice")),
    },
    BookSource {
        name: "balance_history",
        columns: &[
            "id",
            "at",
            "balance_cents",
            "total_charges_cents",
            "credited_here_cents",
            "credited_elsewhere_cents",
            "difference_cents",
            "baseline_cents",
            "accepted_cents",
            "not_listed_cents",
            "clean",
        ],
        changes: SourceChanges::WithRuns,
        from: "reconciliation WHERE ok = 1 AND id",
        key: Some(("id", "reconciliation")),
    },
    // Which deposits have a row of the list, or one that may be theirs: `reconciled` of those that a good run has seen.
    BookSource {
        name: "matched",
        columns: &["deposit_id", "reconciled"],
        changes: SourceChanges::WithRuns,
        from: "(SELECT d.row_id, d.id AS deposit_id,
                       CASE WHEN EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id) THEN 'matched'
                            WHEN EXISTS (SELECT 1 FROM invoice i WHERE i.probable_row = d.row_id) THEN 'probable'
                       END AS reconciled
                FROM deposit d) WHERE reconciled IS NOT NULL AND row_id",
        key: Some(("row_id", "deposit")),
    },
    // How the books' days and the names of accounts are computed.
    BookSource {
        name: "books_offset",
        columns: &["from_at", "seconds"],
        changes: SourceChanges::WithRuns,
        from: "books_offset",
        key: None,
    },
    BookSource {
        name: "books_account",
        columns: &["account", "mapped"],
        changes: SourceChanges::WithRuns,
        from: "books_account",
        key: None,
    },
];
