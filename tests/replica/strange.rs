//! A Litestream that cannot be relied on: each is named in words, and nothing leaves.

use super::litestream::{Pretender, Words};
use super::{ask, call, until, with_replica};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_relied_on_is_named_and_nothing_leaves() {
    let mut program = with_replica(&[]).await;
    let with = |change: fn(&mut Words)| {
        let mut words = Words::good();
        change(&mut words);
        words
    };
    let cases: [(Words, &str); 6] = [
        (with(|words| words.info.1 = r#"{"version":"0.5.9"}"#.to_owned()), "Litestream 0.5.9 is too old"),
        (
            with(|words| {
                words.info = (404, "404 page not found".to_owned());
                words.sync = words.info.clone();
            }),
            "Litestream without /sync is too old",
        ),
        (
            with(|words| {
                words.sync = (404, r#"{"error":"database not found: x"}"#.to_owned());
                words.list = r#"{"databases":[{"path":"/srv/other.db"}]}"#.to_owned();
            }),
            "it replicates /srv/other.db",
        ),
        (
            with(|words| words.sync = (404, r#"{"error":"database not found: x"}"#.to_owned())),
            "it replicates nothing",
        ),
        (with(|words| words.sync = (200, "garbage".to_owned())), "its answer is none to this question"),
        (
            with(|words| words.sync = (500, r#"{"error":"access denied"}"#.to_owned())),
            "could not copy to the store: access denied",
        ),
    ];
    let pretender = Pretender::start(&program, cases[0].0.clone());
    program.start_logging("info");
    for (words, expected) in cases {
        pretender.say(|own| *own = words);
        until(expected, || {
            let (status, ready) = call(&program, "GET", "/readyz", "");
            status == 503 && ready["reasons"].to_string().contains(expected)
        });
        let (status, refusal) = ask(&program, "25");
        assert_eq!((status, &refusal["type"]), (503, &"replica-unavailable".into()), "{expected}: {refusal}");
    }
    assert!(program.simulator.orders().is_empty(), "no wallet was asked for");
    // What is written while it copies is not in the store yet, and what was there before is.
    pretender.say(|words| {
        *words = Words::good();
        words.sync.1 = r#"{"status":"synced","txid":7,"replicated_txid":6}"#.to_owned();
        words.info = (404, "404 page not found".to_owned());
    });
    until("it is accepted", || ask(&program, "25").0 == 201);
    program.stop();
}
