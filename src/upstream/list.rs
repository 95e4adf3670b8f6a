//! How the invoice list passes from the network to its reader while it arrives.

use std::io;

use tokio::sync::mpsc;
use tokio_util::bytes::{Buf as _, Bytes};

use crate::domain::report::Invoice;

/// Receives each invoice of the list, in the order of the list.
pub trait InvoiceSink: Send + 'static {
    /// Hears one.
    fn take(&mut self, invoice: Invoice);
}

impl InvoiceSink for Vec<Invoice> {
    fn take(&mut self, invoice: Invoice) {
        self.push(invoice);
    }
}

/// A list that was read to its end.
#[derive(Debug, Clone)]
pub struct Listed<S> {
    /// The sink that got every entry.
    pub sink: S,
    /// How many entries there are.
    pub rows: usize,
    /// How long the answer was, in bytes.
    pub bytes: usize,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// The pieces of an answer as one stream of bytes, read on a thread that may wait.
pub(super) struct Pieces {
    arriving: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Pieces {
    pub(super) fn new(arriving: mpsc::Receiver<Bytes>) -> Self {
        Self { arriving, piece: Bytes::new() }
    }
}

impl io::Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.arriving.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len());
        if let Some(into) = into.get_mut(..count) {
            self.piece.copy_to_slice(into);
        }
        Ok(count)
    }
}
