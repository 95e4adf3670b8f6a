//! The queue: whose turn it is, in which order, and that no turn is had twice or lost.

use std::sync::Arc;

use super::*;
use crate::domain::poll::{Due, Urgency};

/// A step without events, which only gives its deposit another place in the queue.
fn placed(deposit: &Deposit, turn: Option<QueueEntry>, due: Option<Due>) -> DepositWrite {
    let step = Step { expected_version: deposit.version, deposit: deposit.clone(), events: Vec::new(), due };
    DepositWrite { entry: turn, ..step.into() }
}

fn due(at: Timestamp, urgency: Urgency) -> Option<Due> {
    Some(Due { at, urgency })
}

impl Bench {
    async fn all_turns(&self, now: Timestamp) -> Vec<QueueEntry> {
        self.ledger.due_entries(now, &Policy::default(), 100, &mut QueueCursor::default()).await.unwrap()
    }

    /// Whose turns have come, in their order.
    async fn turns(&self) -> Vec<u128> {
        let turns = self.all_turns(self.now).await;
        let taken = self.ledger.lease(&turns).await.unwrap();
        taken.iter().map(|taken| taken.deposit.id.uuid().as_u128()).collect()
    }

    /// Gives a deposit that has a turn another place.
    async fn place(&self, number: u128, to: Option<Due>) {
        let far = self.now.plus(Duration::from_hours(24 * 365));
        let taken = self.ledger.lease(&self.all_turns(far).await).await.unwrap();
        let taken = taken.into_iter().find(|taken| taken.deposit.id == id(number)).unwrap();
        self.write(placed(&taken.deposit, Some(taken.entry), to)).await;
    }
}

#[tokio::test]
async fn the_urgent_go_first_but_whoever_waited_past_its_patience_goes_before_them() {
    let mut bench = Bench::new().await;
    for number in 1..=6 {
        bench.wallet(number, "5").await;
    }
    bench.wait(60);
    let ago = |seconds| bench.now.minus(Duration::from_secs(seconds));
    bench.place(1, due(ago(1), Urgency::Watch)).await;
    bench.place(2, due(ago(1), Urgency::Awaiting)).await;
    bench.place(3, due(ago(1), Urgency::NearDeadline)).await;
    bench.place(4, due(ago(1), Urgency::Confirming)).await;
    // Past its patience of half an hour.
    bench.place(5, due(ago(1900), Urgency::Watch)).await;
    bench.place(6, due(bench.now.plus(Duration::from_secs(1)), Urgency::Confirming)).await;
    assert_eq!(bench.turns().await, [5, 4, 3, 2, 1]);
    // Page by page, and nobody twice, though nobody has been put back.
    let (mut page, mut seen) = (QueueCursor::default(), Vec::new());
    for expected in [2, 2, 1, 0] {
        let some = bench.ledger.due_entries(bench.now, &Policy::default(), 2, &mut page).await.unwrap();
        assert_eq!(some.len(), expected);
        seen.extend(some);
    }
    assert_eq!(seen, bench.all_turns(bench.now).await);
    let soon = bench.ledger.next_due(false).await.unwrap();
    assert_eq!(soon, Some(ago(1900)));
    assert_eq!(bench.ledger.next_due(true).await.unwrap(), None, "nobody waits for a wallet");
    bench.wait(1);
    assert_eq!(bench.turns().await, [5, 4, 6, 3, 2, 1]);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn a_turn_further_ahead_than_its_kind_ever_waits_has_come() {
    let mut bench = Bench::new().await;
    for number in 1..=4 {
        bench.wallet(number, "5").await;
    }
    bench.ask(5, "5").await;
    let policy = Policy::default();
    let ahead = |urgency, more: u64| {
        due(bench.now.plus(policy.longest_wait(urgency)).plus(Duration::from_millis(more)), urgency)
    };
    bench.place(1, ahead(Urgency::Confirming, 1)).await;
    bench.place(2, ahead(Urgency::NearDeadline, 1)).await;
    bench.place(3, ahead(Urgency::Awaiting, 1)).await;
    bench.place(4, ahead(Urgency::Watch, 1)).await;
    assert_eq!(bench.turns().await, [1, 2, 3, 4]);
    for (number, urgency) in
        [(1, Urgency::Confirming), (2, Urgency::NearDeadline), (3, Urgency::Awaiting), (4, Urgency::Watch)]
    {
        bench.place(number, ahead(urgency, 0)).await;
    }
    assert_eq!(bench.turns().await, [] as [u128; 0]);
    // The same for those who wait for a wallet.
    bench.now = bench.now.minus(policy.longest_wait(Urgency::Create)).minus(Duration::from_millis(1));
    assert_eq!(bench.ledger.entries_to_create(bench.now, &policy, 9).await.unwrap().len(), 1);
    bench.now = bench.now.plus(Duration::from_millis(1));
    assert_eq!(bench.ledger.entries_to_create(bench.now, &policy, 9).await.unwrap().len(), 0);
}

#[tokio::test]
async fn who_waits_for_a_wallet_has_a_queue_of_its_own_oldest_first() {
    let mut bench = Bench::new().await;
    bench.ask(1, "5").await;
    let first = bench.now;
    bench.wait(1);
    bench.ask(2, "5").await;
    assert_eq!(bench.ledger.next_due(true).await.unwrap(), Some(first));
    assert_eq!(bench.ledger.next_due(false).await.unwrap(), None);
    let policy = Policy::default();
    assert_eq!(bench.turns().await, [] as [u128; 0]);
    assert_eq!(bench.ledger.entries_to_create(first, &policy, 9).await.unwrap().len(), 1);
    let turns = bench.ledger.entries_to_create(bench.now, &policy, 9).await.unwrap();
    let taken = bench.ledger.lease(&turns).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.deposit.id).collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!(bench.ledger.entries_to_create(bench.now, &policy, 1).await.unwrap(), turns[..1]);
    // The wallet takes the turn with it: nobody asks for a second one.
    let step = bench.step(&taken[0].deposit, Observation::Wallet(Box::new(wallet_report(1, "5", bench.now))));
    bench.write(DepositWrite { entry: Some(taken[0].entry), ..step.into() }).await;
    assert_eq!(bench.ledger.entries_to_create(bench.now, &policy, 9).await.unwrap(), turns[1..]);
    assert_eq!(bench.row("SELECT count(*) || '' FROM queue").await, "2");
    assert!(bench.ledger.next_due(false).await.unwrap().is_some());
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn an_unchanged_poll_moves_its_queue_entry_and_nothing_else() {
    let mut bench = Bench::new().await;
    let deposit = bench.wallet(1, "5").await;
    let head = bench.ledger.head_hash().await.unwrap();
    bench.wait(5);
    let turns = bench.all_turns(bench.now).await;
    let taken =
        |turn, heard| LeasedDeposit { entry: turn, deposit: Box::new(deposit.clone()), fingerprint: heard };
    assert_eq!(bench.ledger.lease(&turns).await.unwrap(), [taken(turns[0], None)]);
    let next = bench.now.plus(Duration::from_secs(15));
    let heard = Some(ResponseFingerprint::new(Arc::new(b"nothing new".to_vec())));
    let said = heard.as_ref().unwrap();
    assert!(said.is(b"nothing new") && !said.is(b"nothing ne") && !format!("{said:?}").contains("110"));
    let again = Requeue {
        entry: turns[0],
        due: due(next, Urgency::Awaiting),
        deposit: Box::new(deposit.clone()),
        fingerprint: heard.clone(),
    };
    bench.ledger.requeue(vec![again]).await.unwrap();
    assert_eq!(bench.turns().await, [] as [u128; 0]);
    assert_eq!(bench.ledger.next_due(false).await.unwrap(), Some(next));
    // As a step without events: where it came by a turn, that turn moves.
    bench.wait(1);
    let turns = bench.all_turns(bench.now).await;
    assert_eq!(bench.ledger.lease(&turns).await.unwrap(), [taken(turns[0], heard)], "as it was put back");
    bench.write(placed(&deposit, Some(turns[0]), None)).await;
    assert_eq!(bench.turns().await, [] as [u128; 0]);
    assert_eq!(bench.ledger.next_due(false).await.unwrap(), None, "left to reconciliation");
    assert_eq!(bench.row("SELECT concat_ws(' ', urgency, due_ms, version) FROM queue").await, "5 0 2");
    assert_eq!(bench.ledger.head_hash().await.unwrap(), head);
    assert_eq!(bench.ledger.find("order-1").await.unwrap(), Some(deposit));
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn a_turn_from_before_a_change_is_stale_and_is_dropped_when_it_comes() {
    let mut bench = Bench::new().await;
    let deposit = bench.wallet(1, "5").await;
    bench.wait(5);
    let old = bench.all_turns(bench.now).await;
    // Somebody else changes it, without having had its turn.
    bench.observe(deposit, polled("confirm_check", "")).await;
    assert_eq!(bench.row("SELECT count(*) || '' FROM queue").await, "2");
    assert_eq!(bench.ledger.lease(&old).await.unwrap(), []);
    assert_eq!(bench.row("SELECT concat_ws(' ', count(*), max(version)) FROM queue").await, "1 3");
    assert_eq!(bench.ledger.lease(&[]).await.unwrap(), []);
    bench.wait(1);
    assert_eq!(bench.turns().await, [1]);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn hundreds_are_taken_in_the_order_of_their_turns() {
    let mut bench = Bench::new().await;
    let mut expected = Vec::new();
    for number in 1..=300 {
        let write = bench.request(number, "5");
        bench.ledger.record(vec![write]).await.unwrap();
        expected.push(number);
        bench.now = bench.now.plus(Duration::from_millis(1));
    }
    let turns = bench.ledger.entries_to_create(bench.now, &Policy::default(), 1000).await.unwrap();
    let taken = bench.ledger.lease(&turns).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.deposit.id.uuid().as_u128()).collect::<Vec<_>>(), expected);
    assert!(taken.iter().zip(&turns).all(|(taken, asked)| taken.entry == *asked));
}
