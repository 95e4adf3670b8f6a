//! Owed mails: who is told what, once, under which name, and what becomes of a mail that cannot go.

use super::*;
use crate::domain::event::{EventName, Recipient};

impl Bench {
    async fn due(&self) -> Vec<(i64, String)> {
        let due = self.ledger.due_mails(self.now, &[], &[], 100).await.unwrap();
        assert!(due.unreadable.is_empty(), "{:?}", due.unreadable);
        due.mails.into_iter().map(|mail| (mail.id, mail.recipient)).collect()
    }

    async fn states(&self) -> Vec<String> {
        self.rows(
            "SELECT concat_ws(' ', id, state, attempts, coalesce(due_ms / 1000 - 1768035600, '-'),
                              coalesce(substr(sent_at, 12, 8), '-'), coalesce(last_error, '-'), coalesce(told_in, '-'))
             FROM outbox ORDER BY id",
        )
        .await
    }

    /// A wallet that these are owed a mail about.
    async fn told(&self, number: u128, recipients: &[&str]) -> Deposit {
        let asked = self.ask(number, "5").await;
        let report = wallet_report(number, "5", self.now);
        let step = self.step(&asked, Observation::Wallet(Box::new(report)));
        let deposit = step.deposit.clone();
        self.write(owed_to(step, recipients)).await;
        deposit
    }
}

#[tokio::test]
async fn a_mail_tells_its_event_and_keeps_its_name_through_every_attempt() {
    let mut bench = Bench::new().await;
    let deposit = bench.told(1, &["a@example.com", "b@example.com"]).await;
    let paid = bench.poll(deposit.clone(), "paid", "").await;
    let due = bench.ledger.due_mails(bench.now, &[], &[], 100).await.unwrap();
    let of: Vec<_> = due.mails.iter().map(|m| (m.id, m.recipient.as_str(), m.event, m.attempts)).collect();
    assert_eq!(
        of,
        [
            (1, "a@example.com", EventName::WalletCreated, 0),
            (2, "b@example.com", EventName::WalletCreated, 0),
            (3, FINANCE, EventName::Settled, 0),
        ]
    );
    // The facts of the event, not those of today.
    let told = due.mails[0].deposit.as_ref().unwrap();
    assert_eq!((told.facts.clone(), &told.request), (deposit.facts, &deposit.request));
    assert_eq!(due.mails[2].deposit.as_ref().unwrap().facts, paid.facts);
    assert_eq!(
        (due.mails[0].at, due.mails[0].created_at),
        (at("2026-01-10T09:00:00Z"), at("2026-01-10T09:00:00Z"))
    );
    assert!(due.mails.iter().all(|mail| mail.notice.is_none()));
    let suffix = format!(".{}@example.com", bench.ledger.id());
    assert!(due.mails[0].message_id.starts_with("2.") && due.mails[0].message_id.ends_with(&suffix));
    assert_ne!(due.mails[0].message_id, due.mails[1].message_id);
    assert_eq!(bench.ledger.id().len(), 32);
    assert_eq!(bench.ledger.thread_id("d1"), format!("d1{suffix}"));

    let only = bench.ledger.due_mails(bench.now, &["a@example.com"], &[3], 100).await.unwrap();
    assert_eq!(only.mails.iter().map(|m| m.id).collect::<Vec<_>>(), [2]);
    assert_eq!(bench.ledger.due_mails(bench.now, &[], &[], 1).await.unwrap().mails.len(), 1);
    assert_eq!(bench.ledger.next_mail().await.unwrap(), Some(at("2026-01-10T09:00:00Z")));

    let later = bench.now.plus(Duration::from_secs(5));
    let again = Delivery::Again { due: later, why: "busy".to_owned(), counted: true };
    bench.ledger.delivered(vec![(1, again), (3, Delivery::Sent(bench.now))]).await.unwrap();
    assert_eq!(bench.due().await, [(2, "b@example.com".to_owned())]);
    let (row, mail) = bench.ledger.mail(1).await.unwrap().unwrap();
    assert_eq!((mail.message_id.clone(), mail.attempts), (due.mails[0].message_id.clone(), 1));
    assert_eq!(
        (row.state.as_str(), row.due_at(), row.last_error.as_deref()),
        ("owed", Some(later), Some("busy"))
    );
    assert!(bench.ledger.mail(99).await.unwrap().is_none());
    let sent = bench.ledger.mail(3).await.unwrap().unwrap().0;
    assert_eq!((sent.due_at(), sent.sent_at.as_deref()), (None, Some("2026-01-10T09:05:00.000Z")));
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn each_end_of_a_delivery_is_written_and_an_ended_one_stays_as_it_is() {
    let bench = Bench::new().await;
    bench.told(1, &["a@x.de", "b@x.de", "c@x.de", "d@x.de"]).await;
    let later = bench.now.plus(Duration::from_mins(1));
    let again = |counted| Delivery::Again { due: later, why: "busy".to_owned(), counted };
    bench
        .ledger
        .delivered(vec![
            (1, Delivery::Sent(bench.now)),
            (2, again(true)),
            (3, again(false)),
            (4, Delivery::Dead("no such box".to_owned())),
        ])
        .await
        .unwrap();
    let ended = [
        "1 sent 1 - 09:00:00 - -",
        "2 owed 1 60 - busy -",
        "3 owed 0 60 - busy -",
        "4 dead 1 - - no such box -",
    ];
    assert_eq!(bench.states().await, ended);
    bench.ledger.delivered(vec![(1, again(true)), (4, Delivery::Sent(bench.now))]).await.unwrap();
    assert_eq!(bench.states().await, ended);
    let counts = [("dead".to_owned(), 1), ("owed".to_owned(), 2), ("sent".to_owned(), 1)];
    assert_eq!(bench.ledger.mail_counts().await.unwrap(), counts);
    let of = |rows: Vec<MailRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(of(bench.ledger.mails(&[], 100).await.unwrap()), [4, 3, 2]);
    assert_eq!(of(bench.ledger.mails(&["sent", "dead"], 100).await.unwrap()), [4, 1]);
    assert_eq!(of(bench.ledger.mails(&[], 2).await.unwrap()), [4, 3]);
    let unsent = Unsent { owed: 2, dead: 1, oldest: Some("2026-01-10T09:00:00.000Z".to_owned()) };
    assert_eq!(bench.ledger.unsent_mails().await.unwrap(), unsent);
    // A dead one comes back only by hand, and counts from the beginning.
    assert_eq!(bench.ledger.retry_mails(Some(4), later).await.unwrap(), 1);
    assert_eq!(bench.ledger.retry_mails(Some(1), later).await.unwrap(), 0, "sent is sent");
    assert_eq!(bench.states().await[3], "4 owed 0 60 - no such box -");
    assert_eq!(bench.ledger.retry_mails(None, bench.now).await.unwrap(), 3);
    assert_eq!(bench.due().await.len(), 3);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn a_closed_way_out_puts_everything_off_and_gives_up_only_what_is_old() {
    let mut bench = Bench::new().await;
    bench.told(1, &["a@x.de"]).await;
    bench.wait(60);
    bench.told(2, &["b@x.de", "c@x.de"]).await;
    let until = bench.now.plus(Duration::from_mins(10));
    let given_up =
        bench.ledger.postpone_mails(bench.now, until, at("2026-01-10T09:30:00Z"), "refused".to_owned());
    assert_eq!(given_up.await.unwrap(), 1);
    assert_eq!(
        bench.states().await,
        ["1 dead 0 - - given up: refused -", "2 owed 0 4200 - refused -", "3 owed 0 4200 - refused -",]
    );
    // What is not due yet is not put off further.
    let given_up =
        bench.ledger.postpone_mails(bench.now, until, bench.now, "again".to_owned()).await.unwrap();
    assert_eq!(given_up, 0);
    assert_eq!(bench.states().await[2], "3 owed 0 4200 - refused -");
    assert_eq!(bench.ledger.next_mail().await.unwrap(), Some(until));
}

#[tokio::test]
async fn a_flood_is_told_in_one_summary_that_ends_for_all_of_it() {
    let mut bench = Bench::new().await;
    for number in 1..=3 {
        bench.told(number, &[FINANCE]).await;
        bench.wait(1);
    }
    let down = AccountEvent {
        name: EventName::UpstreamDown,
        at: bench.now,
        reason: None,
        facts: serde_json::json!({}),
        mail_to: vec![Recipient::Operator(FINANCE.to_owned())],
    };
    bench.ledger.announce(vec![down]).await.unwrap();
    let waiting = WaitingMail {
        recipient: FINANCE.to_owned(),
        letters: 3,
        oldest: at("2026-01-10T09:00:00Z"),
        newest: at("2026-01-10T09:02:00Z"),
    };
    assert_eq!(bench.ledger.waiting_mails(3).await.unwrap(), [waiting]);
    assert_eq!(bench.ledger.waiting_mails(4).await.unwrap(), []);
    assert_eq!(bench.ledger.fold_mails("nobody@example.com", &[], bench.now).await.unwrap(), 0);
    let head = bench.ledger.head();
    assert_eq!(bench.ledger.fold_mails(FINANCE, &[1], bench.now).await.unwrap(), 2);
    assert_eq!(*head.borrow(), 8);
    // The first is under way, the fourth is never held back, the fifth tells the others.
    assert_eq!(
        bench.states().await,
        [
            "1 owed 0 0 - - -",
            "2 owed 0 - - - 5",
            "3 owed 0 - - - 5",
            "4 owed 0 180 - - -",
            "5 owed 0 180 - - -",
        ]
    );
    let (_, summary) = bench.ledger.mail(5).await.unwrap().unwrap();
    let notice = summary.notice.unwrap();
    assert_eq!(summary.event, EventName::Summary);
    assert_eq!(notice["count"], 2);
    assert_eq!(notice["events"], serde_json::json!([{ "event": "wallet_created", "count": 2 }]));
    assert_eq!(notice["items"][0]["reference"], "invoice 2");
    assert_eq!(notice["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&notice["since"], &notice["until"]),
        (&"2026-01-10T09:01:00.000Z".into(), &"2026-01-10T09:02:00.000Z".into())
    );
    let told = bench.ledger.mails(&["told"], 9).await.unwrap();
    assert_eq!(
        told.iter().map(|row| (row.id, row.told_in)).collect::<Vec<_>>(),
        [(3, Some(5)), (2, Some(5))]
    );
    assert_eq!(bench.ledger.waiting_mails(1).await.unwrap()[0].letters, 1, "what is told waits no more");
    bench.ledger.delivered(vec![(5, Delivery::Dead("no box".to_owned()))]).await.unwrap();
    assert_eq!(bench.states().await[1], "2 dead 0 - - with mail 5, which tells it: no box 5");
    // By its own number it goes as a letter of its own; with the summary the rest comes back.
    assert_eq!(bench.ledger.retry_mails(Some(2), bench.now).await.unwrap(), 1);
    assert_eq!(bench.ledger.retry_mails(Some(5), bench.now).await.unwrap(), 2);
    bench.ledger.delivered(vec![(5, Delivery::Sent(bench.now))]).await.unwrap();
    let states = bench.states().await;
    assert!(states[1].starts_with("2 owed 0 180"), "{states:?}");
    assert!(states[2].starts_with("3 sent 0 - 09:03:00"), "{states:?}");
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn a_row_that_makes_no_letter_holds_up_no_other() {
    let bench = Bench::new().await;
    bench.told(1, &["a@x.de"]).await;
    bench.told(2, &["b@x.de"]).await;
    let mut aside = bench.aside().await;
    let bend = "DROP TRIGGER event_no_update; UPDATE event SET name = 'gossip' WHERE seq = 2";
    sqlx::raw_sql(bend).execute(&mut aside).await.unwrap();
    let due = bench.ledger.due_mails(bench.now, &[], &[], 9).await.unwrap();
    assert_eq!(due.mails.iter().map(|mail| mail.id).collect::<Vec<_>>(), [2]);
    let [(1, why)] = due.unreadable.as_slice() else { panic!("{:?}", due.unreadable) };
    assert!(why.contains("gossip"), "{why}");
}
