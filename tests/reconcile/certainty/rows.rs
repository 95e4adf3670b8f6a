//! Rows: summed by the id that they bear, never guessed at, healed once the list is right again.

use depositd::clock::SystemClock;
use depositd::domain::asset::Asset;
use depositd::sandbox::upstream::{AmountStyle, Call, Fate, Fault, IdField, ListLie, Shape};

use super::*;

#[tokio::test]
async fn several_rows_of_one_deposit_are_summed() {
    for cents in [370, 1, 969] {
        let (house, _) = house_of(1).await;
        let order = house.order(&paid(&house, "9.70").await);
        house.simulator.set_list_lie(ListLie::SplitRow { order_id: order, cents });
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{cents}");
        assert_eq!(report.figures.unwrap().credited_here_cents, 1_000 + 970);
        // Split after it was whole, and whole again.
        house.simulator.clear_list_lies();
        closes(&house).await;
    }
}

#[tokio::test]
async fn a_payment_after_the_end_is_ours_however_it_is_listed() {
    for second in [true, false] {
        let (house, _) = house_of(1).await;
        let deposit = house.wallet("40").await;
        let order = house.order(&deposit);
        house.pass(Duration::from_hours(2), Duration::from_mins(20)).await;
        house.simulator.act(&order, Action::Cancel).unwrap();
        house.pass(30 * DAY, DAY).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Expired, "and watched no more");
        assert!(house.reconcile().await.clean);
        house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
        if second {
            house.simulator.set_list_lie(ListLie::SecondRow);
        }
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "second row {second}");
        let after = house.read(&deposit).await;
        assert_eq!((after.facts.state, after.facts.late), (State::Settled, true));
        closes(&house).await;
    }
}

/// The list was kept, and the process dies before it is compared.
#[tokio::test]
async fn no_kill_between_the_list_and_its_comparison_loses_a_change() {
    for refunded in [true, false] {
        let (mut house, made) = house_of(1).await;
        let late = house.wallet("40").await;
        house.pass(40 * DAY, DAY).await;
        assert!(house.reconcile().await.clean);
        let order = if refunded { house.order(&made[0]) } else { house.order(&late) };
        if refunded {
            house.simulator.act(&order, Action::StartRefund).unwrap();
            house.simulator.act(&order, Action::FinishRefund).unwrap();
        } else {
            house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
        }
        for _ in 0..2 {
            house.simulator.inject_for(&order, Fault::Hang, 1);
            let polls = house.simulator.calls().count(Call::Look);
            let flow = house.flow.clone();
            let run = tokio::spawn(async move { flow::reconcile(&flow).await.is_ok() });
            while house.simulator.calls().count(Call::Look) == polls {
                assert!(!run.is_finished(), "it polls what differs");
                SystemClock::new().sleep(Duration::from_millis(2)).await;
            }
            run.abort();
            assert!(run.await.is_err());
            house = house.die_and_rise().await;
        }
        house.simulator.clear_faults();
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{report:?}");
        if refunded {
            assert_eq!(house.read(&made[0]).await.facts.state, State::Refunded);
        } else {
            assert_eq!(house.read(&late).await.facts.state, State::Settled);
        }
        closes(&house).await;
    }
}

/// Each lie is told in one list; the next is right. Nothing is left of it, and the month can be closed.
#[tokio::test]
async fn one_bad_list_leaves_nothing_behind() {
    for deposits in [3, 8] {
        let (house, made) = house_of(deposits).await;
        let asset = Asset::parse("USDT", "BSC").unwrap();
        let foreign = house.simulator.order_elsewhere(asset, "33", Fate::Manual).unwrap();
        assert!(house.reconcile().await.clean);
        let before = journal(&house);
        let order = house.order(&made[1]);
        let word = |order_id: &str, word: &str| ListLie::StatusOf {
            order_id: order_id.to_owned(),
            word: word.to_owned(),
        };
        let mut lies = vec![
            ListLie::RowsTwice,
            ListLie::RepeatRow { order_id: order.clone(), times: 2 },
            ListLie::RepeatRow { order_id: order.clone(), times: 21 },
            ListLie::RepeatRow { order_id: order.clone(), times: 22 },
            ListLie::SwapFields,
            ListLie::SwapIds,
            ListLie::TwoNames,
            ListLie::Capitals,
            ListLie::ConstantPayId,
            ListLie::Zero,
            ListLie::Factor { num: 3, den: 2 },
            ListLie::AmountOf { order_id: order.clone(), cents: 1 },
            ListLie::AmountOf { order_id: order.clone(), cents: 0 },
            ListLie::AmountOf { order_id: order.clone(), cents: -500 },
            ListLie::HideRow { order_id: order.clone() },
            ListLie::KeepNewest(1),
            ListLie::KeepOldest(1),
            ListLie::DropEvery(2),
            ListLie::Empty,
            ListLie::Shift(3_600),
            ListLie::SplitRow { order_id: order.clone(), cents: 5 },
            ListLie::UnknownWord("settling".to_owned()),
        ];
        for said in ["paid", "paid_over", "wrong_amount", "refund_paid", "cancel", "settling"] {
            lies.push(word(&foreign, said));
            lies.push(word(&order, said));
        }
        for style in [
            AmountStyle::Text,
            AmountStyle::Fraction,
            AmountStyle::Null,
            AmountStyle::Missing,
            AmountStyle::Words,
        ] {
            lies.push(ListLie::AmountAs(style));
        }
        for lie in lies {
            house.simulator.lie_for(lie.clone(), 1);
            let _ = flow::reconcile(&house.flow).await;
            house.simulator.clear_list_lies();
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{lie:?}: {:?}", report.figures);
            assert_eq!(journal(&house), before, "{lie:?}");
            assert_eq!(report.standing.rows, 0, "{lie:?}");
        }
        closes(&house).await;
    }
}

/// None of these says anything else: they are clean while they stand, also when they begin in the middle of a life.
#[tokio::test]
async fn the_same_in_other_words_is_the_same() {
    let styles = [AmountStyle::Text, AmountStyle::Float, AmountStyle::Exponent].map(ListLie::AmountAs);
    let lies = [&[ListLie::Capitals, ListLie::SwapFields, ListLie::ConstantPayId], &styles[..]].concat();
    let fields = [IdField::PayId, IdField::Sesid, IdField::UrlUuid];
    for (lie, id_field) in lies.iter().flat_map(|lie| fields.iter().map(move |field| (lie, *field))) {
        for from_the_start in [true, false] {
            let house = super::super::house().await;
            house.simulator.set_shape(Shape { id_field, ..Shape::default() });
            if from_the_start {
                house.simulator.set_list_lie(lie.clone());
            }
            house.simulator.top_up_elsewhere(12_345, "card").unwrap();
            for amount in ["9.70", "29.10", "5"] {
                paid(&house, amount).await;
            }
            house.baseline().await;
            house.simulator.set_list_lie(lie.clone());
            for run in 0..3 {
                let report = house.reconcile().await;
                assert_eq!(
                    (kinds(&report), report.clean),
                    (Vec::new(), true),
                    "{lie:?}, {id_field:?}, {run}: {:?}",
                    report.figures
                );
            }
            paid(&house, "77").await;
            assert!(house.reconcile().await.clean, "{lie:?}");
            assert!(letters(&house, "discrepancy_opened").await.is_empty());
            closes(&house).await;
        }
    }
}

/// `payId` is the same in all rows, `sesid` is the order: a case of one deposit has that deposit's rows.
#[tokio::test]
async fn rows_do_not_trade_places() {
    let house = super::super::house().await;
    house.simulator.set_list_lie(ListLie::ConstantPayId);
    let mut made = Vec::new();
    for amount in ["9.70", "29.10", "5"] {
        made.push(paid(&house, amount).await);
    }
    house.baseline().await;
    let order = house.order(&made[0]);
    house.simulator.act(&order, figures(|figures| figures.invoice_cents = Some(960))).unwrap();
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["amount_mismatch", "total_charges_drift"]);
    let case = report.cases.iter().find(|case| case.kind == "amount_mismatch").unwrap();
    assert_eq!((case.expected.as_str(), case.found.as_str()), ("9.70", "9.60"));
    assert_eq!(case.order_id.as_deref(), Some(order.as_str()));
    let wish = flow::CorrectionRequest { who: "root", note: "as listed", amount: None, dry_run: true };
    let said = flow::correct_case(&house.flow, case.id, wish).await.unwrap();
    assert_eq!(
        (said.booked.as_deref(), said.corrected.as_deref(), said.done),
        (Some("9.70"), Some("9.60"), false)
    );
    house.simulator.act(&order, figures(|figures| figures.invoice_cents = Some(970))).unwrap();
    closes(&house).await;
}

/// A list that shows the newest rows only: what slides out stands, in one line of the report.
#[tokio::test]
async fn a_list_that_is_cut_is_one_line_of_the_report() {
    let (house, _) = house_of(14).await;
    for newest in [12, 3] {
        house.simulator.clear_list_lies();
        house.simulator.set_list_lie(ListLie::KeepNewest(newest));
        for number in 0..3_usize {
            paid(&house, &format!("{}", 100 + number)).await;
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{newest}, {number}");
            assert_eq!(report.invoices, newest);
            assert!(report.standing.rows > 0 && report.standing.cents > 0 && report.list_reaches.is_some());
        }
    }
    assert!(letters(&house, "discrepancy_opened").await.is_empty());
    // Cut at the other end, what is paid is never listed.
    house.simulator.clear_list_lies();
    house.simulator.set_list_lie(ListLie::KeepOldest(5));
    paid(&house, "200").await;
    assert_eq!(kinds(&house.reconcile().await), ["invoice_missing", "total_charges_drift"]);
    house.simulator.clear_list_lies();
    assert_eq!(house.reconcile().await.standing.rows, 0);
    closes(&house).await;
}

/// It says something else in one list, and is gone in the next: what it said in between leaves nothing behind.
#[tokio::test]
async fn a_row_that_changes_and_goes_stands_as_it_was_when_all_was_clean() {
    for word in ["cancel", "settling", "refund_paid", "wrong_amount", "check"] {
        let (house, made) = house_of(3).await;
        let order_id = house.order(&made[1]);
        house.simulator.lie_for(ListLie::StatusOf { order_id: order_id.clone(), word: word.to_owned() }, 1);
        assert!(!house.reconcile().await.clean, "{word}");
        house.simulator.set_list_lie(ListLie::HideRow { order_id });
        for _ in 0..2 {
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean, report.standing.rows), (Vec::new(), true, 1), "{word}");
        }
        house.simulator.clear_list_lies();
        closes(&house).await;
    }
}

/// A row whose word cannot be read could count: what a person says of it does.
#[tokio::test]
async fn a_row_without_a_readable_word_counts_what_a_person_says() {
    let house = super::super::house().await;
    let baseline = 12_345;
    house.simulator.adjust(baseline, baseline).unwrap();
    let listed = |word: &str, amount: i64| {
        let body = format!(
            r#"{{"ok":true,"body":[
                {{"method":"card","sesid":"s1","payId":"p1","amount":{baseline},"created":"2026-03-01 09:00:00","status":"paid"}},
                {{"method":"card","sesid":"s2","payId":"p2","amount":{amount},"created":"2026-03-01 09:30:00","status":{word}}}]}}"#
        );
        Fault::Status(200, body, Vec::new())
    };
    house.simulator.inject(Call::Invoices, listed(r#""cancel""#, 700), u32::MAX);
    assert!(house.baseline().await.clean);
    house.simulator.set_total_shift(700);
    for word in ["7", "true", "{}"] {
        house.simulator.clear_faults();
        house.simulator.inject(Call::Invoices, listed(word, 700), u32::MAX);
        let report = house.reconcile().await;
        let unread = report.cases.iter().find(|case| case.kind == "row_unread").map(|case| case.id);
        let case = unread.unwrap_or_else(|| panic!("{word}: {report:?}"));
        flow::accept_case(&house.flow, case, "root", "the dashboard says paid", Some(700)).await.unwrap();
        let report = house.reconcile().await;
        assert_eq!(report.figures.unwrap().difference_cents, Some(0), "{word}");
        assert_eq!((report.unreadable, report.flaws.len()), (0, 1), "{word}: somebody has said it");
        // Taken back, it counts nothing again.
        flow::unaccept_case(&house.flow, case, "root", "no").await.unwrap();
        assert_eq!(house.reconcile().await.figures.unwrap().difference_cents, Some(700), "{word}");
        house.simulator.clear_faults();
        house.simulator.inject(Call::Invoices, listed(r#""paid""#, 700), 1);
        assert_eq!(
            house.reconcile().await.figures.unwrap().difference_cents,
            Some(0),
            "{word}: it is readable"
        );
    }
}
