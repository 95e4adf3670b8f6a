//! A follower that runs: beside a living daemon, through the loss of its server, to its end by a signal.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use depositd::fleet::Follower;
use depositd::sandbox::upstream::Action;

use super::server::{Server, ask, clock};
use super::{House, copy};

/// Ended however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until the database has what the ledger has; a follower needs a moment for it.
async fn caught_up(server: &Server, house: &House) {
    let head = house.sql("SELECT max(seq) FROM event");
    let begun = Instant::now();
    loop {
        let mut database = server.connect("postgres", "books").await;
        let there = ask(&mut database, "SELECT to_regclass('depositd.ledger') IS NOT NULL").await == "true";
        if there
            && ask(&mut database, "SELECT max(head_seq) FROM depositd.ledger WHERE name = 'live'").await
                == head
        {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "event {head} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_after_its_server_died_and_ends_when_it_is_told_to() {
    let server = Server::start();
    server.database("books").await;
    let house = House::new().await;
    house.baseline().await;
    let quiet = copy(&house, "quiet.db", Some("quiet"));
    let ledgers = [("live", house.ledger_path()), ("quiet", quiet.clone())];
    let log = std::fs::File::create(house.file("log")).unwrap();
    let child = server
        .depositd("books", &ledgers, &["--json", "fleet", "follow"])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut running = Running(child);
    caught_up(&server, &house).await;
    for round in 0..3 {
        let deposit = house.wallet("5").await;
        house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
        house.poll().await;
        if round == 1 {
            server.crash_and_return();
        }
        caught_up(&server, &house).await;
    }
    let stop = std::process::Command::new("kill").arg(running.0.id().to_string()).status().unwrap();
    assert!(stop.success());
    let ended = running.0.wait().unwrap();
    let said = std::io::read_to_string(running.0.stdout.take().unwrap()).unwrap();
    let log = std::fs::read_to_string(house.file("log")).unwrap();
    assert!(ended.success(), "{log}");
    assert!(log.contains("trying again in 1 s") && log.contains("stopped"), "{log}");
    assert!(!log.contains("hunter2") && !said.contains("hunter2"), "{log}");
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(first["written"].as_i64().unwrap() > 0, "{said}");
    let mut database = server.connect("postgres", "books").await;
    super::same::same(&mut database, "live", &house.ledger_path()).await;
    super::same::same(&mut database, "quiet", &quiet).await;
}

/// Over the network the connection is encrypted, and a server whose certificate nobody vouches for gets no word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_over_the_network_must_prove_who_it_is() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server =
        Server::with(&format!("-c fsync=off -c ssl=on -c listen_addresses=127.0.0.1 -c port={port}"));
    let house = House::new().await;
    let ledgers = [("shop", copy(&house, "shop.db", None))];
    let settings = |behind: &str| depositd::fleet::FleetSettings {
        database_url: format!(
            "postgres://postgres:hunter2-s3cr3t@127.0.0.1:{port}/postgres?sslmode={behind}"
        )
        .into(),
        ..server.settings("postgres", &ledgers)
    };
    let refused = Follower::start(&settings("verify-full"), &clock()).await.unwrap_err().chain();
    assert!(
        refused.contains("the database could not be reached") && refused.contains("certificate"),
        "{refused}"
    );
    assert!(!refused.contains("hunter2"), "{refused}");
    let vouched = format!("verify-full&sslrootcert={}", server.certificate().display());
    let mut follower = Follower::start(&settings(&vouched), &clock()).await.unwrap();
    let reports = follower.round(&mut |_, _, _| {}).await.unwrap();
    assert!(reports[0].refused.is_none(), "{reports:?}");
    follower.close().await;
}
