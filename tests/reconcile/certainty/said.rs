//! What a person says: accepted, corrected, taken back; each with a note, and nothing written where it makes no sense.

use depositd::domain::money::Amount;
use depositd::domain::reconcile::CaseKind;
use depositd::flow::{CaseError, Correction, CorrectionRequest};
use depositd::sandbox::upstream::ListLie;

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn wish<'a>(note: &'a str, amount: Option<&'a Amount>) -> CorrectionRequest<'a> {
    CorrectionRequest { who: "root", note, amount, dry_run: false }
}

async fn correct(house: &House, deposit: &Deposit, usd: Option<&str>) -> Result<Correction, CaseError> {
    let usd = usd.map(amount);
    flow::correct_deposit(&house.flow, &deposit.id.to_string(), wish("as support says", usd.as_ref())).await
}

/// Refused in words, and nothing is written.
async fn refused<T: std::fmt::Debug>(
    house: &House,
    done: impl Future<Output = Result<T, CaseError>>,
) -> String {
    const ALL: &str = "SELECT (SELECT max(seq) FROM event), (SELECT group_concat(closed_at) FROM discrepancy), \
        (SELECT count(*) FROM acceptance), (SELECT group_concat(value) FROM meta), (SELECT count(*) FROM posting)";
    let before = house.sql(ALL);
    let why = match done.await {
        Err(CaseError::Refused(why) | CaseError::Note(why)) => why,
        Err(CaseError::Unknown(what)) => format!("unknown {what}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(house.sql(ALL), before, "{why}");
    why
}

/// Money that no poll and no row states in time: a person books it, and everything is clean.
#[tokio::test]
async fn what_nothing_states_a_person_can_book() {
    // Short with a figure that was not credited.
    let (house, _) = house_of(1).await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::PayPart { amount_usd: Some(amount("25")) }).unwrap();
    house.simulator.act(&order, figures(|figures| figures.credited_cents = Some(0))).unwrap();
    house.simulator.act(&order, Action::CloseShort).unwrap();
    house.poll().await;
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["total_charges_drift"], false), "{:?}", report.figures);
    assert_eq!(report.figures.unwrap().difference_cents, Some(-2_500));
    refused(&house, correct(&house, &deposit, None)).await;
    correct(&house, &deposit, Some("0")).await.unwrap();
    closes(&house).await;

    // Short without a figure.
    let (house, _) = house_of(1).await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house
        .simulator
        .overlay(&order, r#"{"payment_amount": null, "payment_amount_usd": null, "payer_amount": null}"#)
        .unwrap();
    house.simulator.act(&order, Action::PayPart { amount_usd: Some(amount("25")) }).unwrap();
    house.simulator.act(&order, Action::CloseShort).unwrap();
    house.poll().await;
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["total_charges_drift"], false), "{:?}", report.figures);
    correct(&house, &deposit, Some("25")).await.unwrap();
    closes(&house).await;

    // Paid and refunded between two polls.
    let (house, _) = house_of(1).await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    for act in [Action::Pay { amount_usd: None }, Action::StartRefund, Action::FinishRefund] {
        house.simulator.act(&order, act).unwrap();
    }
    house.poll().await;
    let report = house.reconcile().await;
    assert!(!report.clean, "{report:?}");
    assert_eq!(report.figures.unwrap().difference_cents, Some(5_000));
    correct(&house, &deposit, Some("50")).await.unwrap();
    assert_eq!(house.sql("SELECT amount_booked, amount_refunded_micros FROM accounting_deposits ORDER BY requested_at DESC LIMIT 1"), "50.00|50000000");
    closes(&house).await;
}

#[tokio::test]
async fn less_than_a_cent_is_equal() {
    for credited in [617, 618] {
        for paid in ["6.177", "6.170001", "6.1799"] {
            let (house, _) = house_of(1).await;
            let deposit = house.wallet("6.17").await;
            let order = house.order(&deposit);
            house
                .simulator
                .act(
                    &order,
                    figures(|figures| {
                        figures.payment_amount_usd = Some(amount(paid));
                        figures.credited_cents = Some(credited);
                        figures.invoice_cents = Some(credited);
                    }),
                )
                .unwrap();
            house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
            house.poll().await;
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{paid} credited {credited}");
            assert!(letters(&house, "discrepancy_opened").await.is_empty());
            closes(&house).await;
        }
    }
}

#[tokio::test]
async fn a_drift_is_told_again_when_it_has_changed_and_at_most_once_a_day() {
    let (house, _) = house_of(1).await;
    house.simulator.adjust(0, 1).unwrap();
    house.reconcile().await;
    house.reconcile().await;
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1);
    house.simulator.adjust(0, 500_000).unwrap();
    for run in 0..96 {
        house.clock.advance(Duration::from_mins(15));
        house.reconcile().await;
        let told = letters(&house, "discrepancy_opened").await.len();
        assert_eq!(told, if run < 95 { 1 } else { 2 }, "run {run}");
    }
    house.clock.advance(2 * DAY);
    house.reconcile().await;
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 2, "it has not changed since");
}

#[tokio::test]
async fn a_drift_that_a_person_closed_or_accepted_is_not_back_with_each_top_up() {
    for close in [true, false] {
        let (house, _) = house_of(1).await;
        house.simulator.adjust(0, 250).unwrap();
        let case = house.reconcile().await.cases[0].id;
        refused(&house, flow::accept_case(&house.flow, case, "root", " ", None)).await;
        refused(&house, flow::accept_case(&house.flow, 99, "root", "x", None)).await;
        refused(&house, flow::accept_case(&house.flow, case, "root", "x", Some(250))).await;
        refused(&house, flow::unaccept_case(&house.flow, case, "root", "x")).await;
        refused(&house, flow::correct_case(&house.flow, case, wish("x", None))).await;
        refused(&house, flow::uncorrect_case(&house.flow, case, "root", "x")).await;
        let closed = if close {
            flow::close_case(&house.flow, case, "root", "a gift").await.unwrap()
        } else {
            flow::accept_case(&house.flow, case, "root", "a gift", None).await.unwrap()
        };
        assert_eq!(closed.resolution.as_deref(), Some(if close { "a gift" } else { "accepted: a gift" }));
        refused(&house, flow::accept_case(&house.flow, case, "root", "twice", None)).await;
        for cents in [100, 7, 250] {
            house.simulator.top_up_elsewhere(cents, "card").unwrap();
            paid(&house, "20").await;
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true));
            assert_eq!(report.figures.unwrap().accepted_cents, 250);
        }
        assert_eq!(letters(&house, "decided").await.len(), 1);
        // The same again is another one.
        house.simulator.adjust(0, 250).unwrap();
        let report = house.reconcile().await;
        assert_eq!(report.figures.as_ref().unwrap().difference_cents, Some(250));
        let second = report.cases[0].id;
        flow::accept_case(&house.flow, second, "root", "another", None).await.unwrap();
        closes(&house).await;
        // Taken back it stands again, one by one.
        refused(&house, flow::unaccept_case(&house.flow, case, "root", "")).await;
        flow::unaccept_case(&house.flow, case, "root", "no gift").await.unwrap();
        refused(&house, flow::unaccept_case(&house.flow, case, "root", "twice")).await;
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (vec!["total_charges_drift"], false));
        assert_eq!(report.figures.unwrap().difference_cents, Some(250));
        flow::accept_case(&house.flow, report.cases[0].id, "root", "it is", None).await.unwrap();
        closes(&house).await;
    }
}

/// The journal's figure is accepted against rows that say something else: it counts at that, until they change, or the
/// word is taken back.
#[tokio::test]
async fn an_accepted_figure_of_a_deposit_counts_until_its_rows_change_or_it_is_taken_back() {
    for (lie, kind) in [
        (ListLie::AmountOf { order_id: String::new(), cents: 900 }, "amount_mismatch"),
        (ListLie::StatusOf { order_id: String::new(), word: "cancel".to_owned() }, "status_mismatch"),
        (ListLie::HideRow { order_id: String::new() }, "invoice_missing"),
    ] {
        let (house, _) = house_of(1).await;
        let deposit = paid(&house, "10").await;
        let order_id = house.order(&deposit);
        house.simulator.set_list_lie(match lie {
            ListLie::AmountOf { cents, .. } => ListLie::AmountOf { order_id, cents },
            ListLie::StatusOf { word, .. } => ListLie::StatusOf { order_id, word },
            _ => ListLie::HideRow { order_id },
        });
        let report = house.reconcile().await;
        assert_eq!(kinds(&report), [kind, "total_charges_drift"]);
        let case = report.cases.iter().find(|case| case.kind == kind).unwrap().id;
        refused(&house, flow::accept_case(&house.flow, case, "root", "", None)).await;
        refused(&house, flow::accept_case(&house.flow, case, "root", "x", Some(900))).await;
        flow::accept_case(&house.flow, case, "root", "their list is wrong", None).await.unwrap();
        for _ in 0..3 {
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{kind}: {:?}", report.figures);
        }
        house.clock.advance(2 * DAY);
        assert!(house.reconcile().await.clean, "{kind}: the whole too");
        let mut house = house.restart().await;
        assert!(house.reconcile().await.clean, "{kind}");
        flow::unaccept_case(&house.flow, case, "root", "it is not").await.unwrap();
        let report = house.reconcile().await;
        assert_eq!(
            (kinds(&report), report.clean),
            (vec![kind, "total_charges_drift"], false),
            "{kind}: back"
        );
        let case = report.cases.iter().find(|case| case.kind == kind).unwrap().id;
        flow::accept_case(&house.flow, case, "root", "it is after all", None).await.unwrap();
        assert!(house.reconcile().await.clean, "{kind}");
        // The list is right again: nothing has to be taken back.
        house.simulator.clear_list_lies();
        house = house.restart().await;
        closes(&house).await;
    }
}

#[tokio::test]
async fn corrections_are_said_written_once_and_can_be_taken_back() {
    let (house, _) = house_of(1).await;
    let deposit = paid(&house, "50").await;
    let order = house.order(&deposit);
    house
        .simulator
        .act(
            &order,
            figures(|figures| {
                figures.invoice_cents = Some(4_900);
            }),
        )
        .unwrap();
    let report = house.reconcile().await;
    let case = report.cases.iter().find(|case| case.kind == "amount_mismatch").unwrap().id;
    let (fine, fifty) = (amount("49.001"), amount("50.00"));
    for bad in [wish("", None), wish("  ", Some(&fifty)), wish("x", Some(&fine)), wish("x", Some(&fifty))] {
        refused(&house, flow::correct_case(&house.flow, case, bad)).await;
        refused(&house, flow::correct_deposit(&house.flow, &order, bad)).await;
    }
    refused(&house, flow::correct_case(&house.flow, 99, wish("x", None))).await;
    refused(&house, flow::correct_deposit(&house.flow, "nobody", wish("x", None))).await;
    refused(&house, flow::uncorrect_deposit(&house.flow, &order, "root", "x")).await;
    let before = house.sql("SELECT max(seq) FROM event");
    let asked = CorrectionRequest { dry_run: true, ..wish("as listed", None) };
    assert!(!flow::correct_case(&house.flow, case, asked).await.unwrap().done);
    assert_eq!(house.sql("SELECT max(seq) FROM event"), before, "only asked");
    let done = flow::correct_case(&house.flow, case, wish("as listed", None)).await.unwrap();
    assert_eq!(
        (done.booked.as_deref(), done.corrected.as_deref(), done.done),
        (Some("50.00"), Some("49.00"), true)
    );
    refused(&house, flow::correct_deposit(&house.flow, &order, wish("again", None))).await;
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["total_charges_drift"], "the row lies: it is seen in the total");
    // Looks change nothing of what was said.
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.booked.unwrap().total().to_string(), "49.00");
    refused(&house, flow::uncorrect_deposit(&house.flow, &order, "root", " ")).await;
    flow::uncorrect_deposit(&house.flow, &order, "root", "the row was wrong").await.unwrap();
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["total_charges_drift", "amount_mismatch"], "back");
    house.simulator.act(&order, figures(|figures| figures.invoice_cents = Some(5_000))).unwrap();
    assert_eq!(letters(&house, "decided").await.len(), 2);
    closes(&house).await;
}

#[tokio::test]
async fn all_cases_of_a_kind_are_corrected_with_one_letter() {
    let (house, made) = house_of(4).await;
    let asked = amount("5");
    refused(&house, flow::correct_all(&house.flow, CaseKind::AmountMismatch, wish("x", None))).await;
    for deposit in &made[..3] {
        let cents = deposit.facts.booked.as_ref().unwrap().total().get() / 10_000;
        let act = figures(|figures| {
            figures.invoice_cents = Some(cents - 10);
            figures.credited_cents = Some(cents - 10);
        });
        house.simulator.act(&house.order(deposit), act).unwrap();
    }
    // The total holds less, too; that has its own case.
    void(&house).await;
    void(&house).await;
    let fell = house.flow.ledger.cases(false).await.unwrap()[0].id;
    flow::accept_case(&house.flow, fell, "root", "fees", None).await.unwrap();
    assert_eq!(kinds(&house.reconcile().await), ["amount_mismatch"; 3]);
    refused(&house, flow::correct_all(&house.flow, CaseKind::AmountMismatch, wish("", None))).await;
    refused(&house, flow::correct_all(&house.flow, CaseKind::AmountMismatch, wish("x", Some(&asked)))).await;
    refused(&house, flow::correct_all(&house.flow, CaseKind::TotalChargesDrift, wish("x", None))).await;
    refused(&house, flow::correct_all(&house.flow, CaseKind::InvoiceMissing, wish("x", None))).await;
    let before = letters(&house, "decided").await.len();
    let done = flow::correct_all(&house.flow, CaseKind::AmountMismatch, wish("fees", None)).await.unwrap();
    assert_eq!(done.len(), 3);
    assert_eq!(letters(&house, "decided").await.len(), before + 1, "one letter");
    closes(&house).await;
}
