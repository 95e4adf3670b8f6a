//! How long a request waits, and which deposit a shortened name is for the daemon.

use serde_json::{Value, json};

use super::asking::{REQUEST, answer, answering, deposit};
use super::bench::Bench;
use super::books::EVM;

#[test]
fn a_request_waits_no_longer_than_it_was_told() {
    let bench = Bench::new();
    answering(&bench, vec![answer(202, &deposit("requested", false)); 20]);
    let run = bench.run(&[REQUEST, &["--key", "k-9", "--timeout", "300ms"]].concat());
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    assert!(
        run.stderr.contains("--timeout") && run.stderr.contains("depositd list --key k-9"),
        "{}",
        run.stderr
    );
    let bench = Bench::new();
    answering(&bench, vec![answer(200, &deposit("awaiting_payment", true)); 20]);
    let run = bench.run(&[REQUEST, &["--wait", "final", "--timeout", "1500ms"]].concat());
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stdout.contains(EVM), "the payer is told all the same\n{}", run.stdout);
    assert!(run.stderr.contains("depositd show 0197213c-0000-7000-8000-000000000009"), "{}", run.stderr);
    for timeout in ["soon", "0s", "5"] {
        let run = bench.run(&[REQUEST, &["--timeout", timeout]].concat());
        assert!(run.code == 2 && run.stderr.contains("--timeout"), "{timeout}: {}", run.stderr);
    }
}

#[test]
fn a_shortened_name_is_looked_up_before_anything_is_done_to_it() {
    let page = |deposits: Vec<Value>| answer(200, &json!({ "deposits": deposits, "next_cursor": null }));
    let one = deposit("awaiting_payment", true);
    let bench = Bench::new();
    let heard = answering(&bench, vec![page(vec![one.clone()]), answer(200, &one)]);
    let run = bench.run(&["review", "0197213c", "--note", "looked"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<String> = heard.lock().unwrap().iter().map(|asked| asked.line.clone()).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/deposits?limit=10&name=0197213c HTTP/1.1",
            "POST /v1/deposits/0197213c-0000-7000-8000-000000000009/review HTTP/1.1"
        ]
    );
    let mut other = one.clone();
    other["id"] = "0197213c-0000-7000-8000-00000000000a".into();
    for (found, code) in [(vec![one, other], 2), (Vec::new(), 3)] {
        let bench = Bench::new();
        let heard = answering(&bench, vec![page(found)]);
        let run = bench.run(&["cases", "correct", "0197213c", "--amount", "5", "--note", "n"]);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{}", run.stderr);
        assert_eq!(heard.lock().unwrap().len(), 1, "nothing was done");
    }
}
