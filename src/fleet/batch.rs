//! What is written at a time: some events that were proven, with all that belongs to them.

use tokio_util::task::AbortOnDropHandle;

use crate::domain::event::{EventName, Topic};
use crate::fleet::copy_text::CopyText;
use crate::ledger::{self, BookMark, BookValue, ChainPlace, ChainView, ChainedEvent, Ledger};

/// How many events are read, proven and written at a time: what is in memory at once.
pub(super) const EVENTS: u32 = 4000;

/// Events of one ledger, and what belongs to them.
#[derive(Debug)]
pub(super) struct Batch {
    /// The place that they follow.
    pub(super) after: ChainPlace,
    /// The last of them; the same place where there is none.
    pub(super) to: ChainPlace,
    /// The events.
    pub(super) events: CopyText,
    /// Their postings.
    pub(super) postings: CopyText,
    /// The deposits that they are the last events of, by their ids.
    pub(super) deposit_ids: Vec<String>,
    /// The same deposits as they stand now.
    pub(super) deposits: CopyText,
    /// Whether one of them can have changed what else only runs change.
    pub(super) is_decision: bool,
    /// With the last events of the file: what is copied beside events.
    pub(super) end: Option<BatchEnd>,
}

/// The end of the file as it stands: the copied views are read from the same view of it.
#[derive(Debug)]
pub(super) struct BatchEnd {
    pub(super) view: ChainView,
    pub(super) mark: BookMark,
}

impl Batch {
    /// Reads and proves the events behind `after` on a thread of its own, while another batch is being written.
    pub(super) async fn read_aside(ledger: Ledger, after: ChainPlace) -> ledger::Result<Self> {
        let reading = tokio::spawn(async move { Self::read(&ledger, after).await });
        // Nobody waits for it any more once this is dropped.
        match AbortOnDropHandle::new(reading).await {
            Ok(read) => read,
            Err(_) => Err(ledger::Error::Closed),
        }
    }

    /// Reads and proves the events behind `after`.
    pub(super) async fn read(ledger: &Ledger, after: ChainPlace) -> ledger::Result<Self> {
        let mut view = ledger.chain_view().await?;
        let links = view.links_after(&after, EVENTS).await?;
        let is_end = u32::try_from(links.len()).is_ok_and(|count| count < EVENTS);
        let to = links
            .last()
            .map_or_else(|| after.clone(), |last| ChainPlace { seq: last.seq, hash: last.hash.clone() });
        let id = ledger.id();
        let mut batch = Self {
            is_decision: links.iter().any(is_decision),
            after,
            to,
            events: CopyText::default(),
            postings: CopyText::default(),
            deposit_ids: Vec::new(),
            deposits: CopyText::default(),
            end: None,
        };
        links.iter().for_each(|event| write_event(&mut batch.events, id, event));
        drop(links);
        let (from, to) = (batch.after.seq, batch.to.seq);
        if from < to {
            for row in view.entries_between(from, to).await? {
                batch.postings.book_row(&[id], &row);
            }
            for row in view.deposits_last_changed_between(from, to).await? {
                if let Some(BookValue::Text(deposit)) = row.first() {
                    batch.deposit_ids.push(deposit.clone());
                }
                batch.deposits.book_row(&[id], &row);
            }
        }
        if is_end {
            batch.end = Some(BatchEnd { mark: view.mark().await?, view });
        }
        Ok(batch)
    }
}

/// True for what people and runs say of rows, cases and months, and for whatever is not known here.
fn is_decision(event: &ChainedEvent) -> bool {
    EventName::parse(&event.name).is_none_or(|name| {
        name.topic() != Topic::Deposit || matches!(name, EventName::Corrected | EventName::Matched)
    })
}

/// The columns that [`write_event`] fills.
pub(super) const EVENT_COLUMNS: &str = "ledger_id, seq, deposit_id, version, at, name, from_state, to_state, upstream_status, \
     reason, facts, mail_to, evidence_id, acted_by, hash";

fn write_event(rows: &mut CopyText, ledger_id: &str, event: &ChainedEvent) {
    let mut line = rows.line();
    line.text(ledger_id);
    line.whole(event.seq);
    line.perhaps(event.deposit_id.as_deref());
    line.number(event.version);
    line.text(&event.at);
    line.text(&event.name);
    line.perhaps(event.from_state.as_deref());
    line.perhaps(event.to_state.as_deref());
    line.perhaps(event.upstream_status.as_deref());
    line.perhaps(event.reason.as_deref());
    line.text(&event.facts);
    line.text(&event.mail_to);
    line.number(event.evidence_id);
    line.perhaps(event.acted_by.as_deref());
    line.text(&event.hash);
    line.end();
}
