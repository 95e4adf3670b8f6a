//! A second copy, all the time, by Litestream: the machine's file is lost, the replica is restored, and proves whole.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use depositd::sandbox::upstream::Action;

use super::story::{self, python, said, upstream_total};

/// Ended however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_file_comes_back_from_the_replica_and_proves_whole() {
    let lived = story::march().await;
    let house = &lived.house;
    // The set-up that is documented, with this test's places.
    let config =
        std::fs::read_to_string(format!("{}/deploy/litestream.yml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let config = config
        .replace("/var/lib/depositd/ledger.db", house.ledger_path().to_str().unwrap())
        .replace("/mnt/replica/depositd", house.file("replica").to_str().unwrap());
    std::fs::write(house.file("litestream.yml"), config).unwrap();
    let litestream = python("litestream");
    let log = std::fs::File::create(house.file("litestream.log")).unwrap();
    let replicating = Command::new(&litestream)
        .args(["replicate", "-config", "litestream.yml"])
        .current_dir(house.folder.path())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let replicating = Running(replicating);

    // Life goes on while it replicates.
    let paid = house.wallet("17").await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let head = house.prove().await;
    let restore = |to: &str| {
        Command::new(&litestream)
            .args(["restore", "-config", "litestream.yml", "-o", to])
            .arg(house.ledger_path())
            .current_dir(house.folder.path())
            .output()
            .unwrap()
    };
    // It has caught up once a restore holds the last event; a second or two.
    let begun = Instant::now();
    for round in 0.. {
        let trial = format!("trial-{round}.db");
        let restored = restore(&trial);
        let sql = "SELECT max(seq) FROM event";
        let seq = Command::new("sqlite3").arg(house.file(&trial)).arg(sql).output().unwrap();
        if restored.status.success() && seq.stdout == format!("{}\n", head.head_seq).as_bytes() {
            break;
        }
        let log = std::fs::read_to_string(house.file("litestream.log")).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60), "{restored:?}\n{log}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    // The machine dies: no clean end for anybody, and its files are gone.
    drop(replicating);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(house.file(&format!("ledger.db{suffix}")));
    }
    assert!(!house.ledger_path().exists());
    said(&restore("ledger.db"));
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
