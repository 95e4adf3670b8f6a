//! An event with all that its hash covers, as the file has it: for whoever goes along the chain.

use rust_decimal::Decimal;

use crate::domain::deposit::{Facts, Request};
use crate::domain::journal::Posting;
use crate::domain::money::UsdMicros;
use crate::ledger::commit::chain::{self, ChainLink};
use crate::ledger::error::Result;
use crate::ledger::request_row::read_request;
use crate::ledger::sql::from_json;

/// A query for [`ChainRow`]s, by the end of its statement.
macro_rules! chain_rows {
    ($end:tt $(, $argument:expr)* $(,)?) => {
        query_with_request!(
            as ChainRow,
            r#"SELECT e.seq AS "seq!", e.deposit_id, e.version, e.at, e.name, e.from_state, e.to_state, e.upstream_status,
                  e.reason, e.facts, e.mail_to, e.hash, e.acted_by, e.evidence_id, v.body AS "body?",
                  v.deposit_id IS e.deposit_id AS "same_deposit!: bool",
                  iif(d.id IS NULL, NULL, "#,
            [r#") AS "request?: String",
                  (SELECT json_group_array(json_array(account, commodity, amount, amount_usd_micros))
                   FROM (SELECT * FROM posting WHERE transaction_id = e.seq ORDER BY entry_id)) AS "postings!: String"
           FROM event e LEFT JOIN evidence v ON v.id = e.evidence_id
               LEFT JOIN deposit d ON d.id = e.deposit_id AND e.version = 1
           "# + $end]
            $(, $argument)*
        )
    };
}
pub(in crate::ledger) use chain_rows;

/// An event with all that its hash covers.
pub(in crate::ledger) struct ChainRow {
    pub(in crate::ledger) seq: i64,
    pub(in crate::ledger) deposit_id: Option<String>,
    pub(in crate::ledger) version: Option<i64>,
    pub(in crate::ledger) at: String,
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) from_state: Option<String>,
    pub(in crate::ledger) to_state: Option<String>,
    pub(in crate::ledger) upstream_status: Option<String>,
    pub(in crate::ledger) reason: Option<String>,
    pub(in crate::ledger) facts: String,
    pub(in crate::ledger) mail_to: String,
    pub(in crate::ledger) hash: String,
    pub(in crate::ledger) acted_by: Option<String>,
    pub(in crate::ledger) evidence_id: Option<i64>,
    /// The answer that it came of.
    pub(in crate::ledger) body: Option<String>,
    pub(in crate::ledger) same_deposit: bool,
    /// With a deposit's first event only.
    pub(in crate::ledger) request: Option<String>,
    pub(in crate::ledger) postings: String,
}

impl ChainRow {
    /// What was asked for, of a deposit's first event, whose facts must be readable too.
    pub(in crate::ledger) fn request(&self) -> Result<Option<Request>> {
        let Some(request) = &self.request else { return Ok(None) };
        from_json::<Facts>(&self.facts)?;
        read_request(self.deposit_id.as_deref().unwrap_or_default(), request).map(Some)
    }

    /// Whether its hash is that of what it says, behind the event with the hash `previous`.
    pub(in crate::ledger) fn is_sealed(
        &self,
        previous: &str,
        request: Option<&Request>,
        postings: &[Posting],
    ) -> bool {
        self.hash_behind(previous, request, postings).as_ref() == Some(&self.hash)
    }

    /// The hash of what it says, behind the event with the hash `previous`.
    pub(in crate::ledger) fn hash_behind(
        &self,
        previous: &str,
        request: Option<&Request>,
        postings: &[Posting],
    ) -> Option<String> {
        let evidence = self.body.as_ref().map(|body| chain::digest(body.as_bytes()));
        let link = ChainLink {
            previous,
            seq: self.seq,
            deposit_id: self.deposit_id.as_deref(),
            version: self.version,
            at: &self.at,
            name: &self.name,
            from_state: self.from_state.as_deref(),
            to_state: self.to_state.as_deref(),
            upstream_status: self.upstream_status.as_deref(),
            reason: self.reason.as_deref(),
            facts: &self.facts,
            mail_to: &self.mail_to,
            evidence: evidence.as_deref(),
            request,
            postings,
            acted_by: self.acted_by.as_deref(),
        };
        link.hash().ok()
    }
}

/// The postings of an event, as [`chain_rows`] selects them.
pub(in crate::ledger) fn read_postings(text: &str) -> Option<Vec<Posting>> {
    let lines: Vec<(String, String, String, i64)> = serde_json::from_str(text).ok()?;
    lines
        .into_iter()
        .map(|(account, commodity, amount, micros)| {
            let amount = Decimal::from_str_exact(&amount).ok()?;
            Some(Posting { account, commodity, amount, amount_usd_micros: UsdMicros::new(micros) })
        })
        .collect()
}
