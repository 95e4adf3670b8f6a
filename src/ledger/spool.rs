//! What a list has changed while it is still being read: kept aside on the disk, so that memory does not grow with it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::open::beside;
use super::{Error, Ledger, Result};
use crate::domain::time::Timestamp;

/// So many rows are kept, and later written, together.
pub(super) const PAGE: usize = 2000;

/// What the upstream says of an invoice that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceRow {
    /// Digest of what it is called by.
    pub name: i64,
    /// Digest of what it says.
    pub print: i64,
    /// As the upstream wrote it.
    pub sesid: Option<String>,
    /// As the upstream wrote it.
    pub pay_id: Option<String>,
    /// Processor.
    pub method: Option<String>,
    /// Whole US cents; `None` where they cannot be read, and an earlier figure stands.
    pub amount_cents: Option<i64>,
    /// When.
    pub created: Option<Timestamp>,
    /// Raw word.
    pub status: Option<String>,
    /// It is called paid.
    pub credited: bool,
}

/// What becomes of a changed invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is the one with this number.
    Update(i64),
    /// It is new, and this is its place among those of its name, from 1.
    Insert(i64),
}

/// A row as it is kept: a list, whose places the statements know. The first is its fate's number.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed(
    pub(super) i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    u8,
);

/// Rows kept aside. The file has no name any more once it is open, and is gone with whoever holds it.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: Option<File>,
    page: Vec<u8>,
    /// How many rows the page holds.
    held: usize,
    failed: Option<std::io::Error>,
}

impl Ledger {
    /// An empty spool on the disk that the ledger is on.
    #[must_use]
    pub fn spool(&self) -> Spool {
        let path = beside(&self.shared.path, "-list");
        Spool { path, file: None, page: Vec::new(), held: 0, failed: None }
    }
}

impl Spool {
    /// Keeps one more. What fails is told by [`Spool::into_pages`].
    pub fn push(&mut self, row: InvoiceRow) {
        self.page.push(if self.held == 0 { b'[' } else { b',' });
        let InvoiceRow { name, print, sesid, pay_id, method, amount_cents, created, status, credited } = row;
        let created = created.map(Timestamp::as_millis);
        let packed =
            Packed(1, name, print, sesid, pay_id, method, amount_cents, created, status, u8::from(credited));
        if let Err(error) = serde_json::to_writer(&mut self.page, &packed) {
            self.failed.get_or_insert_with(|| error.into());
        }
        self.held = self.held.saturating_add(1);
        if self.held >= PAGE {
            self.put_away();
        }
    }

    /// The same spool, empty again.
    #[must_use]
    pub fn again(self) -> Self {
        Self { file: None, page: Vec::new(), held: 0, failed: None, ..self }
    }

    fn put_away(&mut self) {
        self.page.extend_from_slice(b"]\n");
        if self.failed.is_none()
            && let Err(error) = self.try_put_away()
        {
            self.failed = Some(error);
        }
        self.page.clear();
        self.held = 0;
    }

    fn try_put_away(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let options = &mut File::options();
                let file = options.read(true).write(true).create(true).truncate(true).open(&self.path)?;
                std::fs::remove_file(&self.path)?;
                self.file.insert(file)
            }
        };
        file.write_all(&self.page)
    }

    /// What was kept, page by page in its order.
    ///
    /// # Errors
    /// [`Error::Io`] where something could not be kept.
    pub fn into_pages(mut self) -> Result<Pages> {
        if self.held > 0 && self.file.is_some() {
            self.put_away();
        }
        let path = self.path;
        let io = |source| Error::Io { doing: "cannot keep the list aside in", path, source };
        if let Some(failed) = self.failed {
            return Err(io(failed));
        }
        let Some(mut file) = self.file else {
            if self.held > 0 {
                self.page.extend_from_slice(b"]\n");
            }
            return Ok(Pages { file: None, last: self.page });
        };
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(Pages { file: Some(BufReader::new(file)), last: Vec::new() })
    }
}

/// The pages of a [`Spool`].
#[derive(Debug)]
pub struct Pages {
    file: Option<BufReader<File>>,
    last: Vec<u8>,
}

impl Pages {
    /// The next page as one JSON text; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<String>> {
        let mut page = std::mem::take(&mut self.last);
        if let Some(file) = &mut self.file {
            file.read_until(b'\n', &mut page).map_err(|error| Error::Unreadable(error.to_string()))?;
        }
        if page.is_empty() {
            return Ok(None);
        }
        String::from_utf8(page).map(Some).map_err(|error| Error::Unreadable(error.to_string()))
    }
}
