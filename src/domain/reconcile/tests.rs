//! Matching by tables and by properties: no order of the list, and no way of cutting it into pages, changes a match.

use proptest::prelude::*;

use super::*;
use crate::domain::asset::Asset;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

fn id(number: u128) -> DepositId {
    uuid::Uuid::from_u128(number).to_string().parse().unwrap()
}

/// A deposit, and what an identifier may call it by.
fn candidate(number: i64, cents: i64, at: i64) -> Candidate {
    Candidate { deposit: number, created_at: Timestamp::from_seconds(at), cents: vec![cents] }
}

/// An invoice: what it is called by, and what it says.
#[derive(Debug, Clone)]
struct Entry {
    loose: Loose,
    pay_id: Option<String>,
    sesid: Option<String>,
    /// It may be matched by amount and time.
    guess: bool,
}

fn entry(row: i64, pay_id: Option<String>, sesid: Option<String>, cents: i64, at: i64) -> Entry {
    let texts = [pay_id.clone(), sesid.clone(), Some(cents.to_string()), Some(at.to_string())];
    let print = print_of(texts.iter().map(Option::as_deref));
    let loose = Loose { row, print, cents, created: Timestamp::from_seconds(at) };
    Entry { loose, pay_id, sesid, guess: true }
}

/// What one rule says of a page of invoices, as the ledger would.
fn claims(rule: Rule, page: &[Entry], candidates: &[Candidate], matched: &[Match]) -> Vec<Claim> {
    let left = page.iter().filter(|one| matched.iter().all(|two| two.row != one.loose.row));
    let pairs = left.flat_map(|one| candidates.iter().map(move |candidate| (one, candidate.deposit)));
    pairs
        .filter(|(one, deposit)| {
            let (order, link) = (Some(format!("order-{deposit}")), Some(format!("link-{deposit}")));
            match rule {
                Rule::PayIdIsOrder => one.pay_id == order,
                Rule::SesidIsOrder => one.sesid == order,
                Rule::PayIdIsLink => one.pay_id == link,
                Rule::SesidIsLink => one.sesid == link,
                Rule::AmountAndTime => false,
            }
        })
        .map(|(one, deposit)| Claim { print: one.loose.print, row: one.loose.row, deposit })
        .collect()
}

/// What is matched, by what the invoices say and not by where they stand.
fn matched(pages: &[&[Entry]], candidates: &[Candidate], learnt: Option<Rule>) -> Vec<(i64, i64, Rule)> {
    let mut matcher = Matcher::default();
    let mut matches: Vec<Match> = Vec::new();
    for rule in Matcher::rules(learnt) {
        for page in pages {
            matcher.hear(claims(rule, page, candidates, &matches));
        }
        matches.extend(matcher.decide(rule));
    }
    let all = || pages.iter().flat_map(|page| page.iter());
    let left = all().filter(|one| one.guess && matches.iter().all(|two| two.row != one.loose.row));
    let loose: Vec<Loose> = left.map(|one| one.loose).collect();
    matches.extend(matcher.probable(&loose, candidates));
    let print = |row: i64| all().find(|one| one.loose.row == row).unwrap().loose.print;
    let mut said: Vec<_> = matches.iter().map(|one| (print(one.row), one.deposit, one.rule)).collect();
    said.sort_unstable();
    said
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn each_rule_recognises_its_field_and_certain_ones_go_first() {
    let candidates =
        [candidate(1, 500, 0), candidate(2, 500, 10), candidate(3, 700, 20), candidate(4, 900, 30)];
    let page = [
        entry(1, some("order-1"), some("x"), 500, 0),
        entry(2, some("y"), some("order-2"), 500, 0),
        entry(3, some("link-3"), None, 1, 0),
        entry(4, None, some("link-4"), 1, 0),
        // Its amount and time would fit the first deposit, which has its own.
        entry(5, some("z"), None, 500, 0),
    ];
    let said = matched(&[&page], &candidates, None);
    let of = |row: usize| {
        said.iter().find(|(print, ..)| *print == page[row].loose.print).map(|(_, id, rule)| (*id, *rule))
    };
    assert_eq!(of(0), Some((1, Rule::PayIdIsOrder)));
    assert_eq!(of(1), Some((2, Rule::SesidIsOrder)));
    assert_eq!(of(2), Some((3, Rule::PayIdIsLink)));
    assert_eq!(of(3), Some((4, Rule::SesidIsLink)));
    assert_eq!(of(4), None);
}

#[test]
fn the_learnt_rule_is_heard_first() {
    let candidates = [candidate(1, 500, 0), candidate(2, 500, 10)];
    // One says one thing in one field, and another thing in the other.
    let page = [entry(1, some("order-1"), some("order-2"), 500, 0)];
    assert_eq!(matched(&[&page], &candidates, None)[0].1, 1);
    assert_eq!(matched(&[&page], &candidates, Some(Rule::SesidIsOrder))[0].1, 2);
    let counts = |rule| if rule == Rule::SesidIsOrder { 7 } else { i64::from(rule == Rule::PayIdIsOrder) };
    assert_eq!(Rule::learnt(counts), Some(Rule::SesidIsOrder));
    assert_eq!(Rule::learnt(|_| 2), Some(Rule::PayIdIsOrder), "the first of equals");
    assert_eq!(Rule::learnt(|_| 0), None);
}

#[test]
fn amount_and_time_is_a_guess_within_five_minutes_and_the_nearest_goes_first() {
    let candidates = [candidate(1, 500, 1000), candidate(2, 500, 1100), candidate(3, 500, 9000)];
    let page =
        [entry(1, None, None, 500, 1090), entry(2, None, None, 500, 1001), entry(3, None, None, 500, 9301)];
    let said = matched(&[&page], &candidates, None);
    assert_eq!(said.len(), 2, "301 seconds are too far: {said:?}");
    assert!(said.contains(&(page[0].loose.print, 2, Rule::AmountAndTime)));
    assert!(said.contains(&(page[1].loose.print, 1, Rule::AmountAndTime)));
    let already = Entry { guess: false, ..entry(4, None, None, 500, 1000) };
    assert_eq!(matched(&[&[already]], &candidates, None), []);
}

#[test]
fn an_invoice_whose_amount_cannot_be_read_never_agrees_with_a_booked_one() {
    let pair = |invoice_cents, status: &str| Pair {
        deposit_id: id(1),
        order_id: "order-1".to_owned(),
        state: State::Settled,
        booked: UsdMicros::from_cents(500),
        invoice_cents,
        invoice_status: Some(status.to_owned()),
    };
    assert_eq!(compare(&pair(Some(500), "paid"), 0), None);
    let found = compare(&pair(None, "paid"), 1_000_000).unwrap();
    assert_eq!(
        (found.kind, found.expected.as_str(), found.found.as_str()),
        (Kind::AmountMismatch, "5.00", UNREADABLE)
    );
    assert_eq!(compare(&pair(Some(499), "paid"), 0).unwrap().kind, Kind::AmountMismatch);
    assert_eq!(compare(&pair(Some(499), "paid"), 1), None);
    assert_eq!(compare(&pair(Some(500), "cancel"), 0).unwrap().kind, Kind::StatusMismatch);
}

#[test]
fn what_no_look_can_name_is_claimed_by_amount_and_time_and_only_once() {
    let lost = |attempt, amount: &str, at| Lost {
        attempt,
        asset: Asset::parse("USDT", "TRON").unwrap(),
        amount: Amount::parse(amount).unwrap(),
        coupon: false,
        started_at: Timestamp::from_seconds(at),
        latest: Timestamp::from_seconds(at + 5),
        order_id: None,
    };
    let unnamed = |row, cents, at| Unnamed {
        row,
        created: Some(Timestamp::from_seconds(at)),
        amount_cents: Some(cents),
        name: format!("invoice {row}"),
    };
    let attempts = [lost(1, "50", 1000), lost(2, "50", 1060), lost(3, "90", 1000)];
    let invoices =
        [unnamed(10, 5000, 1001), unnamed(11, 5000, 1061), unnamed(12, 5000, 5000), unnamed(13, 8000, 1000)];
    let mut claims = claim_unnamed(&attempts, &invoices);
    claims.sort_unstable();
    assert_eq!(claims, [(1, 10), (2, 11)], "too late, and too far off, is nobody's");
}

/// Invoices that name few deposits, so that they quarrel about them.
fn quarrel() -> impl Strategy<Value = (Vec<Entry>, Vec<Candidate>)> {
    let name = prop_oneof![
        3 => (0..6_u128).prop_map(|n| Some(format!("order-{n}"))),
        2 => (0..6_u128).prop_map(|n| Some(format!("link-{n}"))),
        1 => "[a-c]".prop_map(Some),
        2 => Just(None),
    ];
    let invoice = (name.clone(), name, 1..4_i64, 0..900_i64);
    let deposit = (1..4_i64, 0..900_i64);
    (proptest::collection::vec(invoice, 0..12), proptest::collection::vec(deposit, 0..6)).prop_map(
        |(invoices, deposits)| {
            let rows = invoices.into_iter().zip(1..);
            let rows = rows.map(|((pay, ses, cents, at), row)| entry(row, pay, ses, cents, at)).collect();
            let deposits = deposits.into_iter().zip(0..);
            (rows, deposits.map(|((cents, at), number)| candidate(number, cents, at)).collect())
        },
    )
}

proptest! {
    #[test]
    fn no_order_of_the_list_and_no_cut_into_pages_changes_a_match(
        (invoices, candidates) in quarrel(),
        seed in any::<u64>(),
        cut in 0..12_usize,
        learnt in proptest::option::of(proptest::sample::select(Rule::CERTAIN)),
    ) {
        let once = matched(&[&invoices], &candidates, learnt);
        let mut deposits: Vec<_> = once.iter().map(|(_, deposit, _)| *deposit).collect();
        deposits.sort_unstable();
        deposits.dedup();
        prop_assert_eq!(deposits.len(), once.len(), "one to one");
        // Another order: the ledger numbers them otherwise, too.
        let mut other = invoices;
        let mut state = seed;
        for at in (1..other.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let end = at.checked_add(1).unwrap();
            other.swap(at, usize::try_from(state >> 33).unwrap().checked_rem(end).unwrap());
        }
        for (row, invoice) in (1..).zip(&mut other) {
            invoice.loose.row = row;
        }
        let (one, two) = other.split_at(cut.min(other.len()));
        prop_assert_eq!(matched(&[two, one], &candidates, learnt), once);
    }
}
