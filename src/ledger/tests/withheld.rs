//! Addresses that are shown to nobody, memos beside them, and orders and addresses that two deposits were given.

use super::*;
use crate::domain::money::UsdMicros;

/// A wallet whose amount could not be read.
fn unread(number: u128, now: Timestamp) -> OrderReport {
    OrderReport { amount_crypto: None, memo: Some("77".to_owned()), ..wallet_report(number, "5", now) }
}

async fn withheld(bench: &Bench, number: u128) -> Deposit {
    let asked = bench.ask(number, "5").await;
    bench.observe(asked, Observation::Wallet(Box::new(unread(number, bench.now)))).await
}

#[tokio::test]
async fn a_withheld_address_stands_in_no_column_until_it_may_be_shown() {
    let mut bench = Bench::new().await;
    let deposit = withheld(&bench, 1).await;
    let shown = "SELECT concat_ws('|', d.address = '', v.address IS NULL, v.memo, v.order_id, v.needs_review IS NOT NULL)
                 FROM deposit d JOIN accounting_deposits v USING (id)";
    assert_eq!(bench.row(shown).await, "1|1|77|order-1|1");
    assert_eq!(bench.findings().await, Vec::new());
    let address = format!("0x{:040x}", 1);
    assert!(bench.ledger.find(&address).await.unwrap().is_none(), "nobody can know it");
    assert!(bench.ledger.find("").await.unwrap().is_none());
    assert_eq!(bench.ledger.find("order-1").await.unwrap().unwrap().id, deposit.id);
    // The columns cannot be bent: not to another order, not to nothing.
    let mut aside = bench.aside().await;
    for bend in ["UPDATE deposit SET order_id = 'other'", "UPDATE deposit SET address = NULL"] {
        assert!(sqlx::query(bend).execute(&mut aside).await.is_err(), "{bend}");
    }
    let other = "UPDATE deposit SET facts = json_replace(facts, '$.wallet.address', '0xabc')";
    assert!(sqlx::query(other).execute(&mut aside).await.is_err());
    let bare = "UPDATE deposit SET facts = json_remove(facts, '$.wallet.withheld')";
    assert!(sqlx::query(bare).execute(&mut aside).await.is_err());
    aside.close().await.unwrap();

    bench.wait(1);
    let whole = Observation::Polled(Box::new(wallet_report(1, "5", bench.now)));
    let deposit = bench.observe(deposit, whole).await;
    assert_eq!(deposit.facts.wallet.as_ref().unwrap().shown_address(), Some(address.as_str()));
    assert_eq!(bench.row(shown).await, "0|0|77|order-1|0");
    assert_eq!(bench.findings().await, Vec::new());
    assert_eq!(bench.ledger.find(&address).await.unwrap().unwrap().id, deposit.id);
    // Once it is shown it never changes.
    let mut aside = bench.aside().await;
    for bend in ["UPDATE deposit SET address = ''", "UPDATE deposit SET address = '0xabc'"] {
        assert!(sqlx::query(bend).execute(&mut aside).await.is_err(), "{bend}");
    }
    aside.close().await.unwrap();
    bench.wait(1);
    let report = OrderReport { status: Some("paid".to_owned()), ..wallet_report(1, "5", bench.now) };
    let paid = bench.observe(deposit, Observation::Polled(Box::new(report))).await;
    assert_eq!(paid.facts.state, crate::domain::deposit::State::Settled);
    assert_eq!(bench.reopened().await.findings().await, Vec::new());
}

#[tokio::test]
async fn orders_and_addresses_are_found_in_any_letter_case_also_where_they_are_not_shown() {
    let bench = Bench::new().await;
    let uuid = "af161c5a-936c-4294-b656-6da12b77e232";
    let given = |number, change: fn(&mut OrderReport)| {
        let mut report = wallet_report(number, "5", bench.now);
        report.address = Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned());
        change(&mut report);
        Observation::Wallet(Box::new(report))
    };
    let one = bench.ask(1, "5").await;
    let one = bench
        .observe(one, given(1, |r| r.order_id = Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned())))
        .await;
    let two = bench.ask(2, "5").await;
    let two = bench.observe(two, given(2, |r| r.amount_crypto = None)).await;
    for name in [uuid.to_owned(), uuid.to_uppercase()] {
        assert_eq!(bench.ledger.find_order(&name).await.unwrap().unwrap().id, one.id);
        assert_eq!(bench.ledger.find(&name).await.unwrap().unwrap().id, one.id);
    }
    assert!(bench.ledger.find_order("ORDER-2").await.unwrap().is_none(), "only UUIDs");
    let holders = bench.ledger.holders_of("0x66B928A82377D75CED043E95738372E9E9607F1F").await.unwrap();
    let holders: Vec<_> = holders.iter().map(|deposit| deposit.id).collect();
    assert_eq!(holders, [two.id, one.id], "the newest first, shown or not");
    assert!(bench.ledger.holders_of("0x0").await.unwrap().is_empty());
}

/// Every kind of deposit that can be booked, with a coupon and without: the proof holds for each, and for all together.
#[tokio::test]
async fn the_proof_holds_for_every_kind_of_deposit_that_can_be_booked() {
    let mut bench = Bench::new().await;
    let lives: &[&[(&str, &str)]] = &[
        &[("paid", "")],
        &[("paid", "usd=4.177 crypto=4.2")],
        &[("paid_over", "usd=7.509")],
        &[("paid", "usd=5.00"), ("paid_over", "usd=6.00")],
        &[("wrong_amount", "usd=3.333")],
        &[("wrong_amount", "")],
        &[("wrong_amount", "usd=3.00"), ("paid", "usd=5.00")],
        &[("locked", "usd=5.00 crypto=4.99")],
        &[("locked", "usd=5.00"), ("paid", "usd=5.00")],
        &[("paid", "usd=5.001"), ("refund_process", ""), ("refund_paid", "")],
        &[("paid", "usd=5.00"), ("refund_paid", "back=1.239")],
        &[("refund_paid", "")],
        &[("cancel", "")],
        &[("cancel", "usd=5.00 txid=0xabc")],
        &[("fail", "")],
        &[("check", "")],
    ];
    let mut number = 0;
    for coupon in [None, Some("SPRING")] {
        for life in lives {
            for said in [None, Some(4_440_000), Some(0)] {
                number += 1;
                let mut write = bench.request(number, "5");
                write.step = {
                    let mut request = write.step.deposit.request.clone();
                    request.coupon = coupon.map(str::to_owned);
                    Deposit::open(id(number), request)
                };
                let mut deposit = write.step.deposit.clone();
                bench.write(write).await;
                let report = wallet_report(number, "4.90", bench.now);
                deposit = bench.observe(deposit, Observation::Wallet(Box::new(report))).await;
                for (word, figures) in *life {
                    deposit = bench.poll(deposit, word, figures).await;
                }
                let Some(micros) = said else { continue };
                let reason = "support says so".to_owned();
                let said =
                    Observation::Corrected { credited: UsdMicros::new(micros), reason: reason.clone() };
                let Ok(step) = deposit.clone().observe(said, bench.now, &Policy::default()) else { continue };
                let mut corrected = step.deposit.clone();
                bench.write(step).await;
                corrected = bench.poll(corrected, "paid", "usd=5.00").await;
                if number % 2 == 0 {
                    let step = bench.step(&corrected, Observation::Uncorrected { reason });
                    bench.write(step).await;
                }
            }
        }
    }
    assert_eq!(bench.findings().await, Vec::new());
    let cents = "SELECT CAST(count(*) AS TEXT) FROM posting WHERE account LIKE 'assets:%' AND amount_usd_micros % 10000 <> 0";
    assert_eq!(bench.row(cents).await, "0", "the prepaid account holds whole cents");
    let rounding = "SELECT CAST(count(*) AS TEXT) FROM posting WHERE account = 'equity:rounding'";
    assert_ne!(bench.row(rounding).await, "0");
    let coupons = "SELECT CAST(count(*) AS TEXT) FROM posting WHERE account = 'equity:difference:coupon'";
    assert_ne!(bench.row(coupons).await, "0");
    assert_eq!(bench.reopened().await.findings().await, Vec::new());
}
