//! How deliveries ended, written down in groups while others are under way.

use futures_util::future::BoxFuture;

use crate::ledger::{self, Delivery, Ledger};

/// How deliveries ended, by number.
pub(super) type Outcomes = Vec<(i64, Delivery)>;

/// Writes a group of outcomes into the ledger.
type Write = for<'a> fn(&'a Ledger, Outcomes) -> BoxFuture<'a, ledger::Result<()>>;

/// What has ended and is not written down yet, and the write that is under way.
pub(super) struct Marking<'a> {
    ledger: &'a Ledger,
    write: Write,
    ended: Outcomes,
    writing: Option<BoxFuture<'a, (Outcomes, ledger::Result<()>)>>,
}

impl<'a> Marking<'a> {
    pub(super) const fn new(ledger: &'a Ledger, write: Write) -> Self {
        Self { ledger, write, ended: Vec::new(), writing: None }
    }

    pub(super) fn add(&mut self, id: i64, delivery: Delivery) {
        self.ended.push((id, delivery));
    }

    /// How many wait for the next write.
    pub(super) const fn waiting(&self) -> usize {
        self.ended.len()
    }

    pub(super) const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins to write down all that has ended, unless a write is under way.
    pub(super) fn begin(&mut self) {
        if self.writing.is_none() && !self.ended.is_empty() {
            let (outcomes, ledger, write) = (std::mem::take(&mut self.ended), self.ledger, self.write);
            self.writing = Some(Box::pin(async move {
                let written = write(ledger, outcomes.clone()).await;
                (outcomes, written)
            }));
        }
    }

    /// What the write under way has written down; waits for ever where none is. What could not be written is kept for
    /// [`Self::settle`].
    pub(super) async fn written(&mut self) -> ledger::Result<Outcomes> {
        let (outcomes, written) = match &mut self.writing {
            Some(writing) => writing.await,
            None => std::future::pending().await,
        };
        self.writing = None;
        match written {
            Ok(()) => Ok(outcomes),
            Err(error) => {
                self.ended.extend(outcomes);
                Err(error)
            }
        }
    }

    /// Writes down everything that is not yet; what the disk refused a moment ago is tried once more.
    pub(super) async fn settle(&mut self) -> ledger::Result<()> {
        if self.is_writing() {
            // What failed is among those that the next write takes.
            drop(self.written().await);
        }
        self.begin();
        if self.is_writing() { self.written().await.map(drop) } else { Ok(()) }
    }
}
