//! Steps on disk: all of each or nothing, once, numbered and chained, with what they book and who is owed a mail.

use super::*;
use crate::domain::event::{EventName, Recipient};

#[tokio::test]
async fn a_step_is_on_disk_whole_and_the_same_step_again_changes_nothing() {
    let mut bench = Bench::new().await;
    let head = bench.ledger.head();
    assert_eq!(bench.ledger.head_hash().await.unwrap(), None);
    let deposit = bench.wallet(1, "5").await;
    assert_eq!(*head.borrow(), 2);
    bench.wait(5);
    let mut write = owed_to(bench.step(&deposit, polled("paid", "txid=0xabc")), &[FINANCE, "b@example.com"]);
    let body = "{\"status\":\"paid\"}".to_owned();
    write.evidence = Some(EvidenceNote { at: bench.now, call: "look", http_status: Some(200), body });
    let paid = write.step.deposit.clone();
    assert_eq!(bench.ledger.record(vec![write.clone()]).await.unwrap(), [Recorded::Written]);
    assert_eq!(*head.borrow(), 3, "whoever follows the ledger hears of it");
    let end = bench.ledger.head_hash().await.unwrap().unwrap();
    assert_eq!((end.0, end.1.len()), (3, 64));
    assert_eq!(bench.ledger.record(vec![write.clone()]).await.unwrap(), [Recorded::Conflict]);
    assert_eq!(
        bench.ledger.record(vec![write.clone(), write]).await.unwrap(),
        [Recorded::Conflict, Recorded::Conflict]
    );
    assert_eq!(bench.ledger.head_hash().await.unwrap(), Some(end.clone()));
    assert_eq!(*head.borrow(), 3);

    let (name, address) = (paid.id.to_string(), format!("0x{:040x}", 1));
    for name in [&name, &name.to_uppercase(), "order-1", &address, &address.to_uppercase()] {
        assert_eq!(bench.ledger.find(name).await.unwrap().as_ref(), Some(&paid), "{name}");
    }
    assert_eq!(bench.ledger.find("order-2").await.unwrap(), None);

    let story = bench.ledger.story(paid.clone()).await.unwrap();
    assert_eq!(story.deposit, paid);
    let events = story
        .events
        .iter()
        .map(|e| (e.seq, e.event.as_str(), e.from_state.as_deref(), e.to_state.as_deref()));
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            (1, "requested", None, Some("requested")),
            (2, "wallet_created", Some("requested"), Some("awaiting_payment")),
            (3, "settled", Some("awaiting_payment"), Some("settled")),
        ]
    );
    assert_eq!(story.events[2].hash, end.1);
    let calls: Vec<_> = story.calls.iter().map(|c| (c.call.as_str(), c.outcome.as_deref())).collect();
    assert_eq!(calls, [("look", Some("200"))]);
    let lines: Vec<_> = story.postings.iter().map(|p| (p.account.as_str(), p.amount_usd_micros)).collect();
    assert_eq!(lines, [("assets:prepaid:smsonline", 5_000_000), ("equity:crypto:usdt", -5_000_000)]);
    let mails: Vec<_> = story.mails.iter().map(|m| (m.event.as_str(), m.recipient.as_str())).collect();
    assert_eq!(mails, [("wallet_created", FINANCE), ("settled", FINANCE), ("settled", "b@example.com")]);
    assert!(story.cases.is_empty());
    assert_eq!(
        bench
            .rows("SELECT concat_ws(' ', account, commodity, balance, balance_micros) FROM account_balance")
            .await,
        ["assets:prepaid:smsonline USD 5 5000000", "equity:crypto:usdt USDT -4.99 -5000000"]
    );
    assert_eq!(
        bench.row(
            "SELECT concat_ws(' ', state, order_id, link_id, amount_usd_micros, amount_crypto, expire_at, wallet_created_at,
                              upstream_status, txid, outcome, late, settled_at, amount_booked_micros, updated_at)
             FROM deposit"
        )
        .await,
        "settled order-1 00000000-0000-0000-0000-0000000003e9 5000000 4.99 2026-01-10T10:00:00Z 2026-01-10T09:00:00.000Z \
         paid 0xabc exact 0 2026-01-10T09:05:00.000Z 5000000 2026-01-10T09:05:00.000Z"
    );
    assert_eq!(bench.findings().await, []);
    assert_eq!(bench.reopened().await.ledger.head_hash().await.unwrap(), Some(end));
}

#[tokio::test]
async fn of_two_steps_from_one_version_only_one_is_said_to_be_written() {
    let bench = Bench::new().await;
    let deposit = bench.wallet(1, "5").await;
    let paid = DepositWrite::from(bench.step(&deposit, polled("paid", "")));
    let locked = DepositWrite::from(bench.step(&deposit, polled("locked", "")));
    let recorded = bench.ledger.record(vec![paid, locked.clone()]).await.unwrap();
    assert_eq!(recorded, [Recorded::Written, Recorded::Conflict]);
    assert_eq!(bench.ledger.record(vec![locked]).await.unwrap(), [Recorded::Conflict]);
    assert_eq!(bench.row("SELECT group_concat(name) FROM event").await, "requested,wallet_created,settled");
}

#[tokio::test]
async fn a_key_stands_for_one_deposit_whoever_comes_second() {
    let bench = Bench::new().await;
    let first = bench.ask(1, "5").await;
    let mut second = bench.request(2, "6");
    second.opening =
        Some(Opening { idempotency_key: Some("key-1".to_owned()), request_digest: "x".to_owned() });
    let other = bench.request(3, "7");
    let recorded = bench.ledger.record(vec![second, other]).await.unwrap();
    assert_eq!(recorded, [Recorded::Conflict, Recorded::Written]);
    let found = bench.ledger.find_key("key-1").await.unwrap();
    assert_eq!(found, Some((first, "digest-1".to_owned())));
    assert_eq!(bench.ledger.find_key("key-2").await.unwrap(), None);
    assert_eq!(bench.ledger.find(&id(2).to_string()).await.unwrap(), None);
    assert_eq!(bench.row("SELECT concat_ws(' ', count(*), max(seq)) FROM event").await, "2 2");
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn one_forbidden_step_holds_up_no_other() {
    let bench = Bench::new().await;
    let (one, two) = (bench.wallet(1, "5").await, bench.wallet(2, "6").await);
    let bent = |deposit: &Deposit| {
        let mut write = DepositWrite::from(bench.step(deposit, polled("paid", "")));
        write.step.events[0].postings[0].amount_usd_micros = crate::domain::money::UsdMicros::new(1);
        write
    };
    let good = DepositWrite::from(bench.step(&two, polled("paid", "")));
    let recorded = bench.ledger.record(vec![bent(&one), good]).await.unwrap();
    let [Recorded::Forbidden(why), Recorded::Written] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert!(why.contains("must balance"), "{why}");
    assert_eq!(bench.ledger.find("order-1").await.unwrap(), Some(one.clone()));
    // What no rule forbids and still cannot be written is everybody's error, and nobody's refusal.
    let mut endless = DepositWrite::from(bench.step(&one, polled("paid", "")));
    for (line, micros) in endless.step.events[0].postings.iter_mut().zip([i64::MAX, -i64::MAX]) {
        line.amount_usd_micros = crate::domain::money::UsdMicros::new(micros);
    }
    let other = bench.wallet(4, "8").await;
    let error = bench.ledger.record(vec![bent(&other), endless]).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("too large")), "{error}");
    assert_eq!(bench.ledger.find("order-1").await.unwrap(), Some(one.clone()));
    // Many at once, in one group: each caller hears of its own.
    let three = bench.wallet(3, "7").await;
    let good = DepositWrite::from(bench.step(&three, polled("paid", "")));
    let (bad, good) =
        tokio::join!(bench.ledger.record(vec![bent(&one)]), bench.ledger.record(vec![good.clone()]));
    assert!(matches!(bad.unwrap().as_slice(), [Recorded::Forbidden(_)]));
    assert_eq!(good.unwrap(), [Recorded::Written]);
    let down = AccountEvent {
        name: EventName::UpstreamDown,
        at: bench.now,
        reason: None,
        facts: serde_json::json!({}),
        mail_to: Vec::new(),
    };
    let (bad, said) = tokio::join!(bench.ledger.record(vec![bent(&one)]), bench.ledger.announce(vec![down]));
    assert!(matches!(bad.unwrap().as_slice(), [Recorded::Forbidden(_)]));
    said.unwrap();
    assert!(bench.ledger.last_of(&[EventName::UpstreamDown]).await.unwrap().is_some(), "said, and on disk");
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn hundreds_at_once_each_get_their_own_answer() {
    let bench = Bench::new().await;
    let asked = (0..700).map(|number| bench.ledger.record(vec![bench.request(number % 600, "5")]));
    let answers = futures_util::future::join_all(asked).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = if number < 600 { Recorded::Written } else { Recorded::Conflict };
        // The same request again makes the same row: refused by the key it came with.
        assert_eq!(answer.unwrap(), [expected], "{number}");
    }
    assert_eq!(bench.ledger.counts().await.unwrap(), [("requested".to_owned(), 600)]);
    assert_eq!(*bench.ledger.head().borrow(), 600);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn what_is_said_of_the_whole_account_is_an_event_without_a_deposit() {
    let bench = Bench::new().await;
    let notice = |name, reason: &str| AccountEvent {
        name,
        at: bench.now,
        reason: Some(reason.to_owned()),
        facts: serde_json::json!({ "why": reason }),
        mail_to: vec![Recipient::Operator(FINANCE.to_owned())],
    };
    bench.ledger.announce(vec![notice(EventName::UpstreamDown, "no answer")]).await.unwrap();
    bench.ask(1, "5").await;
    bench.ledger.announce(vec![notice(EventName::UpstreamBack, "it answers")]).await.unwrap();
    let last =
        bench.ledger.last_of(&[EventName::UpstreamDown, EventName::UpstreamBack]).await.unwrap().unwrap();
    assert_eq!((last.seq, last.event.as_str(), last.deposit_id.clone()), (3, "upstream_back", None));
    assert_eq!(last.reason.as_deref(), Some("it answers"));
    let down = bench.ledger.last_of(&[EventName::UpstreamDown]).await.unwrap().unwrap();
    assert_eq!(down.seq, 1);
    assert_eq!(
        bench.ledger.last_of(&[EventName::Requested]).await.unwrap(),
        None,
        "a deposit's is not the account's"
    );
    let after = bench.ledger.events_after(1, 1).await.unwrap();
    assert_eq!(after.iter().map(|e| (e.seq, e.event.as_str())).collect::<Vec<_>>(), [(2, "requested")]);
    assert_eq!(bench.ledger.events_after(0, 10).await.unwrap().len(), 3);
    assert_eq!(bench.ledger.events_of(id(1)).await.unwrap().len(), 1);
    let due = bench.ledger.due_mails(bench.now, &[], &[], 10).await.unwrap();
    let told: Vec<_> = due.mails.iter().map(|m| (m.event, m.notice.clone(), m.deposit.is_none())).collect();
    assert_eq!(
        told,
        [
            (EventName::UpstreamDown, Some(serde_json::json!({ "why": "no answer" })), true),
            (EventName::UpstreamBack, Some(serde_json::json!({ "why": "it answers" })), true),
        ]
    );
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn lists_go_page_by_page_newest_first() {
    let mut bench = Bench::new().await;
    for number in 1..=3 {
        bench.ask(number, "5").await;
        bench.wait(60);
    }
    let flagged = bench.wallet(4, "5").await;
    let flagged = bench.poll(flagged, "confirm_check", "").await;
    let flagged = bench.poll(flagged, "check", "").await;
    assert!(flagged.facts.review.is_some());
    let numbers = |deposits: &[Deposit]| deposits.iter().map(|d| d.id.uuid().as_u128()).collect::<Vec<_>>();
    let all = DepositFilter { limit: 2, ..DepositFilter::default() };
    let (page, cursor) = bench.ledger.list(&all).await.unwrap();
    assert_eq!(numbers(&page), [4, 3]);
    assert_eq!(page[0], flagged);
    let (page, end) = bench.ledger.list(&DepositFilter { cursor, ..all.clone() }).await.unwrap();
    assert_eq!((numbers(&page), end), (vec![2, 1], None), "a full last page is the last");
    let (page, more) =
        bench.ledger.list(&DepositFilter { limit: 3, ..DepositFilter::default() }).await.unwrap();
    assert_eq!((page.len(), more.is_some()), (3, true));
    let since =
        DepositFilter { since: Some(at("2026-01-10T11:00:00Z")), limit: 10, ..DepositFilter::default() };
    assert_eq!(numbers(&bench.ledger.list(&since).await.unwrap().0), [4, 3]);
    let states = DepositFilter {
        states: vec![crate::domain::deposit::State::Requested],
        limit: 10,
        ..DepositFilter::default()
    };
    assert_eq!(numbers(&bench.ledger.list(&states).await.unwrap().0), [3, 2, 1]);
    let review = DepositFilter { needs_review: true, limit: 10, ..DepositFilter::default() };
    assert_eq!(numbers(&bench.ledger.list(&review).await.unwrap().0), [4]);
    assert_eq!(
        bench.ledger.counts().await.unwrap(),
        [("confirming".to_owned(), 1), ("requested".to_owned(), 3)]
    );
}

#[tokio::test]
async fn attempts_are_intents_until_their_end_is_known() {
    let mut bench = Bench::new().await;
    let (one, two) = (bench.ask(1, "5").await, bench.ask(2, "6").await);
    let mut numbers = Vec::new();
    for deposit in [&one, &one, &two, &two, &two, &two] {
        bench.wait(1);
        numbers.push(bench.ledger.begin_attempt(deposit.id, bench.now).await.unwrap());
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let end = |id, outcome, order: Option<&str>| {
        let order_id = order.map(str::to_owned);
        Some(AttemptEnd { id, at: bench.now, outcome, order_id, detail: None })
    };
    // What is known of an attempt is written with a step of its deposit, even one without events.
    let quiet = |deposit: &Deposit, attempt| {
        let step = Step {
            expected_version: deposit.version,
            deposit: deposit.clone(),
            events: Vec::new(),
            due: None,
        };
        DepositWrite { attempt, ..step.into() }
    };
    bench.write(quiet(&one, end(1, AttemptOutcome::Unknown, None))).await;
    bench.write(quiet(&two, end(3, AttemptOutcome::NotTaken, None))).await;
    bench.write(quiet(&two, end(4, AttemptOutcome::Unknown, Some("named-and-broken")))).await;
    bench.write(quiet(&two, end(5, AttemptOutcome::Refused, None))).await;
    let wallet = bench.step(&one, Observation::Wallet(Box::new(wallet_report(1, "5", bench.now))));
    bench
        .write(DepositWrite { attempt: end(2, AttemptOutcome::Wallet, Some("order-1")), ..wallet.into() })
        .await;

    let of = |attempts: Vec<Attempt>| {
        let say = |a: Attempt| {
            let (lost, counts) = (a.is_lost(), a.counts());
            (a.id, a.outcome.unwrap_or_default(), a.order_id, lost, counts, a.ended_at.is_some())
        };
        attempts.into_iter().map(say).collect::<Vec<_>>()
    };
    assert_eq!(
        of(bench.ledger.attempts_of(one.id).await.unwrap()),
        [
            (1, "unknown".to_owned(), None, true, true, true),
            (2, "wallet".to_owned(), Some("order-1".to_owned()), false, true, true),
        ]
    );
    assert_eq!(
        of(bench.ledger.attempts_of(two.id).await.unwrap()),
        [
            (3, "not_taken".to_owned(), None, false, false, true),
            (4, "unknown".to_owned(), Some("named-and-broken".to_owned()), true, true, true),
            (5, "refused".to_owned(), None, false, true, true),
            (6, String::new(), None, true, true, false),
        ]
    );
    assert_eq!(bench.ledger.lost_orders().await.unwrap().attempts, 3);
    let calls = bench.ledger.story(one).await.unwrap().calls;
    let calls: Vec<_> = calls.iter().map(|c| (c.call.as_str(), c.outcome.as_deref())).collect();
    assert_eq!(calls, [("attempt 1", Some("unknown")), ("attempt 2", Some("wallet"))]);
}

#[tokio::test]
async fn a_row_that_this_program_would_not_have_written_is_named_not_guessed_at() {
    let bench = Bench::new().await;
    bench.ask(1, "5").await;
    let mut aside = bench.aside().await;
    let bend = "DROP TRIGGER deposit_request_fixed; UPDATE deposit SET network = 'MARS'";
    sqlx::raw_sql(bend).execute(&mut aside).await.unwrap();
    let error = bench.ledger.find(&id(1).to_string()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("MARS")), "{error}");
}

/// Whoever copies the books reads them in parts, wherever those part: each deposit comes once, and with its last event.
#[tokio::test]
async fn a_deposit_is_copied_with_its_last_event() {
    let mut bench = Bench::new().await;
    let (first, second) = (bench.wallet(1, "5").await, bench.wallet(2, "6").await);
    bench.wait(5);
    let settled = bench.step(&first, polled("paid", "txid=0xabc"));
    bench.ledger.record(vec![settled.into()]).await.unwrap();
    let ids = |rows: Vec<BookRow>| -> Vec<String> {
        let first = |row: BookRow| match row.into_iter().next() {
            Some(BookValue::Text(id)) => id,
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(first).collect()
    };
    let (first, second) = (first.id.to_string(), second.id.to_string());
    let (first, second) = (first.as_str(), second.as_str());
    let mut view = bench.ledger.chain_view().await.unwrap();
    assert_eq!(view.head().await.unwrap().seq, 5, "two events, two events, and the settlement of the first");
    let expected: [&[&str]; 6] = [&[], &[], &[], &[], &[second], &[second, first]];
    for (parting, expected) in (0..).zip(expected) {
        let mut before = ids(view.deposits_last_changed_between(0, parting).await.unwrap());
        let after = ids(view.deposits_last_changed_between(parting, 5).await.unwrap());
        before.sort();
        let mut sorted = expected.to_vec();
        sorted.sort_unstable();
        assert_eq!(before, sorted, "up to event {parting}");
        assert_eq!(before.len() + after.len(), 2, "parted at event {parting}");
        assert!(after.iter().all(|id| !before.contains(id)), "parted at event {parting}");
    }
}
