//! The real program with a webhook: its commands as an operator uses them, secrets that are changed under traffic, and
//! configurations that are refused.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::Fate;
use serde_json::Value;

use super::program::{Program, Source};
use super::receiver::{Answer, OTHER_SECRET, Receiver, SECRET};

/// Waits until `wanted`.
pub(crate) fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !wanted() {
        assert!(clock.monotonic() - began < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn write(program: &Program, name: &str, text: &str) {
    let file = program.secrets().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub(crate) fn configuration(program: &Program) -> String {
    fs::read_to_string(program.secrets().join("daemon.toml")).unwrap()
}

/// A program that tells `shop` of everything, with these lines more.
pub(crate) async fn told(shop: &Receiver, more: &str) -> Program {
    let program = Program::prepare(Source::File).await;
    let hook =
        format!("\n[[webhooks]]\nname = \"shop\"\nurl = \"{}\"\nsecret_file = \"hook\"\n{more}", shop.url());
    write(&program, "hook", &format!("{SECRET}\n"));
    write(&program, "daemon.toml", &(configuration(&program) + &hook));
    program
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(program: &Program, args: &[&str]) -> Value {
    let output = program.run(&[&["--json"], args].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", stderr(&output)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_waits_and_why_and_sends_it_again() {
    let shop = Receiver::start().await;
    let mut program = told(&shop, "retry_initial = \"1h\"\n").await;
    program.start_logging("warn");
    let tried = program.run(&["webhooks", "test", "shop"]);
    assert!(
        tried.status.success() && stdout(&tried).starts_with("shop has taken it (evt_"),
        "{}",
        stderr(&tried)
    );
    assert!(shop.hooks()[0].is_signed_by(SECRET));
    shop.answer(|_| Answer::With(422, "X: y"));
    let refused = program.run(&["webhooks", "test", "shop"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("not taken by shop: 422 Unprocessable Entity: what"),
        "{}",
        stderr(&refused)
    );
    let unknown = program.run(&["webhooks", "test", "nobody"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", stderr(&unknown));
    let listed = stdout(&program.run(&["webhooks", "list"]));
    for part in ["shop", "http://127.0.0.1:", "waiting", "webhook_test", "422 Unprocessable Entity: what"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert!(!listed.contains("hooks/deposits"), "the path may be a secret: {listed}");
    let id = json(&program, &["webhooks", "list"])["deliveries"][0]["id"].as_i64().unwrap();
    let shown = stdout(&program.run(&["webhooks", "show", &id.to_string()]));
    assert!(shown.contains("\"type\": \"webhook.test\"") && shown.contains("tries       1"), "{shown}");
    assert_eq!(program.run(&["webhooks", "show", "99"]).status.code(), Some(3));
    shop.answer(|_| Answer::Status(200));
    let again = stdout(&program.run(&["webhooks", "retry", &id.to_string()]));
    assert_eq!(again.trim(), "1 webhook is sent again");
    until("it is sent", || program.sql("SELECT count(*) FROM webhook_delivery WHERE state <> 'sent'") == "0");
    let listed = json(&program, &["webhooks", "list"]);
    assert_eq!(
        (&listed["webhooks"][0]["state"], &listed["webhooks"][0]["owed"]),
        (&Value::from("open"), &Value::from(0))
    );
    let enabled = program.run(&["webhooks", "enable", "shop"]);
    assert!(!enabled.status.success() && stderr(&enabled).contains("it has not answered that it is gone"));
    let checked = stdout(&program.run(&["check"]));
    assert!(checked.contains("shop: http://127.0.0.1:") && checked.contains("answers (405)"), "{checked}");
    program.verify();
    program.stop();
    super::program::marks::search(&program.out());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_changed_under_traffic_and_none_is_unsigned_for_a_moment() {
    let shop = Receiver::start().await;
    let mut program = told(&shop, "").await;
    program.simulator.set_default_fate(Fate::Exact);
    program.simulator.set_lifetime(Duration::from_secs(10));
    program.start_logging("info");
    let request = |program: &Program| {
        let asked = program.run(&["request", "USDT", "TRON", "25", "--wait", "created"]);
        assert!(asked.status.success(), "{}", stderr(&asked));
    };
    let reload = |program: &Program| {
        let before = program.log().len();
        assert!(Command::new("kill").args(["-HUP", &program.pid().to_string()]).status().unwrap().success());
        until("it reloads", || program.log()[before..].contains("reloaded"));
        program.log()[before..].to_owned()
    };
    let all_sent = |program: &Program| {
        until("all are settled", || {
            program.sql("SELECT count(*) FROM deposit WHERE state <> 'settled'") == "0"
        });
        until("all is told", || {
            program.sql("SELECT count(*) FROM webhook_delivery WHERE state <> 'sent'") == "0"
        });
    };
    request(&program);
    write(&program, "hook", &format!("{SECRET}\n{OTHER_SECRET}\n"));
    assert!(reload(&program).contains("reloaded: webhooks;"), "{}", program.log());
    request(&program);
    all_sent(&program);
    let both = shop.hooks().len();
    write(&program, "hook", &format!("{OTHER_SECRET}\n"));
    reload(&program);
    request(&program);
    all_sent(&program);
    let hooks = shop.hooks();
    assert!(hooks[0].is_signed_by(SECRET) && !hooks[0].is_signed_by(OTHER_SECRET));
    let (during, after) = (&hooks[both - 1], hooks.last().unwrap());
    assert!(during.is_signed_by(SECRET) && during.is_signed_by(OTHER_SECRET));
    assert!(after.is_signed_by(OTHER_SECRET) && !after.is_signed_by(SECRET));
    assert!(hooks.iter().all(|hook| hook.is_signed_by(SECRET) || hook.is_signed_by(OTHER_SECRET)));
    write(&program, "hook", "whsec_short\n");
    let told = reload(&program);
    assert!(
        told.contains("nothing is reloaded") && told.contains("on line 1") && !told.contains("whsec_short"),
        "{told}"
    );
    request(&program);
    all_sent(&program);
    assert!(shop.hooks().last().unwrap().is_signed_by(OTHER_SECRET), "all goes on as before");
    program.stop();
}

#[tokio::test]
async fn a_webhook_that_cannot_be_meant_is_refused_at_start_and_by_check() {
    let program = Program::prepare(Source::File).await;
    let before = configuration(&program);
    write(&program, "hook", &format!("{SECRET}\n"));
    write(&program, "bad", "not a secret\n");
    let hook = |lines: &str| format!("{before}\n[[webhooks]]\n{lines}\n");
    let good = "name = \"shop\"\nurl = \"https://shop.example.com/\"\nsecret_file = \"hook\"";
    for (text, words) in [
        (
            hook("name = \"shop\"\nurl = \"http://shop.example.com/\"\nsecret_file = \"hook\""),
            "webhooks: in webhook 1: url: expected a URL that begins with https://",
        ),
        (
            hook("name = \"shop\"\nurl = \"https://me:pw@shop.example.com/\"\nsecret_file = \"hook\""),
            "url: expected a URL without a user and a password",
        ),
        (hook("name = \"shop\"\nurl = \"shop\"\nsecret_file = \"hook\""), "url: expected a URL such as"),
        (hook("name = \"shop\"\nurl = \"https://shop.example.com/\""), "in webhook 1: missing secret_file"),
        (
            hook("name = \"shop\"\nurl = \"https://shop.example.com/\"\nsecret_file = \"bad\""),
            "webhooks \"shop\" secret_file: expected whsec_ and 24 to 64 bytes in base64 on line 1",
        ),
        (
            hook("name = \"shop\"\nurl = \"https://shop.example.com/\"\nsecret_file = \"none\""),
            "webhooks \"shop\" secret_file: cannot read the secret",
        ),
        (hook(&format!("{good}\nevents = [\"setled\"]")), "did you mean \"settled\"?"),
        (hook(&format!("{good}\nevents = []")), "expected at least one event"),
        (hook(&format!("{good}\ntimeout = \"10m\"")), "timeout: expected at most \"1m\""),
        (hook(&format!("{good}\nsecret = \"{SECRET}\"")), "in webhook 1: unknown key \"secret\""),
        (hook(&format!("{good}\nca_file = \"hook\"")), "ca_file: "),
        (
            hook(&format!("{good}\n[[webhooks]]\n{good}")),
            "in webhook 2: expected each name once, found \"shop\" twice",
        ),
    ] {
        write(&program, "daemon.toml", &text);
        for args in [["run"], ["check"]] {
            let output = program.run(&args);
            let said = stdout(&output) + &stderr(&output);
            assert!(!output.status.success() && said.contains(words), "{words}\n{args:?}: {said}");
            assert!(
                !said.contains(SECRET) && !said.contains("me:pw") && !said.contains("not a secret"),
                "{said}"
            );
        }
        assert!(!program.out().join("ledger.db").exists(), "{text}");
    }
}
