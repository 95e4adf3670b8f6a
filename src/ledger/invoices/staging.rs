//! Changed rows of a list that is still being read: on disk, so that memory does not grow with them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::status::Weight;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::sidecar_path;

/// How many rows are stored, and later written, together.
pub(super) const PAGE: usize = 2000;

/// What the upstream says in a row that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRow {
    /// Digest of what it is called by.
    pub identity: i64,
    /// Digest of what it says.
    pub content: i64,
    /// As the upstream wrote it.
    pub sesid: Option<String>,
    /// As the upstream wrote it.
    pub pay_id: Option<String>,
    /// Processor.
    pub method: Option<String>,
    /// Whole US cents; `None` where they cannot be read, and an earlier figure stands.
    pub amount_cents: Option<i64>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Raw word.
    pub status: Option<String>,
    /// What the word makes of the amount.
    pub weight: Weight,
    /// It could count, and this of it cannot be read.
    pub flaw: Option<String>,
}

/// A staged row that is not new: the place among the staged ones, the ledger's number for the row that it
/// is now, and what that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowChange {
    /// From 0.
    pub place: usize,
    /// Which row has changed.
    pub row: i64,
    /// What that credited by itself before, in cents.
    pub counted: i64,
}

/// A row as it is staged: a list that the statements read by place. The first is the number of the row that it changes.
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
    Option<String>,
);

/// The staged rows. Their file has no name once it is open, and is gone when it is closed.
#[derive(Debug)]
pub struct RowStaging {
    path: PathBuf,
    file: Option<File>,
    page: Vec<u8>,
    /// How many rows the page holds.
    held: usize,
    failed: Option<std::io::Error>,
}

impl Ledger {
    /// Empty, on the disk that the ledger is on.
    #[must_use]
    pub fn row_staging(&self) -> RowStaging {
        let path = sidecar_path(&self.shared.path, "-list");
        RowStaging { path, file: None, page: Vec::new(), held: 0, failed: None }
    }
}

impl RowStaging {
    /// Adds a row. [`RowStaging::into_pages`] reports what failed.
    pub fn push(&mut self, row: StagedRow) {
        self.page.push(if self.held == 0 { b'[' } else { b',' });
        let packed = Packed(
            0,
            row.identity,
            row.content,
            row.sesid,
            row.pay_id,
            row.method,
            row.amount_cents,
            row.created.map(Timestamp::as_millis),
            row.status,
            row.weight as u8,
            row.flaw,
        );
        if let Err(error) = serde_json::to_writer(&mut self.page, &packed) {
            self.failed.get_or_insert_with(|| error.into());
        }
        self.held = self.held.saturating_add(1);
        if self.held >= PAGE {
            self.put_away();
        }
    }

    /// The same, empty again.
    #[must_use]
    pub fn cleared(self) -> Self {
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

    /// The staged rows, page by page in their order.
    ///
    /// # Errors
    /// [`Error::Io`] where something could not be stored: make room on the disk.
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

/// The pages of a [`RowStaging`].
#[derive(Debug)]
pub struct Pages {
    file: Option<BufReader<File>>,
    last: Vec<u8>,
}

impl Pages {
    /// The next page as one JSON text; `None` at the end.
    pub(in crate::ledger) fn next(&mut self) -> Result<Option<String>> {
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
