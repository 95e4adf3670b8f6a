//! When an account of several on one machine reconciles and copies its ledger: not at the same second as all others, since
//! they share a disk, a processor and an upstream. The same name gives the same times.

/// The schedules of one account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// Every 15 minutes.
    pub(super) reconcile: String,
    /// Once a night, between two and three.
    pub(super) backup: String,
}

impl Spread {
    /// Those of the account that is called so.
    pub(super) fn of(name: &str) -> Self {
        let (rest, second) = divided(digest(name), 60);
        let (rest, first) = divided(rest, 15);
        let (_, minute) = divided(rest, 60);
        let minutes: Vec<String> =
            [0, 15, 30, 45].iter().map(|quarter: &u64| first.saturating_add(*quarter).to_string()).collect();
        Self {
            reconcile: format!("{second} {} * * * *", minutes.join(",")),
            backup: format!("{second} {minute} 2 * * *"),
        }
    }
}

fn divided(number: u64, by: u64) -> (u64, u64) {
    (number.checked_div(by).unwrap_or(0), number.checked_rem(by).unwrap_or(0))
}

/// FNV-1a, the same in every version of this program.
fn digest(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::CronExpression;
    use crate::domain::time::Timestamp;

    #[test]
    fn two_hundred_accounts_hardly_ever_reconcile_at_the_same_second() {
        let mut at: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..200 {
            let spread = Spread::of(&format!("shop-{number}"));
            assert_eq!(spread, Spread::of(&format!("shop-{number}")));
            let reconcile = CronExpression::parse(&spread.reconcile).unwrap();
            let start = Timestamp::parse("2026-11-30T00:00:00Z").unwrap();
            let first = reconcile.next_after(start).unwrap();
            let second = reconcile.next_after(first).unwrap();
            assert_eq!(second.since(first).as_secs(), 900, "{}", spread.reconcile);
            CronExpression::parse(&spread.backup).unwrap();
            *at.entry(spread.reconcile).or_default() += 1;
        }
        assert!(at.values().all(|count| *count <= 4), "{at:?}");
        assert!(at.len() > 150, "{}", at.len());
    }
}
