//! A second copy, all the time, by Litestream in an object store: the machine's file is lost, the copy is restored, and
//! proves whole. With the configuration that is shipped.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::Action;

use super::story::{self, said, upstream_total};
use super::support::line::Line;
use super::support::replica::{Litestream, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_file_comes_back_from_the_replica_and_proves_whole() {
    let lived = story::march().await;
    let house = &lived.house;
    let store = Store::start();
    let line = Line::to(store.port());
    let mut litestream = Litestream::prepare(house.folder.path(), &house.ledger_path(), line.port(), "books");
    litestream.start(1);
    litestream.copied();

    // Life goes on while it replicates, over a line that is slow, and then dead for a while.
    line.slow_down(Duration::from_millis(100));
    let paid = house.wallet("17").await;
    litestream.copied();
    line.cut();
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let head = house.prove().await;
    assert_eq!(litestream.sync(), None, "it says that the store has what it cannot have");
    line.mend();
    let (clock, began) = (SystemClock::new(), SystemClock::new().monotonic());
    litestream.copied();
    // It does not wait for a try of its own.
    let waited = clock.monotonic().saturating_sub(began);
    assert!(waited < Duration::from_secs(10), "{waited:?}");

    // The machine dies: no clean end for anybody, and its files are gone.
    litestream.kill();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(house.file(&format!("ledger.db{suffix}")));
    }
    assert!(!house.ledger_path().exists());
    let nothing = litestream.restore(2, &house.ledger_path());
    assert!(!nothing.status.success() && !house.ledger_path().exists(), "there is no second generation");
    said(&litestream.restore(1, &house.ledger_path()));
    let proof: serde_json::Value = serde_json::from_str(&house.says(&["--json", "verify"])).unwrap();
    assert_eq!(
        (&proof["ok"], &proof["head_hash"]),
        (&true.into(), &head.head_hash.clone().into()),
        "{proof}"
    );
    let sql = "SELECT printf('%.2f', sum(amount_usd_micros) / 1000000.0) FROM accounting_entries WHERE account LIKE 'assets:%'";
    assert_eq!(house.sql(sql), upstream_total(house));
    // And the daemon goes on with it.
    let house = lived.house.restart_restored().await;
    let paid = house.wallet("19").await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.prove().await;
}
