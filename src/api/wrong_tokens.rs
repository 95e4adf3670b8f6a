//! Who shows wrong tokens: slowed by address, counted, and said in the log once in a while. A right token never waits.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};

/// So many wrong tokens of one address are answered at once; the next ones one after the other, this far apart.
const AT_ONCE: u32 = 20;
const APART: Duration = Duration::from_millis(100);
/// No answer waits longer: whoever asks on many connections gets so many answers in this time.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// An address is written to the log when its first wrong token comes, and then at most once in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// So many addresses are told apart; those that come then share one place.
const ADDRESSES: usize = 1024;

/// Where wrong tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    V4(std::net::Ipv4Addr),
    /// The network: a host has as many addresses of it as it likes.
    V6(Ipv6Addr),
    /// Whoever came when all places were taken.
    Others,
}

impl Place {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => write!(f, "{network}/64"),
            Self::Others => f.write_str("further addresses"),
        }
    }
}

/// What one place has done.
#[derive(Debug)]
struct Record {
    /// When the next answer may go, were all of them the same time apart.
    next: Duration,
    /// The last wrong token.
    last: Duration,
    /// When it was last written to the log, and how many have come since.
    told: Duration,
    untold: u64,
}

/// Counts and slows wrong tokens.
#[derive(Debug, Default)]
pub(crate) struct WrongTokens {
    clock: SystemClock,
    all: AtomicU64,
    records: Mutex<HashMap<Place, Record>>,
}

impl WrongTokens {
    /// How many there were since the start.
    pub(super) fn count(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// One more of this address; how long its answer has to wait.
    pub(crate) fn add(&self, address: IpAddr) -> Duration {
        self.add_at(address, self.clock.monotonic())
    }

    fn add_at(&self, address: IpAddr, now: Duration) -> Duration {
        self.all.fetch_add(1, Ordering::Relaxed);
        let mut records = self.lock();
        let mut place = Place::of(address);
        if records.len() >= ADDRESSES && !records.contains_key(&place) {
            place = Place::Others;
        }
        let fresh = !records.contains_key(&place);
        let record =
            records.entry(place).or_insert(Record { next: Duration::ZERO, last: now, told: now, untold: 0 });
        // A place that was quiet has its answers at once again.
        let credit = APART.saturating_mul(AT_ONCE);
        record.next = record.next.max(now.saturating_sub(credit)).saturating_add(APART);
        record.next = record.next.min(now.saturating_add(LONGEST_WAIT));
        record.last = now;
        if fresh {
            tracing::warn!("the API was shown a wrong token from {place}");
        } else {
            record.untold = record.untold.saturating_add(1);
        }
        record.next.saturating_sub(now)
    }

    /// Writes to the log what has come since the last time, and forgets who was quiet.
    fn tell(&self, now: Duration) {
        self.lock().retain(|place, record| {
            if record.untold > 0 {
                let (count, seconds) = (record.untold, now.saturating_sub(record.told).as_secs());
                tracing::warn!("the API was shown {count} more wrong tokens from {place} within {seconds} s");
                (record.untold, record.told) = (0, now);
            }
            now.saturating_sub(record.last) < TELL_EVERY
        });
    }

    /// Tells from time to time; never ends.
    pub(super) async fn keep_telling(&self) {
        loop {
            self.clock.sleep(TELL_EVERY).await;
            self.tell(self.clock.monotonic());
        }
    }

    /// Tells what is left, at the end.
    pub(super) fn tell_the_rest(&self) {
        self.tell(self.clock.monotonic());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_few_are_answered_at_once_and_a_flood_one_after_the_other() {
        let tokens = WrongTokens::default();
        let start = Duration::from_secs(1000);
        let waits: Vec<Duration> = (0..1000).map(|_| tokens.add_at(address("10.0.0.7"), start)).collect();
        assert!(waits[..20].iter().all(Duration::is_zero), "{:?}", &waits[..21]);
        assert_eq!(waits[20..23], [APART, APART * 2, APART * 3]);
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT) && waits[999] == LONGEST_WAIT);
        assert_eq!(
            tokens.add_at(address("10.0.0.8"), start),
            Duration::ZERO,
            "another address waits for nobody"
        );
        assert_eq!(
            tokens.add_at(address("::ffff:10.0.0.7"), start),
            LONGEST_WAIT,
            "the same, written otherwise"
        );
        // After a while without any, it is as at first.
        let later = start + LONGEST_WAIT + APART * AT_ONCE;
        assert_eq!(tokens.add_at(address("10.0.0.7"), later), Duration::ZERO);
        assert_eq!(tokens.count(), 1003);
    }

    #[test]
    fn a_network_is_one_place_and_there_are_only_so_many() {
        let tokens = WrongTokens::default();
        let start = Duration::from_secs(1000);
        for host in 0..30_u32 {
            tokens.add_at(address(&format!("2001:db8::{host:x}")), start);
        }
        assert!(tokens.add_at(address("2001:db8::ffff"), start) > Duration::ZERO);
        assert_eq!(tokens.add_at(address("2001:db8:1::1"), start), Duration::ZERO);
        for number in 0..5000_u32 {
            tokens.add_at(std::net::Ipv4Addr::from_bits(number).into(), start);
        }
        assert_eq!(tokens.lock().len(), ADDRESSES + 1);
        assert!(tokens.add_at(address("192.0.2.1"), start) > Duration::ZERO, "newcomers share a place");
        tokens.tell(start + TELL_EVERY);
        assert_eq!(tokens.lock().len(), 0, "who is quiet is forgotten");
    }
}
