//! Output commit: what may leave, and what waits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{Action, Call};

use super::litestream::{Pretender, Running, Words, configure};
use super::{ask, call, letters, plain_call, until, with_replica};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_replica_is_silent_polling_goes_on_and_nobody_is_told() {
    let mut program = with_replica(&[]).await;
    let store = tempfile::tempdir().unwrap();
    configure(&program, store.path());
    let running = Running::start(&program, 1);
    program.start_logging("info");
    let (status, deposit) = ask(&program, "25");
    assert_eq!((status, &deposit["state"]), (201, &"awaiting_payment".into()), "{deposit}");
    assert_eq!(call(&program, "GET", "/readyz", "").1["replica"]["age_seconds"], 0);

    // A client follows the events.
    let mut stream = UnixStream::connect(program.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: d\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut events = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("retry") {
        line.clear();
        events.read_line(&mut line).unwrap();
    }

    // Litestream stops answering, and the payment comes in.
    running.signal("-STOP");
    let id = deposit["id"].as_str().unwrap();
    let order = deposit["order_id"].as_str().unwrap();
    program.simulator.act(order, Action::Pay { amount_usd: None }).unwrap();
    let state = format!("SELECT state FROM accounting_deposits WHERE id = '{id}'");
    until("the payment is booked", || program.sql(&state) == "settled");
    until("the replica is known to be silent", || call(&program, "GET", "/readyz", "").0 == 503);
    let ready = call(&program, "GET", "/readyz", "").1;
    assert!(ready["reasons"][0].as_str().unwrap().starts_with("replica: nothing leaves"), "{ready}");
    let orders = program.simulator.orders().len();
    let (status, refusal) = ask(&program, "26");
    assert_eq!((status, &refusal["type"]), (503, &"replica-unavailable".into()), "{refusal}");
    assert_eq!(program.sql("SELECT count(*) FROM accounting_deposits"), "1", "nothing was accepted");
    let (status, shown) = call(&program, "GET", &format!("/v1/deposits/{id}"), "");
    assert_eq!((status, &shown["type"]), (503, &"replica-unavailable".into()), "{shown}");
    assert_eq!(program.simulator.orders().len(), orders);
    assert_eq!(letters(&program), Vec::<String>::new());
    line.clear();
    while events.read_line(&mut line).is_ok_and(|count| count > 0) {}
    assert!(!line.contains("settled"), "{line}");
    let metrics = plain_call(&program, "GET", "/metrics", "").1;
    assert!(metrics.contains("depositd_replica_failing 1"), "{metrics}");

    // It answers again: what had waited is told.
    running.signal("-CONT");
    until("the letter leaves", || letters(&program).iter().any(|letter| letter.contains("Settled")));
    let (status, shown) = call(&program, "GET", &format!("/v1/deposits/{id}"), "");
    assert_eq!((status, &shown["state"]), (200, &"settled".into()), "{shown}");
    until("the event arrives", || {
        let _ = events.read_line(&mut line);
        line.contains("settled")
    });
    assert_eq!(ask(&program, "27").0, 201);
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_not_required_is_only_warned_of() {
    let mut program = with_replica(&[("DEPOSITD_LEDGER__REPLICA__REQUIRE", "false")]).await;
    program.start_logging("info");
    until("it is noticed", || {
        program.log().contains("the replica does not confirm: Litestream cannot be reached")
    });
    let (status, deposit) = ask(&program, "25");
    assert_eq!(status, 201, "{deposit}");
    let (status, ready) = call(&program, "GET", "/readyz", "");
    assert_eq!(status, 200, "{ready}");
    assert!(ready["warnings"].to_string().contains("replica: Litestream cannot be reached"), "{ready}");
    assert_eq!(ready["replica"]["required"], false);
    let metrics = plain_call(&program, "GET", "/metrics", "").1;
    assert!(metrics.contains("depositd_replica_failing 1"), "{metrics}");

    // One that answers is asked soon for what nothing waits for: in 1 s, and not only in 15 s.
    let pretender = Pretender::start(&program, Words::good());
    let confirms = || plain_call(&program, "GET", "/metrics", "").1.contains("depositd_replica_failing 0");
    until("it confirms", confirms);
    let (asked, clock) = (pretender.syncs(), SystemClock::new());
    let from = clock.monotonic();
    assert_eq!(ask(&program, "26").0, 201);
    until("it is asked for that", || pretender.syncs() > asked);
    assert!(clock.monotonic() - from < Duration::from_secs(10));
    program.stop();
}

/// A wallet is asked for only once the replica knows that it will be; and polls that bring nothing ask the replica for
/// nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_intent_is_in_the_replica_before_the_upstream_hears_of_it() {
    let mut program = with_replica(&[]).await;
    let pretender = Pretender::start(&program, Words::good());
    program.start_logging("info");
    // Twice for an address: before the upstream is asked, and before it is given out.
    let economical = (0..10).any(|_| {
        let asked = pretender.syncs();
        assert_eq!(ask(&program, "25").0, 201);
        pretender.syncs() <= asked + 2
    });
    assert!(economical, "an address waits for more than two confirmations");
    // From now on it fails. A request that is under way just then is stored, and its wallet waits.
    let before = program.simulator.orders().len();
    pretender.say(|words| words.sync = (500, r#"{"error":"the store is full"}"#.to_owned()));
    let (status, refusal) = ask(&program, "26");
    assert_eq!((status, &refusal["type"]), (503, &"replica-unavailable".into()), "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().ends_with("GET /readyz says why"), "{refusal}");
    let ready = call(&program, "GET", "/readyz", "").1;
    assert!(ready["reasons"].to_string().contains("the store is full"), "{ready}");
    assert_eq!(program.simulator.orders().len(), before);
    pretender.say(|words| *words = Words::good());
    until("it is accepted again", || ask(&program, "27").0 == 201);
    // All that is open is polled all the while, and the replica is left alone.
    until("all have their wallets", || {
        program.sql("SELECT count(*) FROM accounting_deposits WHERE state = 'requested'") == "0"
    });
    let polls = || program.simulator.calls().count(Call::Look);
    let quiet = (0..20).any(|_| {
        let (asked, polled) = (pretender.syncs(), polls());
        until("polls", || polls() >= polled + 10);
        pretender.syncs() <= asked + 1
    });
    assert!(quiet, "each poll asks the replica");
    program.stop();
}
