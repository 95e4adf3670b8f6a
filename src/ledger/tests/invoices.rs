//! The upstream's invoices: kept once, changed in place, matched one to one, and held against what is booked.

use super::*;
use crate::domain::deposit::State;
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::{Candidate, Claim, Loose, Match, Rule};

/// An invoice of the list, as an intake hands it over.
fn invoice(number: i64, cents: Option<i64>, status: &str) -> InvoiceRow {
    InvoiceRow {
        name: number,
        print: number * 10,
        sesid: Some(format!("ses-{number}")),
        pay_id: Some(format!("pay-{number}")),
        method: Some("Cryptomus".to_owned()),
        amount_cents: cents,
        created: Some(at("2026-01-10T09:00:00Z")),
        status: Some(status.to_owned()),
        credited: status.starts_with("paid"),
    }
}

fn known(row: i64, listed: u8) -> KnownInvoice {
    KnownInvoice { name: row, print: row * 10, row, listed }
}

impl Desk {
    async fn keep(&self, rows: Vec<InvoiceRow>, fates: &[(usize, Fate)], gone: &[i64]) {
        let mut spool = self.ledger.spool();
        rows.into_iter().for_each(|row| spool.push(row));
        self.ledger.keep_invoices(spool.into_pages().unwrap(), fates, gone, self.now).await.unwrap();
    }

    async fn matched(&self, matches: &[(i64, i64, Rule)]) {
        let matches: Vec<_> = matches
            .iter()
            .map(|(row, deposit, rule)| Match { row: *row, deposit: *deposit, rule: *rule })
            .collect();
        self.ledger.keep_matches(&matches).await.unwrap();
    }

    async fn owners(&self) -> Vec<String> {
        self.rows("SELECT concat_ws(' ', row_id, coalesce(deposit_row, '-'), coalesce(rule, '-'), abandoned) FROM invoice ORDER BY row_id").await
    }
}

#[tokio::test]
async fn an_invoice_is_kept_once_and_a_figure_that_could_be_read_once_stands() {
    let mut desk = Desk::new().await;
    desk.keep(vec![invoice(2, Some(600), "paid"), invoice(1, None, "check")], &[], &[]).await;
    let mut first = vec![known(1, 1), known(2, 1)];
    // Numbered as they came, ordered by what they are called by.
    first[0].row = 2;
    first[1].row = 1;
    assert_eq!(desk.ledger.known_invoices().await.unwrap(), first);
    let seen = desk.now.as_millis();
    desk.wait(60);
    let changed = InvoiceRow {
        print: 21,
        amount_cents: None,
        status: Some("refund_paid".to_owned()),
        credited: false,
        ..invoice(2, None, "x")
    };
    desk.keep(vec![changed], &[(0, Fate::Update(1))], &[2]).await;
    assert_eq!(
        desk.rows("SELECT concat_ws(' ', row_id, name_print, print, amount_cents, status, credited, listed, first_seen_ms) FROM invoice ORDER BY row_id").await,
        [format!("1 2 21 600 refund_paid 1 1 {seen}"), format!("2 1 10 check 0 0 {seen}")],
        "what was credited once stays so"
    );
    assert_eq!(desk.ledger.known_invoices().await.unwrap()[0].listed, 0);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2], "both have changed");
    desk.wait(60);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [] as [i64; 0]);
    assert_eq!(desk.ledger.free_invoices(&[1, 2, 3]).await.unwrap(), [(1, 2)], "the other one was credited");
}

#[tokio::test]
async fn two_of_one_name_are_two_invoices() {
    let desk = Desk::new().await;
    let twins =
        vec![invoice(1, Some(100), "check"), invoice(1, Some(100), "check"), invoice(2, Some(1), "check")];
    desk.keep(twins, &[(1, Fate::Insert(2))], &[]).await;
    assert_eq!(
        desk.rows("SELECT concat_ws(' ', row_id, name_print, place) FROM invoice ORDER BY row_id").await,
        ["1 1 1", "2 2 1", "3 1 2"],
        "none of them is taken for the other"
    );
}

#[tokio::test]
async fn thousands_of_invoices_come_in_pages_and_none_is_lost() {
    let desk = Desk::new().await;
    desk.wallet(1, "5").await;
    let mut list: Vec<_> = (1..=6000).map(|number| invoice(number, Some(1), "check")).collect();
    desk.keep(list.clone(), &[], &[]).await;
    let rows = desk.ledger.known_invoices().await.unwrap();
    assert_eq!(rows, (1..=6000).map(|row| known(row, 1)).collect::<Vec<_>>());
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap().len(), 6000);
    // Some of them change, on every page.
    list.iter_mut().for_each(|row| row.print += 1);
    let changed: Vec<_> =
        (0..6000).map(|place| (place, Fate::Update(i64::try_from(place).unwrap() + 1))).collect();
    desk.keep(list, &changed, &[]).await;
    let rows = desk.ledger.known_invoices().await.unwrap();
    assert!(rows.len() == 6000 && rows.iter().all(|known| known.print == known.row * 10 + 1));
    let gone: Vec<i64> = (1..=5500).collect();
    desk.keep(Vec::new(), &[], &gone).await;
    let listed = desk.ledger.known_invoices().await.unwrap().iter().filter(|known| known.listed == 1).count();
    assert_eq!(listed, 500);
    let matches: Vec<_> = (1..=3).map(|row| Match { row, deposit: 1, rule: Rule::PayIdIsOrder }).collect();
    assert!(desk.ledger.keep_matches(&matches).await.is_err(), "one deposit, one invoice");
    assert_eq!(desk.ledger.tally().await.unwrap()[0].rule, "elsewhere");
}

#[tokio::test]
async fn what_may_be_matched_is_given_with_what_it_says() {
    let mut desk = Desk::new().await;
    let one = desk.wallet(1, "5.15").await;
    desk.wait(10);
    let two = desk.wallet(2, "6").await;
    let over = desk.look(two, "paid_over", "usd=7.00").await;
    let link = |number: u128| Uuid::from_u128(number + 1000).to_string();
    let others = InvoiceRow { method: Some("Stripe".to_owned()), ..invoice(2, Some(2), "check") };
    let named = InvoiceRow { pay_id: Some(order(2)), sesid: Some(link(1)), ..invoice(3, None, "check") };
    desk.keep(vec![invoice(1, Some(515), "check"), others, named], &[], &[]).await;
    let rows = desk.ledger.unmatched(desk.now).await.unwrap();
    assert_eq!(rows, [1, 2, 3]);
    let loose = Loose { row: 1, print: 10, cents: 515, created: at("2026-01-10T09:00:00Z") };
    assert_eq!(desk.ledger.loose(&rows).await.unwrap(), [loose], "the processor's, with both figures");
    let claim = |deposit| Claim { print: 30, row: 3, deposit };
    for (rule, claims) in [
        (Rule::PayIdIsOrder, vec![claim(2)]),
        (Rule::SesidIsLink, vec![claim(1)]),
        (Rule::SesidIsOrder, vec![]),
        (Rule::PayIdIsLink, vec![]),
        (Rule::AmountAndTime, vec![]),
    ] {
        assert_eq!(desk.ledger.claims(rule, &rows).await.unwrap(), claims, "{rule:?}");
    }

    let candidate = |row, deposit: &Deposit, cents: &[i64]| Candidate {
        deposit: row,
        created_at: deposit.facts.wallet.as_ref().unwrap().created_at,
        cents: cents.to_vec(),
    };
    let (one, two) = (candidate(1, &one, &[515, 515]), candidate(2, &over, &[600, 600, 700]));
    let since = at("2026-01-10T09:00:00Z");
    assert_eq!(desk.ledger.uninvoiced(since, 9).await.unwrap(), [two.clone(), one], "the newest first");
    assert_eq!(desk.ledger.uninvoiced(since, 1).await.unwrap(), std::slice::from_ref(&two));
    let later = at("2026-01-10T09:00:01Z");
    assert_eq!(desk.ledger.uninvoiced(later, 9).await.unwrap(), std::slice::from_ref(&two));

    // A guess keeps nobody from a certain match, and gives way to it.
    desk.matched(&[(1, 1, Rule::AmountAndTime)]).await;
    assert_eq!(desk.ledger.claims(Rule::SesidIsLink, &rows).await.unwrap(), [claim(1)]);
    assert_eq!(desk.ledger.uninvoiced(since, 9).await.unwrap(), [two]);
    assert_eq!(desk.ledger.loose(&rows).await.unwrap(), [], "not guessed at again");
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2, 3]);
    desk.matched(&[(3, 1, Rule::SesidIsLink)]).await;
    assert_eq!(desk.owners().await, ["1 - - 0", "2 - - 0", "3 1 sesid_is_link 0"]);
    assert_eq!(desk.ledger.claims(Rule::SesidIsLink, &rows).await.unwrap(), [], "it has one");
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn an_abandoned_wallets_invoice_is_nobodys_until_it_is_matched_again() {
    let mut desk = Desk::new().await;
    desk.wallet(1, "5").await;
    desk.keep((1..=4).map(|number| invoice(number, Some(500), "paid")).collect(), &[], &[]).await;
    desk.matched(&[(4, 1, Rule::SesidIsLink)]).await;
    let orders = ["pay-2".to_owned(), "ses-3".to_owned(), "pay-4".to_owned()];
    desk.ledger.mark_abandoned(&[1], &orders).await.unwrap();
    assert_eq!(desk.owners().await, ["1 - - 1", "2 - - 1", "3 - - 1", "4 1 sesid_is_link 0"]);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [] as [i64; 0]);
    let tally = |rule: &str, invoices| Tally {
        rule: rule.to_owned(),
        invoices,
        credited: invoices,
        credited_cents: invoices * 500,
    };
    assert_eq!(desk.ledger.tally().await.unwrap(), [tally("abandoned", 3), tally("sesid_is_link", 1)]);
    desk.keep(vec![invoice(5, Some(7), "check"), invoice(6, Some(8), "check")], &[], &[]).await;
    desk.wait(60);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [] as [i64; 0]);
    desk.ledger
        .rematch(&["pay-5".to_owned(), "ses-6".to_owned(), "pay-4".to_owned()], desk.now)
        .await
        .unwrap();
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [5, 6]);
    assert_eq!(desk.ledger.free_invoices(&[1, 5, 6]).await.unwrap(), [(5, 5), (6, 6)]);
}

#[tokio::test]
async fn deposits_and_invoices_stand_side_by_side_where_they_may_not_agree() {
    let mut desk = Desk::new().await;
    for number in 1..=4 {
        desk.paid(number, "5").await;
    }
    let open = desk.wallet(5, "5").await;
    let head = desk.ledger.head_hash().await.unwrap().unwrap().0;
    let mut list: Vec<_> = (1..=5).map(|number| invoice(number, Some(500), "paid")).collect();
    list[1].amount_cents = Some(501);
    list[2].status = Some("cancel".to_owned());
    desk.keep(list, &[], &[]).await;
    desk.matched(&[
        (1, 1, Rule::PayIdIsOrder),
        (2, 2, Rule::PayIdIsOrder),
        (3, 3, Rule::PayIdIsOrder),
        (5, 5, Rule::PayIdIsOrder),
    ])
    .await;
    let of = |scope: Scope| {
        let ledger = desk.ledger.clone();
        async move {
            let mut pairs = ledger.suspects(&scope).await.unwrap();
            pairs.sort_by_key(|pair| pair.deposit_id);
            let say = |pair: crate::domain::reconcile::Pair| {
                (
                    pair.deposit_id.uuid().as_u128(),
                    pair.state,
                    pair.booked,
                    pair.invoice_cents,
                    pair.invoice_status,
                )
            };
            pairs.into_iter().map(say).collect::<Vec<_>>()
        }
    };
    let booked = Some(UsdMicros::new(5_000_000));
    let (paid, cancel) = (Some("paid".to_owned()), Some("cancel".to_owned()));
    let suspects = [
        (2, State::Settled, booked, Some(501), paid.clone()),
        (3, State::Settled, booked, Some(500), cancel),
        (5, State::AwaitingPayment, None, Some(500), paid),
    ];
    assert_eq!(of(Scope::Whole).await, suspects);
    let these = |numbers: &[u128]| Scope::These(numbers.iter().map(|n| id(*n).to_string()).collect());
    assert_eq!(of(these(&[1, 3])).await, suspects[1..2]);
    let missing = |scope: Scope| {
        let ledger = desk.ledger.clone();
        async move {
            let rows = ledger.booked_without_invoice(&scope).await.unwrap();
            rows.into_iter().map(|c| (c.id.uuid().as_u128(), c.order_id, c.booked.get())).collect::<Vec<_>>()
        }
    };
    assert_eq!(missing(Scope::Whole).await, [(4, order(4), 5_000_000)]);
    assert_eq!(missing(these(&[4, 5])).await, [(4, order(4), 5_000_000)]);
    assert_eq!(missing(these(&[1])).await, []);

    // Looked at again: what has changed since, whose invoice has, and whoever is asked for.
    let touched = |seq, since, more: Vec<String>| {
        let ledger = desk.ledger.clone();
        async move {
            let Scope::These(mut ids) = ledger.touched(seq, since, &more).await.unwrap() else { panic!() };
            ids.sort_unstable();
            ids.into_iter().map(|id| id.parse::<DepositId>().unwrap().uuid().as_u128()).collect::<Vec<_>>()
        }
    };
    let later = desk.now.plus(Duration::from_secs(1));
    assert_eq!(touched(head, later, Vec::new()).await, [] as [u128; 0]);
    assert_eq!(touched(head - 1, later, Vec::new()).await, [5]);
    assert_eq!(touched(head, desk.now, Vec::new()).await, [1, 2, 3, 5]);
    assert_eq!(touched(head, later, vec![id(4).to_string()]).await, [4]);
    // Booked after the list was read: its figure is missing there, not wrong.
    desk.wait(5);
    desk.observe(open, looked("paid", "")).await;
    assert_eq!(desk.ledger.booked_since(head).await.unwrap(), [], "the list shows it as paid already");
    let late = desk.wallet(6, "7").await;
    desk.look(late, "paid", "").await;
    assert_eq!(desk.ledger.booked_since(head).await.unwrap(), [(id(6), 700)]);
    assert_eq!(desk.ledger.booked_since(head + 9).await.unwrap(), []);
    let totals = Totals { credited_here_cents: 3200, credited_elsewhere_cents: 500 };
    assert_eq!(desk.ledger.totals().await.unwrap(), totals);
    // Four that were called paid, and the fifth by what is booked.
    assert_eq!(desk.ledger.credited_invoices().await.unwrap(), 500 + 501 + 500 + 500 + 500);
}
