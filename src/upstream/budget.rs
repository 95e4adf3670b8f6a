//! How many calls a second the account may make: a token bucket in the form of one instant, pure.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The account's budget of calls: a steady rate, with a burst of at most one second's worth, and at least one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// The time between two calls at the steady rate; zero where there is no limit.
    interval: Duration,
    /// How far ahead of the steady rate a burst may run.
    tolerance: Duration,
    /// When the next call would be due, had every call kept to the steady rate.
    due: Duration,
}

impl Budget {
    /// A budget of `rate` calls a second; `None` or zero is no limit. `None` is returned for a negative rate.
    pub(super) fn new(rate: Option<Decimal>) -> Option<Self> {
        let rate = rate.unwrap_or_default();
        if rate.is_sign_negative() && !rate.is_zero() {
            return None;
        }
        // A rate too small to divide by is a call in a very long time, not a free one.
        let nanos = if rate.is_zero() {
            0
        } else {
            Decimal::from(1_000_000_000).checked_div(rate).and_then(|n| n.to_u64()).unwrap_or(u64::MAX)
        };
        let burst = rate.floor().to_u32().unwrap_or(u32::MAX).max(1);
        let interval = Duration::from_nanos(nanos);
        let tolerance = interval.saturating_mul(burst.saturating_sub(1));
        Some(Self { interval, tolerance, due: Duration::ZERO })
    }

    /// When the next call may be made; not later than `now` when it may be made at once.
    pub(super) fn next(&self) -> Duration {
        self.due.saturating_sub(self.tolerance)
    }

    /// Takes one call out of the budget.
    pub(super) fn take(&mut self, now: Duration) {
        self.due = self.due.max(now).saturating_add(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls the budget lets through in `span`, asked at every millisecond.
    fn calls(rate: &str, span: Duration) -> usize {
        let mut budget = Budget::new(Some(rate.parse().unwrap())).unwrap();
        let mut made = 0_usize;
        for millis in 0..span.as_millis() {
            let now = Duration::from_millis(u64::try_from(millis).unwrap());
            while budget.next() <= now && made < 1_000_000 {
                budget.take(now);
                made = made.checked_add(1).unwrap();
            }
        }
        made
    }

    #[test]
    fn a_burst_is_one_seconds_worth_and_the_rate_holds_after_it() {
        assert_eq!(calls("5", Duration::from_millis(1)), 5);
        assert_eq!(calls("5", Duration::from_secs(10)), 5 + 49);
        assert_eq!(calls("1", Duration::from_secs(10)), 10);
        assert_eq!(calls("0.5", Duration::from_secs(10)), 5);
        assert_eq!(calls("0.1", Duration::from_secs(30)), 3);
        assert_eq!(calls("2.5", Duration::from_millis(1)), 2);
        assert_eq!(calls("1000", Duration::from_secs(1)), 1000 + 999);
    }

    #[test]
    fn no_rate_is_no_limit_and_a_negative_one_is_none() {
        let mut budget = Budget::new(None).unwrap();
        (0..100_000).for_each(|_| budget.take(Duration::ZERO));
        assert_eq!(budget.next(), Duration::ZERO);
        assert_eq!(Budget::new(Some(Decimal::ZERO)).unwrap().next(), Duration::ZERO);
        assert!(Budget::new(Some(Decimal::new(-1, 3))).is_none());
    }

    #[test]
    fn a_rate_past_all_measure_neither_panics_nor_frees() {
        let mut budget = Budget::new(Some(Decimal::new(1, 28))).unwrap();
        budget.take(Duration::ZERO);
        assert!(budget.next() > Duration::from_secs(1_000_000_000));
        assert!(Budget::new(Some(Decimal::MAX)).is_some());
    }
}
