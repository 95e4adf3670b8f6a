//! The script: the deposits of the scenario and what happens to each of them when, all of it random from one seed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::asset::{Asset, Currency, Network};
use crate::domain::method::Method;
use crate::sandbox::upstream::Fate;
use crate::sandbox::upstream::rng::Rng;

/// Every fate that ends by itself, the most instructive first: a short scenario leaves out the last.
const FATES: &[Fate] = &[
    Fate::Exact,
    Fate::Over,
    Fate::Short,
    Fate::UnderpaidThenCompleted,
    Fate::Expired,
    Fate::Late,
    Fate::HeldThenReleased,
    Fate::Refunded,
    Fate::Failed,
    Fate::RefusedCoupon,
    Fate::LostAnswer,
    Fate::NeverPaid,
    Fate::LatePaidAfterCheck,
    Fate::RefundFailed,
    Fate::SystemFailed,
    Fate::UnknownWord,
];
/// The fates of the deposits beyond one of each: mostly ordinary payments.
const CROWD: &[Fate] = &[
    Fate::Exact,
    Fate::Exact,
    Fate::Exact,
    Fate::Exact,
    Fate::Over,
    Fate::UnderpaidThenCompleted,
    Fate::Late,
    Fate::Expired,
];

/// A coupon that the account has.
pub(super) const GOOD_COUPON: &str = "SPRING10";
const BAD_COUPON: &str = "EXPIRED-2019";

/// The first deposit has the stage to itself for so long: it is settled by then.
const ALONE: Duration = Duration::from_mins(21);
/// The requests after it are spread over this much of the story.
const ASKING: Duration = Duration::from_mins(30);
const OUTAGE_AT: Duration = Duration::from_mins(21 + 34);
const OUTAGE: Duration = Duration::from_mins(10);
/// A shorter outage would end before it is reported.
const OUTAGE_REAL: Duration = Duration::from_millis(1500);

/// What others did with the account before the story began, in cents: charged in all, and left of it.
pub(super) const BEFORE: (i64, i64) = (50_000, 12_000);
/// What others do with it after the first deposit: at which minute, how many cents, by which method.
const TOP_UPS: &[(u64, i64, &str)] = &[(20, 7_500, "stripe"), (70, 3_000, "stripe"), (130, 1_250, "manual")];
const SPENDING: &[(u64, i64)] = &[(50, 4_000), (100, 2_125)];

/// From this many deposits on, one needs a decision of a person.
const CAST_WITH_A_CASE: u32 = 4;
/// From this many on, one is paid at a payment page and one by card.
const CAST_WITH_LINKS: u32 = 20;
/// How many cents less the list and the total credit for it than its polls say.
const WITHHELD: i64 = 150;

/// One deposit of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScenarioDeposit {
    /// 1, 2, 3 ..
    pub(super) number: u32,
    /// What becomes of it.
    pub(super) fate: Fate,
    /// How it is paid.
    pub(super) method: Method,
    /// In what, where it is a wallet.
    pub(super) asset: Asset,
    /// Nobody else asks for the same.
    pub(super) amount: String,
    pub(super) coupon: Option<&'static str>,
    /// When it is asked for, from the story's beginning.
    pub(super) asked_after: Duration,
    /// The payer gets letters too.
    pub(super) notify: bool,
    /// What the account is credited with, where that is not what the polls say: a person has to decide.
    pub(super) credits_cents: Option<i64>,
}

impl ScenarioDeposit {
    /// The caller's own words for it; the name in the story is read back from them.
    pub(super) fn reference(&self) -> String {
        format!("{}{:02}", REFERENCE, self.number)
    }
}

const REFERENCE: &str = "sandbox #";

/// The short name behind a cast member's reference.
pub(super) fn name_in(reference: &str) -> Option<&str> {
    reference.strip_prefix("sandbox ").filter(|name| name.starts_with('#'))
}

/// What happens at a moment of the story, beside the fates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScenarioTurn {
    /// The member with this place in the cast is asked for.
    Ask(usize),
    /// Somebody else tops the account up, for the `nth` time.
    TopUp { nth: usize, cents: i64, method: &'static str },
    /// The customer buys services, for the `nth` time.
    Spend { nth: usize, cents: i64 },
    /// From now on the upstream does not answer.
    OutageBegins,
    /// It does again.
    OutageEnds,
}

/// The whole plan.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) members: Vec<ScenarioDeposit>,
    /// Ordered by time.
    pub(super) turns: Vec<(Duration, ScenarioTurn)>,
    pub(super) outage: (Duration, Duration),
}

/// Writes the plan for `count` deposits.
pub(super) fn script(seed: u64, count: u32, speed: u32) -> Script {
    let mut dice = Rng::new(seed ^ 0x0005_7027);
    let members = members(&mut dice, count);
    let outage_end = OUTAGE_AT.saturating_add(OUTAGE.max(OUTAGE_REAL.saturating_mul(speed)));
    let mut turns: Vec<(Duration, ScenarioTurn)> = Vec::new();
    if !members.is_empty() {
        let top_ups = TOP_UPS.iter().enumerate();
        turns.extend(top_ups.map(|(nth, &(minute, cents, method))| {
            (ALONE.saturating_add(Duration::from_mins(minute)), ScenarioTurn::TopUp { nth, cents, method })
        }));
        let spending = SPENDING.iter().enumerate();
        turns.extend(spending.map(|(nth, &(minute, cents))| {
            (ALONE.saturating_add(Duration::from_mins(minute)), ScenarioTurn::Spend { nth, cents })
        }));
        turns.push((OUTAGE_AT, ScenarioTurn::OutageBegins));
        turns.push((outage_end, ScenarioTurn::OutageEnds));
    }
    turns.extend(
        members.iter().enumerate().map(|(place, member)| (member.asked_after, ScenarioTurn::Ask(place))),
    );
    turns.sort_by_key(|(at, _)| *at);
    Script { members, turns, outage: (OUTAGE_AT, outage_end) }
}

fn members(dice: &mut Rng, count: u32) -> Vec<ScenarioDeposit> {
    let crowd = |dice: &mut Rng| pick(dice, CROWD).copied().unwrap_or(Fate::Exact);
    let mut fates: Vec<(Fate, Option<&'static str>)> = Vec::new();
    for place in 0..usize::try_from(count.saturating_sub(1)).unwrap_or(0) {
        fates.push(match FATES.get(place) {
            Some(Fate::RefusedCoupon) => (Fate::RefusedCoupon, Some(BAD_COUPON)),
            Some(fate) => (*fate, None),
            None if place == FATES.len() => (Fate::Exact, Some(GOOD_COUPON)),
            None => (crowd(dice), None),
        });
    }
    shuffle(dice, &mut fates);
    // The longest fates begin first, and the last request meets an outage.
    fates.sort_by_key(|(fate, coupon)| match fate {
        Fate::Refunded | Fate::RefundFailed => 0,
        Fate::Exact if coupon.is_none() => 2,
        _ => 1,
    });
    let mut assets = assets(dice).into_iter().cycle();
    let mut taken = BTreeSet::from([FIRST_CENTS]);
    let step = ASKING.checked_div(count.max(1)).unwrap_or(ASKING);
    let mut members: Vec<ScenarioDeposit> = (count > 0).then(first).into_iter().collect();
    for ((fate, coupon), number) in fates.into_iter().zip(2_u32..) {
        let cents = unique_cents(dice, &mut taken);
        let Some(asset) = assets.next() else { break };
        let last = number == count && number > 2;
        let asked_after = if last {
            OUTAGE_AT.saturating_add(OUTAGE.checked_div(3).unwrap_or_default())
        } else {
            let late = u64::try_from(step.as_millis().div_euclid(2)).unwrap_or(0);
            ALONE
                .saturating_add(step.saturating_mul(number.saturating_sub(2)))
                .saturating_add(Duration::from_millis(dice.between(0, late)))
        };
        let amount = format!("{}.{:02}", cents.div_euclid(100), cents.rem_euclid(100));
        let (notify, credits_cents) = (number % 5 == 2, None);
        members.push(ScenarioDeposit {
            number,
            fate,
            method: Method::Wallet,
            asset,
            amount,
            coupon,
            asked_after,
            notify,
            credits_cents,
        });
    }
    let plain = |member: &&mut ScenarioDeposit| member.fate == Fate::Exact && member.coupon.is_none();
    if count >= CAST_WITH_A_CASE
        && let Some(odd) = members.iter_mut().skip(1).find(plain)
    {
        let asked = odd.amount.replace('.', "").parse::<i64>().ok();
        odd.credits_cents = asked.map(|cents| cents.saturating_sub(WITHHELD));
    }
    if count >= CAST_WITH_LINKS {
        pay_some_by_link(&mut members, &mut taken);
    }
    members
}

/// One is paid at a payment page and one by card, in whole dollars.
fn pay_some_by_link(members: &mut [ScenarioDeposit], taken: &mut BTreeSet<u64>) {
    let plain = |member: &&mut ScenarioDeposit| {
        member.fate == Fate::Exact && member.coupon.is_none() && member.credits_cents.is_none()
    };
    let candidates = members.iter_mut().skip(1).filter(plain);
    for (member, method) in candidates.zip([Method::Page, Method::Card]) {
        let mut dollars =
            member.amount.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(20_u64);
        while !taken.insert(dollars.saturating_mul(100)) {
            dollars = dollars.saturating_add(1);
        }
        (member.method, member.amount) = (method, dollars.to_string());
    }
}

/// What is asked for first.
const FIRST_CENTS: u64 = 2_500;

/// The deposit that is followed closely: an ordinary payment.
fn first() -> ScenarioDeposit {
    ScenarioDeposit {
        number: 1,
        fate: Fate::Exact,
        method: Method::Wallet,
        asset: Asset { currency: Currency::Usdt, network: Network::Tron },
        amount: format!("{}.{:02}", FIRST_CENTS.div_euclid(100), FIRST_CENTS.rem_euclid(100)),
        coupon: None,
        asked_after: Duration::ZERO,
        notify: true,
        credits_cents: None,
    }
}

fn unique_cents(dice: &mut Rng, taken: &mut BTreeSet<u64>) -> u64 {
    let mut cents = dice.between(500, 25_000);
    while !taken.insert(cents) {
        cents = cents.saturating_add(1);
    }
    cents
}

/// Every pair that the upstream knows, in some order.
fn assets(dice: &mut Rng) -> Vec<Asset> {
    let mut all: Vec<Asset> = Asset::all().collect();
    shuffle(dice, &mut all);
    all
}

fn pick<'a, T>(dice: &mut Rng, from: &'a [T]) -> Option<&'a T> {
    let last = u64::try_from(from.len().saturating_sub(1)).unwrap_or(0);
    from.get(usize::try_from(dice.between(0, last)).unwrap_or(0))
}

fn shuffle<T>(dice: &mut Rng, things: &mut [T]) {
    for place in (1..things.len()).rev() {
        let other = dice.between(0, u64::try_from(place).unwrap_or(0));
        things.swap(place, usize::try_from(other).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_casts_the_same_story_and_every_fate_plays() {
        let one = script(7, 24, 400);
        assert_eq!(one.members, script(7, 24, 400).members);
        assert_ne!(one.members, script(8, 24, 400).members);
        for fate in FATES {
            assert!(one.members.iter().any(|member| member.fate == *fate), "{fate:?}");
        }
        let first = &one.members[0];
        assert_eq!((first.number, first.fate, first.asked_after), (1, Fate::Exact, Duration::ZERO));
        assert!(one.members.iter().skip(1).all(|member| member.asked_after >= ALONE));
        let amounts: BTreeSet<&String> = one.members.iter().map(|member| &member.amount).collect();
        assert_eq!(amounts.len(), 24);
        let odd: Vec<&ScenarioDeposit> =
            one.members.iter().filter(|member| member.credits_cents.is_some()).collect();
        assert_eq!((odd.len(), odd[0].fate, odd[0].coupon), (1, Fate::Exact, None));
        for method in [Method::Page, Method::Card] {
            let linked: Vec<&ScenarioDeposit> =
                one.members.iter().filter(|member| member.method == method).collect();
            assert!(linked.len() == 1 && !linked[0].amount.contains('.'), "{method}");
        }
        let last = one.members.last().unwrap();
        assert!(last.asked_after > one.outage.0 && last.asked_after < one.outage.1);
        assert_eq!(name_in(&one.members[6].reference()), Some("#07"));
    }

    #[test]
    fn no_cast_is_no_story() {
        assert!(script(7, 0, 1).turns.is_empty());
        assert_eq!(script(7, 1, 1).members.len(), 1);
    }
}
