//! Every way to get the configuration wrong: what the answer says, and that it shows no secret.

use secrecy::ExposeSecret;

use super::{Bench, SECRET, error_of, from_text, from_variables};

#[test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
fn bad_input_is_named_with_what_was_expected() {
    for (text, parts) in [
        (
            "[upstream]\nuserid = \"1\"",
            &["daemon.toml: upstream.userid: unknown key (did you mean upstream.user_id?)"][..],
        ),
        ("[upstrem]\nuser_id = \"1\"", &["upstrem: unknown key (did you mean upstream?)"]),
        ("user_id = \"1\"", &["user_id: unknown key (did you mean upstream.user_id?)"]),
        ("[mail]\nhost = \"h\"", &["mail.host: unknown key (did you mean mail.smtp.host?)"]),
        ("colour = 1", &["colour: unknown key"]),
        ("upstream = 1", &["upstream: expected a section, written [upstream]"]),
        ("[mail]\nsmtp = 1", &["mail.smtp: expected a section, written [mail.smtp]"]),
        ("[upstream\n", &["daemon.toml: line 1 is not TOML"]),
        ("[ledger]\npath = \"a\"\npath = \"b\"", &["line 3 is not TOML", "duplicate key"]),
        (
            "[upstream]\ntimeout = 30",
            &["upstream.timeout: expected a duration in quotes such as \"15s\", found the number 30"],
        ),
        (
            "[upstream]\ntimeout = \"0s\"",
            &["upstream.timeout: expected a duration longer than zero, found \"0s\""],
        ),
        ("[upstream]\ntimeout = \"-5s\"", &["upstream.timeout: expected a duration such as"]),
        (
            "[upstream]\ntimeout = \"2h\"",
            &["upstream.timeout: expected a duration of at most 1h, found \"2h\""],
        ),
        ("[polling]\ninterval = \"9999d\"", &["polling.interval: expected a duration of at most 3650d"]),
        ("[polling]\ninterval = 2026-01-01", &["polling.interval", "found a date"]),
        ("[upstream]\nmax_in_flight = 0", &["expected a whole number from 1 to 1024, found 0"]),
        ("[upstream]\nmax_in_flight = 1025", &["from 1 to 1024, found 1025"]),
        ("[upstream]\nmax_in_flight = 1.5", &["from 1 to 1024, found the number 1.5"]),
        ("[upstream]\nmax_in_flight = \"16\"", &["from 1 to 1024, found a text"]),
        ("[upstream]\ncreate_attempts = 11", &["from 1 to 10, found 11"]),
        (
            "[upstream]\nrequests_per_second = -1",
            &["requests_per_second: expected a number from 0.001 to 10000, or 0 for no limit, found -1"],
        ),
        ("[upstream]\nrequests_per_second = -0.5", &["found -0.5"]),
        ("[upstream]\nrequests_per_second = nan", &["requests_per_second: expected a number"]),
        ("[upstream]\nrequests_per_second = inf", &["requests_per_second: expected a number"]),
        ("[upstream]\nrequests_per_second = 1e300", &["requests_per_second: expected a number"]),
        ("[upstream]\nrequests_per_second = \"5\"", &["found a text"]),
        ("[upstream]\nuser_id = \"a/b\"", &["upstream.user_id: expected the account's user id"]),
        ("[upstream]\nuser_id = -5.5", &["upstream.user_id: expected a text"]),
        (
            "[upstream]\nbase_url = \"http://example.com\"",
            &["upstream.base_url: expected https://", "this machine only"],
        ),
        ("[ledger]\npath = \"\"", &["ledger.path: expected a text that is not empty"]),
        (
            "[ledger]\ncreate_if_missing = \"true\"",
            &["ledger.create_if_missing: expected true or false, found a text"],
        ),
        (
            "[ledger]\nbackup_schedule = \"0 0 1 * * *\"",
            &["ledger.backup_schedule: expected ledger.backup_dir beside it"],
        ),
        ("[ledger]\nbackup_keep = 0", &["ledger.backup_keep: expected a whole number from 1"]),
        (
            "[reconcile]\nschedule = \"*/15 * * * *\"",
            &["reconcile.schedule: expected a cron expression of six fields", "found 5 fields"],
        ),
        (
            "[reconcile]\nupstream_utc_offset = \"Berlin\"",
            &["reconcile.upstream_utc_offset: expected an offset", "or a zone such as", "found \"Berlin\""],
        ),
        (
            "[books]\ntime_zone = \"Europe/Berlim\"",
            &["books.time_zone: expected an offset", "or a zone such as", "found \"Europe/Berlim\""],
        ),
        ("[books]\ntime_zone = 2", &["books.time_zone: expected a zone or an offset in quotes"]),
        ("[books]\naccounts = \"x\"", &["books.accounts: expected a table of texts such as", "found a text"]),
        ("[books]\naccounts = { \"equity:asked\" = 5 }", &["books.accounts: expected a table of texts"]),
        (
            "[books]\naccounts = { \"assets:bank\" = \"Assets:Bank\" }",
            &["books.accounts: expected an account of the chart such as", "found \"assets:bank\""],
        ),
        (
            "[books]\naccounts = { \"assets:prepaid:smsonline\" = \"Assets:SMS Online\" }",
            &[
                "books.accounts: expected a name that hledger and beancount take",
                "found \"Assets:SMS Online\"",
            ],
        ),
        (
            "[books]\naccounts = { \"equity:asked\" = \"Equity:X\", \"equity:rounding\" = \"equity:x\" }",
            &[
                "books.accounts: expected a name of its own for each account",
                "equity:asked and equity:rounding",
            ],
        ),
        ("[balance]\nlow_cents = 0", &["balance.low_cents: expected a whole number from 1"]),
        ("[balance]\nlow_cents = \"50\"", &["balance.low_cents: expected a whole number from 1"]),
        ("[reconcile]\nlag = \"0\"", &["reconcile.lag: expected a duration such as"]),
        ("[reconcile]\nlag = \"0m\"", &["reconcile.lag: expected a duration longer than zero"]),
        ("[reconcile]\nlag = 0", &["reconcile.lag: expected a duration in quotes"]),
        (
            "[upstream]\nrequest_limit = \"0s\"",
            &["upstream.request_limit: expected a duration longer than zero"],
        ),
        ("[reconcile]\ntolerance_cents = -1", &["reconcile.tolerance_cents: expected a whole number from 0"]),
        (
            "[mail]\ntransport = \"carrier pigeon\"",
            &["mail.transport: expected \"smtp\" or \"file\", found \"carrier pigeon\""],
        ),
        ("[mail]\nfrom = \"nobody\"", &["mail.from: expected a mail address"]),
        ("[mail]\nto = \"a@b\"", &["mail.to: expected a list of texts"]),
        ("[mail]\nto = [\"a@b\", 5]", &["mail.to: expected a list of texts"]),
        ("[mail]\nto = [\"a@b\", \"c\"]", &["mail.to: expected a mail address", "found \"c\""]),
        (
            "[mail]\nretry_initial = \"2h\"",
            &["mail.retry_max: expected retry_max to be at least mail.retry_initial, which is 2h"],
        ),
        (
            "[mail.smtp]\nhost = \"smtp.example.com:25\"",
            &["mail.smtp.host: expected a host name", "without a port"],
        ),
        (
            "[mail.smtp]\nhost = \"smtp.example.com\"\nsecurity = \"none\"",
            &["mail.smtp.security: expected \"starttls\" or \"tls\"", "this machine only"],
        ),
        (
            "[mail.smtp]\nsecurity = \"ssl\"",
            &["mail.smtp.security: expected \"starttls\" or \"tls\" or \"none\", found \"ssl\""],
        ),
        (
            "[mail.smtp]\nport = 70000",
            &["mail.smtp.port: expected a whole number from 1 to 65535, found 70000"],
        ),
        (
            "[[mail.rules]]\nevents = [\"setled\"]\nto = [\"a@b\"]",
            &["mail.rules: in rule 1: expected the name of an event", "did you mean \"settled\"?"],
        ),
        ("[[mail.rules]]\nevents = []\nto = [\"a@b\"]", &["in rule 1: expected at least one event"]),
        ("[[mail.rules]]\nevents = [\"settled\"]", &["in rule 1: expected to = a list"]),
        (
            "[[mail.rules]]\nevents = [\"*\"]\nto = []\n[[mail.rules]]\nevent = [\"x\"]",
            &["in rule 2: unknown key \"event\""],
        ),
        ("[mail.rules]\nevents = [\"settled\"]", &["mail.rules: expected tables written [[mail.rules]]"]),
        ("[api]\nlisten = [\"localhost:1\"]", &["api.listen: expected \"unix:PATH\" or \"IP:PORT\""]),
        ("[api]\nlisten = [\"unix:a\", \"unix:a\"]", &["api.listen: expected each address once"]),
        (
            "[[api.tokens]]\nname = \"a\"\nrole = \"read\"",
            &["api.tokens: in token 1: missing file; write file = "],
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nrole = \"admin\"\nfile = \"f\"",
            &["in token 1: expected role = \"read\" or \"request\" or \"operate\", found \"admin\""],
        ),
        (
            "[[api.tokens]]\nname = \"a b\"\nrole = \"read\"\nfile = \"f\"",
            &["in token 1: expected name = a letter or digit"],
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nrole = \"read\"\nfile = \"f\"\n[[api.tokens]]\nname = \"A\"\nrole = \"read\"\nfile = \"g\"",
            &["in token 2: expected each name once, found \"A\" twice"],
        ),
        (
            "[api]\ntoken_file = \"t\"\n[[api.tokens]]\nname = \"api\"\nrole = \"read\"\nfile = \"f\"",
            &["in token 1: expected each name once", "api.token has the name \"api\""],
        ),
        (
            "[[api.tokens]]\nname = \"a\"\nrole = \"read\"\ntoken = \"x\"",
            &["in token 1: unknown key \"token\"; expected name and role and file"],
        ),
        ("[[api.groups]]\nname = \"a\"", &["api.groups: in group 1: missing role; write role = \"request\""]),
    ] {
        let error = error_of(text);
        for part in parts {
            assert!(error.contains(part), "{text}\ngave: {error}\nwithout: {part}");
        }
        assert!(!error.contains('\n') && error.contains("daemon.toml"), "{error}");
    }
}

#[test]
fn wrong_variables_are_named() {
    for (name, value, parts) in [
        (
            "DEPOSITD_UPSTREAM__TIMEOUT",
            "x",
            &["DEPOSITD_UPSTREAM__TIMEOUT: upstream.timeout: expected a duration", "\"x\""][..],
        ),
        (
            "DEPOSITD_UPSTREAM__APIKEY",
            SECRET,
            &["DEPOSITD_UPSTREAM__APIKEY: unknown variable", "did you mean DEPOSITD_UPSTREAM__API_KEY?"],
        ),
        (
            "DEPOSITD_UPSTREAM_API_KEY",
            SECRET,
            &["DEPOSITD_UPSTREAM_API_KEY: unknown variable (did you mean DEPOSITD_UPSTREAM__API_KEY?)"],
        ),
        ("DEPOSITD_UPSTREAM__API_KEY__X", SECRET, &["unknown variable: no such key as upstream.api_key.x"]),
        (
            "DEPOSITD_UPSTREAM__API_KEY",
            "",
            &["DEPOSITD_UPSTREAM__API_KEY: upstream.api_key: expected a secret, found nothing"],
        ),
        ("DEPOSITD_FOO__BAR", SECRET, &["DEPOSITD_FOO__BAR: unknown variable"]),
        ("DEPOSITD_MAIL__SMTP", SECRET, &["DEPOSITD_MAIL__SMTP: unknown variable"]),
        (
            "DEPOSITD_MAIL__SMTP__PORT",
            "many",
            &[
                "DEPOSITD_MAIL__SMTP__PORT: mail.smtp.port: expected a whole number from 1 to 65535, found \"many\"",
            ],
        ),
        ("DEPOSITD_MAIL__TO", "a@b,c", &["DEPOSITD_MAIL__TO: mail.to: expected a mail address"]),
        (
            "DEPOSITD_MAIL__TO",
            "[\"a@b\"",
            &["DEPOSITD_MAIL__TO: mail.to: expected a list of texts", "brackets"],
        ),
        ("DEPOSITD_LEDGER__CREATE_IF_MISSING", "maybe", &["expected \"true\" or \"false\", found \"maybe\""]),
        (
            "DEPOSITD_UPSTREAM__REQUESTS_PER_SECOND",
            "1e3",
            &["requests_per_second: expected a number", "\"1e3\""],
        ),
    ] {
        let error = from_variables(&[(name, value)]).map(|_| ()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{name}={value}\ngave: {error}\nwithout: {part}");
        }
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn no_answer_shows_a_secret() {
    let marked = format!(
        "[upstream]\napi_key = \"{SECRET}\"\n[mail.smtp]\npassword = \"{SECRET}\"\n[api]\ntoken = \"{SECRET}\"\n"
    );
    let config = from_text(&marked).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains(SECRET));
    assert_eq!(config.upstream.api_key.inline.as_ref().unwrap().expose_secret(), SECRET);
    // Every way to break the file around a secret, and every place a secret may be put by mistake.
    let broken = [
        format!("[upstream]\napi_key = \"{SECRET}"),
        format!("[upstream]\napi_key = {SECRET}"),
        format!("[upstream]\napi_key = '{SECRET}\nuser_id = \"1\""),
        format!("[upstream]\napi_key = \"{SECRET}\" x"),
        format!("[upstream]\napi_key = \"{SECRET}\"\"\n"),
        format!("[upstream]\napi_key = \"\\{SECRET}\""),
        format!("[upstream]\napi_key \"{SECRET}\""),
        format!("[upstream]\napi_key: {SECRET}"),
        format!("[upstream]\napi_key = \"{SECRET}\"\napi_key = \"{SECRET}\""),
        format!("[upstream]\napi_key = [\"{SECRET}\"]"),
        format!("[upstream]\napi_key = \"\"\"{SECRET}\n{SECRET}\"\"\""),
        format!("[upstream]\napikey = \"{SECRET}\""),
        format!("api_key = \"{SECRET}\""),
        format!("upstream = \"{SECRET}\""),
        format!("[upstream.api_key]\nvalue = \"{SECRET}\""),
        format!("[upstream]\napi_key = \"{SECRET}\"\napi_key_file = \"key\""),
        format!("{marked}x = 1"),
        format!("[upstream]\nbase_url = \"https://u:{SECRET}@example.com\""),
        format!("[upstream]\nbase_url = \"https://example.com/?apiKey={SECRET}\""),
        format!("[upstream]\napi_key = \"{}\"", SECRET.repeat(400)),
    ];
    for text in broken {
        let error = from_text(&text).map(|_| ()).unwrap_err();
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains(SECRET) && !shown.contains("s3cr3t"), "{text}\ngave: {shown}");
    }
    let both = error_of("[upstream]\napi_key = \"k\"\napi_key_file = \"f\"");
    assert!(
        both.contains("expected either upstream.api_key or upstream.api_key_file; both are given"),
        "{both}"
    );
    let bench = Bench::new(Some("[api]\ntoken_file = \"f\""), &[("DEPOSITD_API__TOKEN", SECRET)]);
    let token = bench.load().unwrap().api.token;
    assert!(
        token.inline.is_some() && token.file.is_none(),
        "the environment overrides the file, whichever way"
    );
}
