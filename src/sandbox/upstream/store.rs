//! How the simulator remembers: a file of JSON lines, each written before what it tells of is answered.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fate::Action;
use super::order::Order;
use crate::domain::time::Timestamp;

/// One line: something that happened and that no clock can tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Record {
    /// An order was made.
    Order { order: Order },
    /// Something was done to an order by hand.
    Act { order_id: String, at: Timestamp, act: Action },
    /// Somebody else topped the account up.
    TopUp(TopUp),
    /// Figures of the account moved without any invoice.
    Adjust(Adjust),
    /// The account received a coupon.
    Coupon(CouponRecord),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TopUp {
    pub(super) at: Timestamp,
    pub(super) cents: i64,
    pub(super) method: String,
    pub(super) sesid: String,
    pub(super) pay_id: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Adjust {
    pub(super) at: Timestamp,
    pub(super) balance_cents: i64,
    pub(super) total_charges_cents: i64,
    pub(super) spent: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CouponRecord {
    pub(super) code: String,
    pub(super) percentage: u8,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// The open file, and how much of it is whole lines.
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    length: u64,
}

impl Store {
    /// Opens or creates the file and reads what it holds. A torn last line was never answered: it is cut off.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Record>)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
        let mut store = Self { file, length: u64::try_from(whole).unwrap_or(u64::MAX) };
        if whole < bytes.len() {
            store.cut_back()?;
        }
        let records = bytes
            .get(..whole)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
            .collect::<io::Result<_>>()?;
        Ok((store, records))
    }

    /// Writes one line through to the system, so that killing this process loses nothing.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if let Err(failure) = self.file.write_all(&line).and_then(|()| self.file.flush()) {
            // A full disk leaves half a line: the next one must not be written behind it.
            self.cut_back()?;
            return Err(failure);
        }
        self.length = self.length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}
