//! The rows against the total: `drift = T - B - A - R`, and when the baseline is known.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// The figures of one run that the account's identity is made of, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountFigures {
    /// T: the upstream's total.
    pub total: i64,
    /// T of the latest good run that is older than the lag; T itself where the lag is zero.
    pub total_before: Option<i64>,
    /// B: what the total held before the first run; `None` while it is not known.
    pub baseline: Option<i64>,
    /// A: the signed sum of the drifts that people accepted.
    pub accepted: i64,
    /// R: what the rows count.
    pub listed: i64,
    /// The part of R that is older than the lag: the total must hold it by now.
    pub listed_before: i64,
    /// Booked here within the lag, and not listed yet.
    pub not_listed: i64,
}

/// What is left of the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// There is no baseline yet, and so no drift.
    NotYet,
    /// Nothing, or no more than is tolerated.
    None,
    /// This much is on its way: status, list and total do not change at one instant.
    OnItsWay(i64),
    /// This much is not explained.
    Stands {
        /// The drift in cents.
        cents: i64,
        /// The lag alone cannot explain it: the total showed it before the list may be that late, or rows are older
        /// than the total may be late. Only such a drift is mailed.
        beyond_lag: bool,
    },
}

impl AccountFigures {
    /// `T - B - A - R`; `None` without a baseline.
    #[must_use]
    pub fn drift_cents(&self) -> Option<i64> {
        Some(self.explained()?.saturating_neg().saturating_add(self.total))
    }

    /// `B + A + R`: what the total should be.
    #[must_use]
    pub fn explained(&self) -> Option<i64> {
        Some(self.baseline?.saturating_add(self.accepted).saturating_add(self.listed))
    }

    /// What the drift is. It is on its way while the total lies between the rows that are older than the lag and all
    /// rows with what is not listed yet. Beyond that it is a case; and more than lag can explain once the total of a
    /// lag ago exceeds all rows of now, or the rows of a lag ago exceed the total of now.
    #[must_use]
    pub fn drift(&self, tolerance_cents: i64) -> Drift {
        let (Some(cents), Some(baseline)) = (self.drift_cents(), self.baseline) else { return Drift::NotYet };
        let tolerated = tolerance_cents.saturating_abs();
        if cents.saturating_abs() <= tolerated {
            return Drift::None;
        }
        let known = baseline.saturating_add(self.accepted);
        let credited = self.total.saturating_sub(known);
        let most = self.listed.saturating_add(self.not_listed);
        if self.listed_before <= credited && credited <= most {
            return Drift::OnItsWay(cents);
        }
        let unexplained = if cents.is_positive() {
            self.total_before.map(|total| total.saturating_sub(known).saturating_sub(most))
        } else {
            Some(self.listed_before.saturating_sub(credited))
        };
        let beyond_lag = unexplained.is_some_and(|unexplained| unexplained > tolerated);
        Drift::Stands { cents, beyond_lag }
    }
}

/// What a good run took the baseline to be: `T - R`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineCandidate {
    /// When.
    pub at: Timestamp,
    /// T then.
    pub total: i64,
    /// R then.
    pub listed: i64,
}

impl BaselineCandidate {
    /// What the baseline would be by this run.
    #[must_use]
    pub const fn baseline(&self) -> i64 {
        self.total.saturating_sub(self.listed)
    }
}

/// The baseline on which good runs agree, `now` the latest of them, `earlier` those before it. Two runs that are `lag`
/// apart and saw the same total and the same rows prove it, whatever lags by no more than that. On an account that
/// always changes, three runs that are each `lag` apart and give the same figure are enough.
#[must_use]
pub fn agree_on_baseline(
    earlier: &[BaselineCandidate],
    now: BaselineCandidate,
    lag: Duration,
) -> Option<i64> {
    let agree: Vec<&BaselineCandidate> =
        earlier.iter().filter(|one| one.baseline() == now.baseline() && one.at <= now.at).collect();
    let spaced = |one: &BaselineCandidate| now.at.since(one.at) >= lag;
    // They give the same figure: where the total is the same, so are the rows.
    let at_rest = |one: &BaselineCandidate| one.total == now.total;
    let two = agree.iter().any(|one| spaced(one) && (lag.is_zero() || at_rest(one)));
    let three = agree.iter().any(|one| now.at.since(one.at) >= lag.saturating_mul(2))
        && agree.iter().any(|one| spaced(one) && now.at.since(one.at) < lag.saturating_mul(2));
    (two || three).then(|| now.baseline())
}
