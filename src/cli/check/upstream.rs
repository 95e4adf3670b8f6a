//! The upstream's account and its clock, asked as the daemon would ask.

use std::sync::Arc;

use super::finding::{Check, counted};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::daemon;
use crate::domain::causes::chain;
use crate::domain::money::dollars;
use crate::flow;
use crate::upstream::{self, Priority, Upstream};

/// Asks for the balance and the coupons; the second check is of the clock. Nothing is asked where only systemd can read
/// the key.
pub(super) async fn ask(config: &Config, clock: &SharedClock, is_sealed: bool) -> (Check, Check) {
    let place = &config.upstream.base_url;
    let untold = || Check::open("clock", "not compared: the upstream was not asked");
    if is_sealed {
        return (
            Check::open("upstream", format!("{place}: not asked: only systemd can read the key")),
            untold(),
        );
    }
    let upstream = match daemon::upstream_client(config, Arc::clone(clock)) {
        Ok(upstream) => upstream,
        Err(error) => return (Check::of("upstream", Err(chain(&error))), untold()),
    };
    let found = account(&upstream).await;
    let found = found.map(|found| format!("{place}: {found}")).map_err(|error| format!("{place}: {error}"));
    (Check::of("upstream", found), clocks(upstream.skew()))
}

async fn account(upstream: &Upstream) -> Result<String, upstream::Error> {
    let permit = upstream.admit(Priority::Reconcile).await;
    let balance = upstream.balance(permit).await?.value;
    let permit = upstream.admit(Priority::Reconcile).await;
    let coupons = upstream.coupons(permit).await?.value;
    Ok(format!(
        "balance {} USD, total charges {} USD, {}",
        dollars(balance.balance_cents),
        dollars(balance.total_charges_cents),
        counted(coupons.len(), "coupon")
    ))
}

/// Our clock beside the `Date` of the upstream's answers.
fn clocks(skew_ms: Option<i64>) -> Check {
    let Some(skew) = skew_ms else {
        return Check::open("clock", "not compared: the upstream has not told the time");
    };
    match flow::clocks_apart(skew) {
        None => Check::of("clock", Ok("agrees with the upstream's".to_owned())),
        Some(words) => Check::open("clock", "disagrees with the upstream's").with_warnings([format!(
            "{words}; a month is closed, and a deposit given up, only by both: set this machine's clock right"
        )]),
    }
}
