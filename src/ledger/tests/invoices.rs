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
    async fn keep(&self, changes: Vec<InvoiceRow>, gone: &[i64]) {
        self.keep_as(changes, &[], gone).await;
    }

    async fn keep_as(&self, changes: Vec<InvoiceRow>, fates: &[(usize, Fate)], gone: &[i64]) {
        let mut spool = self.ledger.spool();
        changes.into_iter().for_each(|row| spool.push(row));
        self.ledger.keep_invoices(spool.into_pages().unwrap(), fates, gone, self.now).await.unwrap();
    }

    async fn matched(&self, matches: &[(i64, i64, Rule)]) {
        let matches: Vec<_> = matches
            .iter()
            .map(|(row, deposit, rule)| Match { row: *row, deposit: *deposit, rule: *rule })
            .collect();
        self.ledger.keep_matches(&matches).await.unwrap();
    }

    /// What every rule says of these invoices: the invoice and the deposit.
    async fn claims(&self, rows: &[i64]) -> Vec<(Rule, i64, i64)> {
        let mut said = Vec::new();
        for rule in Rule::CERTAIN.iter().copied().chain([Rule::AmountAndTime]) {
            let claims = self.ledger.claims(rule, rows).await.unwrap();
            said.extend(claims.iter().map(|Claim { row, deposit, .. }| (rule, *row, *deposit)));
        }
        said
    }

    async fn owners(&self) -> Vec<String> {
        self.rows("SELECT concat_ws(' ', row_id, coalesce(deposit_row, '-'), coalesce(rule, '-'), abandoned) FROM invoice ORDER BY row_id").await
    }
}

#[tokio::test]
async fn an_invoice_is_kept_once_and_a_figure_that_could_be_read_once_stands() {
    let mut desk = Desk::new().await;
    desk.keep(vec![invoice(2, Some(600), "paid"), invoice(1, None, "check")], &[]).await;
    let mut first = vec![known(1, 1), known(2, 1)];
    // Numbered as they came, ordered by what they are called by.
    first[0].row = 2;
    first[1].row = 1;
    assert_eq!(desk.ledger.known_invoices().await.unwrap(), first);
    let seen = desk.now;
    desk.wait(60);
    let changed = InvoiceRow {
        print: 21,
        amount_cents: None,
        status: Some("refund_paid".to_owned()),
        credited: false,
        ..invoice(2, None, "x")
    };
    desk.keep_as(vec![changed], &[(0, Fate::Update(1))], &[2]).await;
    assert_eq!(
        desk.rows("SELECT concat_ws(' ', row_id, name_print, place, print, amount_cents, status, credited, listed, first_seen_ms) FROM invoice ORDER BY row_id").await,
        [
            format!("1 2 1 21 600 refund_paid 1 1 {}", seen.as_millis()),
            format!("2 1 1 10 check 0 0 {}", seen.as_millis()),
        ],
        "what was credited once stays so"
    );
    assert_eq!(desk.ledger.known_invoices().await.unwrap()[0].listed, 0);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2], "both have changed");
    desk.wait(60);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [] as [i64; 0]);
    assert_eq!(desk.ledger.unmatched(at("1970-01-01T00:00:00Z")).await.unwrap(), [1, 2], "ever");
    assert_eq!(desk.ledger.free_invoices(&[1, 2, 3]).await.unwrap(), [(1, 2)], "the other one was credited");
}

#[tokio::test]
async fn a_list_that_is_begun_again_keeps_nothing_of_the_first_try() {
    let desk = Desk::new().await;
    // What is in memory only, what is on the disk, what is on both, and what could not be put there.
    for rows in [3, 2000, 2001] {
        let mut spool = desk.ledger.spool();
        (1..=rows).for_each(|number| spool.push(invoice(number, Some(1), "check")));
        let mut spool = spool.again();
        spool.push(invoice(7, Some(1), "check"));
        let mut pages = spool.into_pages().unwrap();
        let page = pages.next().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&page).unwrap()[0][1], 7, "after {rows}");
        assert_eq!((page.lines().count(), pages.next().unwrap()), (1, None), "after {rows}");
    }
    std::fs::create_dir(desk.file("ledger.db-list")).unwrap();
    let full = |mut spool: crate::ledger::Spool| {
        (1..=2000).for_each(|number| spool.push(invoice(number, Some(1), "check")));
        spool
    };
    let failed = full(desk.ledger.spool()).into_pages().unwrap_err();
    assert!(failed.to_string().contains("ledger.db-list"), "{failed}");
    let failed = full(desk.ledger.spool());
    std::fs::remove_dir(desk.file("ledger.db-list")).unwrap();
    let mut pages = full(failed.again()).into_pages().unwrap();
    assert!(pages.next().unwrap().is_some_and(|page| page.matches("ses-").count() == 2000));
}

#[tokio::test]
async fn thousands_of_invoices_come_in_pages_and_none_is_lost() {
    let desk = Desk::new().await;
    desk.wallet(1, "5").await;
    desk.keep((1..=6000).map(|number| invoice(number, Some(1), "check")).collect(), &[]).await;
    let rows = desk.ledger.known_invoices().await.unwrap();
    assert_eq!(rows, (1..=6000).map(|row| known(row, 1)).collect::<Vec<_>>());
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), (1..=6000).collect::<Vec<_>>());
    // In the second page: one that is known, and two that are called as one that is.
    let mut again: Vec<_> = (7001..=9100).map(|number| invoice(number, Some(1), "check")).collect();
    again[2000] = invoice(19, Some(4), "paid");
    again[2001] = invoice(17, Some(2), "paid");
    again[2003] = InvoiceRow { print: 181, ..invoice(18, Some(3), "paid") };
    let fates = [(2000, Fate::Update(19)), (2001, Fate::Update(17)), (2003, Fate::Insert(2))];
    desk.keep_as(again, &fates, &[]).await;
    let like = "SELECT concat_ws(' ', row_id, place, amount_cents) FROM invoice WHERE name_print IN (17, 18, 19) ORDER BY row_id";
    assert_eq!(desk.rows(like).await, ["17 1 2", "18 1 1", "19 1 4", "8002 2 3"]);
    assert_eq!(desk.ledger.known_invoices().await.unwrap().len(), 8098);
    let gone: Vec<i64> = (1..=5500).collect();
    desk.keep(Vec::new(), &gone).await;
    let listed = desk.ledger.known_invoices().await.unwrap().iter().filter(|known| known.listed == 1).count();
    assert_eq!(listed, 2598);
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
    let over = desk.look(two.clone(), "paid_over", "usd=7.00").await;
    let mut others = invoice(2, Some(2), "check");
    others.method = Some("Stripe".to_owned());
    desk.keep(vec![invoice(1, Some(515), "check"), others, invoice(3, None, "check")], &[]).await;
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2, 3]);
    let created = at("2026-01-10T09:00:00Z");
    // Another processor's, and one without a figure, are not guessed at.
    let loose = Loose { row: 1, print: 10, cents: 515, created };
    assert_eq!(desk.ledger.loose(&[1, 2, 3]).await.unwrap(), [loose]);

    let link = |number: u128| Uuid::from_u128(number + 1000).to_string();
    let mut named = [invoice(4, None, "check"), invoice(5, None, "check"), invoice(6, None, "check")];
    named[0].pay_id = Some("order-1".to_owned());
    named[1].sesid = Some(link(2));
    (named[2].sesid, named[2].pay_id) = (Some("order-2".to_owned()), Some(link(1)));
    desk.keep(named.into(), &[]).await;
    let said = [
        (Rule::PayIdIsOrder, 4, 1),
        (Rule::SesidIsOrder, 6, 2),
        (Rule::PayIdIsLink, 6, 1),
        (Rule::SesidIsLink, 5, 2),
    ];
    assert_eq!(desk.claims(&[1, 2, 3, 4, 5, 6]).await, said);
    assert_eq!(desk.claims(&[4]).await, said[..1]);
    assert_eq!(desk.claims(&[]).await, []);
    let candidate = |deposit: &Deposit, number, cents: &[i64]| Candidate {
        deposit: number,
        created_at: deposit.facts.wallet.as_ref().unwrap().created_at,
        cents: cents.to_vec(),
    };
    let (one, two) = (candidate(&one, 1, &[515, 515]), candidate(&over, 2, &[600, 600, 700]));
    let since = at("2026-01-10T09:00:00Z");
    assert_eq!(
        desk.ledger.uninvoiced(since, 9).await.unwrap(),
        [two.clone(), one.clone()],
        "the newest first"
    );
    assert_eq!(desk.ledger.uninvoiced(since, 1).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(
        desk.ledger.uninvoiced(at("2026-01-10T09:00:01Z"), 9).await.unwrap(),
        std::slice::from_ref(&two)
    );

    // A guess keeps nobody from a certain match, and gives way to it.
    desk.matched(&[(1, 1, Rule::AmountAndTime)]).await;
    assert_eq!(desk.claims(&[4]).await, said[..1]);
    assert_eq!(desk.ledger.uninvoiced(since, 9).await.unwrap(), [two]);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(desk.ledger.loose(&[1]).await.unwrap(), [], "not guessed at again");
    desk.matched(&[(3, 1, Rule::PayIdIsOrder)]).await;
    assert_eq!(desk.owners().await[..3], ["1 - - 0", "2 - - 0", "3 1 pay_id_is_order 0"]);
    assert_eq!(desk.claims(&[4]).await, []);
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [1, 2, 4, 5, 6]);
}

#[tokio::test]
async fn an_abandoned_wallets_invoice_is_nobodys_until_it_is_matched_again() {
    let mut desk = Desk::new().await;
    desk.wallet(1, "5").await;
    desk.keep((1..=4).map(|number| invoice(number, Some(500), "paid")).collect(), &[]).await;
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
    desk.keep(vec![invoice(5, Some(7), "check"), invoice(6, Some(8), "check")], &[]).await;
    desk.wait(60);
    desk.ledger.reclaim(desk.now).await.unwrap();
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [] as [i64; 0]);
    desk.ledger
        .rematch(&["pay-5".to_owned(), "ses-6".to_owned(), "pay-4".to_owned()], desk.now)
        .await
        .unwrap();
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [5, 6]);
    assert_eq!(desk.ledger.free_invoices(&[1, 5, 6]).await.unwrap(), [(5, 5), (6, 6)]);
}

/// A sweep and an adoption at the same moment may think differently of one order: what a deposit shows is not abandoned.
#[tokio::test]
async fn an_invoice_of_a_wallet_that_is_shown_is_never_abandoned_for_long() {
    let mut desk = Desk::new().await;
    desk.wallet(1, "5").await;
    let of = |number: u128, pay_id: bool| {
        let (ours, other) = (Some(order(number)), Some(format!("another-{number}")));
        let (pay_id, sesid) = if pay_id { (ours, other) } else { (other, ours) };
        InvoiceRow { pay_id, sesid, ..invoice(i64::try_from(number).unwrap(), Some(500), "paid") }
    };
    desk.keep(vec![of(1, true), of(2, true), of(3, false), of(4, true)], &[]).await;
    desk.ledger.mark_abandoned(&[1], &(1..=4).map(order).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(desk.owners().await, ["1 - - 0", "2 - - 1", "3 - - 1", "4 - - 1"], "the first is shown");
    desk.wallet(2, "5").await;
    desk.wallet(3, "5").await;
    desk.wait(60);
    desk.ledger.reclaim(desk.now).await.unwrap();
    assert_eq!(desk.ledger.unmatched(desk.now).await.unwrap(), [2, 3], "seen as new");
    assert_eq!(desk.owners().await, ["1 - - 0", "2 - - 0", "3 - - 0", "4 - - 1"]);
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
    desk.keep(list, &[]).await;
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
    let mut aside = desk.aside().await;
    for (status, is_suspect) in
        [("Wrong_Amount", 1), ("refund_fail", 1), ("check", 0), ("wrong_amount_waiting", 0), ("paid", 1)]
    {
        let change = sqlx::query("UPDATE invoice SET status = ? WHERE deposit_row = 5").bind(status);
        change.execute(&mut aside).await.unwrap();
        for scope in [Scope::Whole, these(&[2, 5])] {
            let found = of(scope).await.iter().filter(|pair| pair.0 == 5).count();
            assert_eq!(found, is_suspect, "{status}");
        }
    }
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
    assert_eq!(desk.ledger.credited_invoices(head).await.unwrap(), 500 + 501 + 500 + 500 + 500);
    // What was booked while the run was reading is not in the total that was read.
    desk.keep(vec![invoice(6, Some(700), "check")], &[]).await;
    desk.matched(&[(6, 6, Rule::PayIdIsOrder)]).await;
    assert_eq!(desk.ledger.credited_invoices(head).await.unwrap(), 2501);
    assert_eq!(desk.ledger.credited_invoices(head + 9).await.unwrap(), 2501 + 700);
    let word = "UPDATE invoice SET status = 'Wrong_Amount' WHERE row_id = 6";
    sqlx::raw_sql(word).execute(&mut desk.aside().await).await.unwrap();
    assert_eq!(desk.ledger.credited_invoices(head).await.unwrap(), 2501 + 700, "the list knew of it");
}
