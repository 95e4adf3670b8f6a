//! How far the answers of each source are behind the truth. Answers never go back: what a source could show in its
//! latest answer stays shown when its lag grows later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rng::Rng;
use crate::domain::time::Timestamp;

/// One of the three calls that tell of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A look at one order.
    Status,
    /// The invoice list.
    List,
    /// `totalCharges` and `balance`.
    Total,
}

/// How far one source is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lag {
    /// Not at all.
    #[default]
    None,
    /// By this much.
    Fixed(Duration),
    /// Each order, top-up and spending by its own constant lag between nothing and this much, another one for each
    /// source, thrown from the seed and the id.
    UpTo(Duration),
}

impl Lag {
    fn of(self, throw: u64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(lag) => lag,
            Self::UpTo(most) => {
                let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
                Duration::from_millis(Rng::new(throw).between(0, most))
            }
        }
    }
}

/// A point in the simulator's history. A clock that stands still does not tell what happened first, so the records
/// are counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    /// Of what happened at `at`, only the records with smaller numbers are there.
    pub(super) records: u64,
}

impl From<Timestamp> for Moment {
    /// The end of that instant.
    fn from(at: Timestamp) -> Self {
        Self { at, records: u64::MAX }
    }
}

impl Moment {
    /// Whether a record of this instant and number is there.
    pub(super) fn has(self, at: Timestamp, number: u64) -> bool {
        at < self.at || (at == self.at && number < self.records)
    }

    fn before(self, lag: Duration) -> Self {
        if lag.is_zero() { self } else { Self::from(self.at.minus(lag)) }
    }
}

/// The lag of one source, and which ones it had before.
#[derive(Debug, Default)]
struct Line {
    lag: Lag,
    answered: Option<Moment>,
    /// Each earlier lag with the moment of its latest answer.
    before: Vec<(Moment, Lag)>,
}

impl Line {
    fn moment(&self, throw: u64, now: Timestamp) -> Moment {
        let earlier = self.before.iter().map(|(answered, lag)| answered.before(lag.of(throw)));
        let earlier = earlier.filter(|moment| moment.at <= now);
        earlier.fold(Moment::from(now).before(self.lag.of(throw)), Moment::max)
    }
}

/// The lags of the three sources.
#[derive(Debug, Default)]
pub(super) struct Lags {
    status: Line,
    list: Line,
    total: Line,
}

impl Lags {
    fn line(&mut self, source: Source) -> &mut Line {
        match source {
            Source::Status => &mut self.status,
            Source::List => &mut self.list,
            Source::Total => &mut self.total,
        }
    }

    pub(super) fn set(&mut self, source: Source, lag: Lag) {
        let line = self.line(source);
        let before = std::mem::replace(&mut line.lag, lag);
        line.before.extend(line.answered.take().map(|answered| (answered, before)));
    }

    /// Notes that `source` is answering.
    pub(super) fn answer(&mut self, source: Source, now: Moment) {
        self.line(source).answered = Some(now);
    }

    /// The moment whose truth `source` shows now of whatever `key` names.
    pub(super) fn moment(&self, source: Source, seed: u64, key: &str, now: Timestamp) -> Moment {
        let (line, salt) = match source {
            Source::Status => (&self.status, 0x57a7),
            Source::List => (&self.list, 0x1157),
            Source::Total => (&self.total, 0x707a),
        };
        line.moment(Rng::seed_of(seed ^ salt, number_of(key)), now)
    }
}

/// FNV-1a: the same number for the same text in every build.
fn number_of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_never_goes_back() {
        let at = |seconds| Timestamp::from_seconds(1_000_000 + seconds);
        let secs = Duration::from_secs;
        let mut lags = Lags::default();
        let mut last = Moment::from(at(-1_000));
        for (turn, lag) in
            [Lag::UpTo(secs(500)), Lag::None, Lag::Fixed(secs(900)), Lag::UpTo(secs(60)), Lag::None]
                .into_iter()
                .enumerate()
        {
            let turn = i64::try_from(turn).unwrap();
            lags.set(Source::List, lag);
            for second in 0..100 {
                let now = at(turn * 100 + second);
                lags.answer(Source::List, Moment::from(now));
                let shown = lags.moment(Source::List, 7, "order", now);
                assert!(shown >= last && shown.at <= now);
                assert_eq!(lags.moment(Source::Total, 7, "order", now), Moment::from(now));
                last = shown;
            }
        }
    }

    #[test]
    fn what_happens_after_the_last_answer_of_an_instant_lags() {
        let now = Timestamp::from_seconds(1_000_000);
        let mut lags = Lags::default();
        lags.answer(Source::List, Moment { at: now, records: 5 });
        lags.set(Source::List, Lag::Fixed(Duration::from_secs(60)));
        let shown = lags.moment(Source::List, 7, "order", now);
        assert!(shown.has(now, 4) && !shown.has(now, 5));
        lags.set(Source::List, Lag::None);
        assert!(lags.moment(Source::List, 7, "order", now).has(now, 5));
    }

    #[test]
    fn each_order_and_source_has_its_own_lag() {
        let mut lags = Lags::default();
        let hour = Duration::from_hours(1);
        for source in [Source::Status, Source::List, Source::Total] {
            lags.set(source, Lag::UpTo(hour));
        }
        let now = Timestamp::from_seconds(1_000_000);
        let of = |source, key| lags.moment(source, 7, key, now).at;
        assert_ne!(of(Source::List, "a"), of(Source::List, "b"));
        assert_ne!(of(Source::List, "a"), of(Source::Total, "a"));
        assert_ne!(of(Source::Status, "a"), of(Source::Total, "a"));
        for key in ["a", "b", "c", "d"] {
            assert!(now.since(of(Source::Status, key)) <= hour);
        }
    }
}
