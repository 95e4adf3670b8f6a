//! Who gets in, and what others can make a browser do: logins, sessions, roles, forms from elsewhere, names that lie.

use std::time::Duration;

use depositd::clock::Stopwatch;
use reqwest::Method;

use crate::bench::{Bench, TOKEN, operate};
use crate::browser::{Browser, Shown, cookie_of};
use crate::scene::{OPERATE, READ, REQUEST, Scene, grant, until};

/// Every act, and the role that it needs.
const ACTS: [(&str, &str); 11] = [
    ("/deposits", "request"),
    ("/deposits/x/review", "operate"),
    ("/deposits/x/match", "operate"),
    ("/deposits/x/unmatch", "operate"),
    ("/books/close/try", "operate"),
    ("/books/close", "operate"),
    ("/cases/1/act", "operate"),
    ("/reconciliation", "operate"),
    ("/outbox/letters", "operate"),
    ("/outbox/webhooks", "operate"),
    ("/outbox/webhooks/enable", "operate"),
];

#[tokio::test]
async fn a_token_opens_a_session_that_is_new_each_time() {
    let bench = Scene::empty().await;
    let stranger = Browser::at(&bench.page);
    for path in [
        "/",
        "/deposits",
        "/deposits/x",
        "/books",
        "/live",
        "/nowhere",
        "/books/export?what=entries&format=csv",
    ] {
        let shown = stranger.get(path).await;
        assert_eq!(shown.status, 303, "{path}");
        assert!(shown.location().starts_with("/login"), "{path}: {}", shown.location());
    }
    assert_eq!(stranger.get("/cases/7?x=1").await.location(), "/login?next=%2Fcases%2F7%3Fx%3D1");
    // An id that somebody else has set in this browser is not taken over.
    let mut fixed = Browser::at(&bench.page);
    fixed.cookie = Some("0".repeat(64));
    let shown = fixed.post("/login", &[("token", OPERATE), ("next", "/cases")]).await;
    assert_eq!((shown.status, shown.location()), (303, "/cases"));
    let cookie = shown.header("set-cookie");
    for part in
        ["__Host-depositd=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=28800"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    let first = cookie_of(&shown).unwrap();
    assert!(first.len() == 64 && first != "0".repeat(64));
    assert_eq!(fixed.get("/").await.status, 303, "the id that was there before is nobody's");
    fixed.cookie = Some(first.clone());
    assert!(fixed.page("/").await.contains("office <small>operate</small>"));
    // Logging in again ends the session that was shown with it.
    let second = cookie_of(&fixed.post("/login", &[("token", READ)]).await).unwrap();
    assert_ne!(first, second);
    assert_eq!(fixed.get("/").await.status, 303);
    fixed.cookie = Some(second);
    assert!(fixed.page("/").await.contains("audit <small>read</small>"));
    let left = fixed.post("/logout", &[]).await;
    assert_eq!((left.status, left.location()), (303, "/login"));
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(fixed.get("/").await.status, 303);
    // A login leads to no other site.
    for next in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let shown = stranger.post("/login", &[("token", OPERATE), ("next", next)]).await;
        assert_eq!(shown.location(), "/", "{next}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_whatever_a_proxy_says_and_right_ones_are_not() {
    let bench = Scene::empty().await;
    let browser = Browser::at(&bench.page);
    let shown = browser.post("/login", &[("token", "no-token-of-anybody")]).await;
    assert_eq!(shown.status, 403);
    assert!(shown.text.contains("no token of this daemon") && !shown.text.contains("no-token-of-anybody"));
    assert!(shown.headers.get("set-cookie").is_none());
    assert_eq!(browser.post("/login", &[("token", " ")]).await.status, 422);
    let started = Stopwatch::start();
    for number in 0..26 {
        // Who tells another address each time is slowed all the same.
        let lie = format!("203.0.113.{number}");
        let form = browser.form("/login", &[("token", "no-token-of-anybody")]);
        let form = form
            .header("x-forwarded-for", &lie)
            .header("forwarded", format!("for={lie}"))
            .header("x-real-ip", &lie);
        assert_eq!(Shown::of(form.send().await.unwrap()).await.status, 403);
    }
    assert!(started.elapsed() > Duration::from_millis(400), "{:?}", started.elapsed());
    let started = Stopwatch::start();
    Browser::logged_in(&bench.page, OPERATE).await;
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_session_dies_with_its_token() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, READ).await;
    let mut stream = browser.ask(Method::GET, "/live").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(browser.get("/").await.status, 200);
    bench.access.replace(&[operate(TOKEN)], &[]);
    assert_eq!(browser.get("/").await.status, 303);
    // The stream ends at its next nudge.
    let body = r#"{"currency": "USDT", "network": "BSC", "amount": "5"}"#;
    let ended = async {
        bench.ask(body, &[("prefer", "wait=0")]).await;
        while let Ok(Some(chunk)) = stream.chunk().await {
            assert!(!String::from_utf8_lossy(&chunk).contains("data:"));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    grant(&bench);
    assert_eq!(browser.get("/").await.status, 303, "it does not come back with it");
}

#[tokio::test]
async fn a_role_that_is_too_small_is_told_so_and_is_offered_nothing() {
    let scene = Scene::with_links().await;
    for (token, name, role) in [(READ, "audit", "read"), (REQUEST, "shop", "request")] {
        let browser = Browser::logged_in(&scene.bench.page, token).await;
        for (path, needs) in ACTS {
            let shown = browser.post(path, &[("note", "x")]).await;
            if needs == role {
                assert_ne!(shown.status, 403, "{path}");
                continue;
            }
            assert_eq!(shown.status, 403, "{name}: {path}: {}", shown.text);
            let words = format!("API token {name} has the role {role}; POST ");
            assert!(shown.text.contains(&words), "{}", shown.text);
        }
        assert_eq!(browser.get("/books/close?month=2020-02").await.status, 403);
        assert_eq!(browser.get("/deposits/new").await.status == 403, role == "read");
        for path in scene
            .addresses()
            .await
            .iter()
            .filter(|path| !["/deposits/new", "/login"].contains(&path.as_str()))
        {
            let shown = browser.get(path).await;
            let forms: Vec<_> =
                shown.text.split("<form").skip(1).filter(|form| form.contains("method=\"post\"")).collect();
            assert_eq!(forms.len(), 1, "{name}: {path}: only the one to log out");
            assert_eq!(
                shown.text.contains("href=\"/deposits/new\""),
                role == "request" && ["/", "/deposits", "/deposits?q=zzzz"].contains(&path.as_str()),
                "{path}"
            );
        }
    }
    let case = scene.bench.flow.ledger.case(scene.case).await.unwrap().unwrap();
    assert_eq!((case.explained, case.closed_at), (None, None));
}

#[tokio::test]
async fn a_form_from_another_site_does_nothing() {
    let scene = Scene::set().await;
    let browser = scene.operator().await;
    let key = browser.get("/reconciliation").await.form_key();
    let before = *scene.bench.flow.ledger.head().borrow();
    let bare = |path: &str| {
        let form =
            browser.ask(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        form.body(format!(
            "form_key={key}&act=close&note=x&pair=USDT+BSC&amount=5&id=all&month=2020-01&confirm=2020-01"
        ))
    };
    for (path, _) in ACTS.iter().chain(&[("/logout", ""), ("/login", "")]) {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:1"),
        ] {
            let shown = Shown::of(bare(path).header(name, value).send().await.unwrap()).await;
            assert_eq!(shown.status, 403, "{path} {name}: {value}");
            assert!(shown.text.contains("sent from another site"), "{}", shown.text);
            assert!(shown.header("content-security-policy").contains("frame-ancestors 'none'"));
        }
    }
    assert_eq!(*scene.bench.flow.ledger.head().borrow(), before);
    assert_eq!(browser.get("/").await.status, 200, "nobody was logged out");
    // And one that looks does nothing either.
    for (path, _) in ACTS {
        let status = browser.get(path).await.status;
        assert!([200, 404, 405].contains(&status), "{path}: {status}");
    }
    assert_eq!(*scene.bench.flow.ledger.head().borrow(), before);
}

#[tokio::test]
async fn only_its_own_names_are_answered_and_proxies_are_not_believed() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, OPERATE).await;
    let with = async |headers: &[(&str, &str)]| {
        let mut request = browser.ask(Method::GET, "/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Shown::of(request.send().await.unwrap()).await
    };
    for host in ["evil.example", "127.0.0.1.evil.example", "deposits.example.com", ""] {
        let shown = with(&[("host", host)]).await;
        assert!([400, 421].contains(&shown.status), "{host}: {}", shown.status);
    }
    for host in ["localhost:8788", "127.0.0.1", "[::1]:8788"] {
        assert_eq!(with(&[("host", host)]).await.status, 200, "{host}");
    }
    let lies = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "/books"),
        ("x-forwarded-user", "root"),
        ("authorization", "Bearer the-token-of-the-office"),
    ];
    let shown = with(&lies).await;
    assert!(shown.status == 200 && !shown.text.contains("evil.example"));
    let stranger = Browser::at(&bench.page);
    let mut request = stranger.ask(Method::GET, "/");
    for (name, value) in lies {
        request = request.header(name, value);
    }
    let shown = Shown::of(request.send().await.unwrap()).await;
    assert_eq!(
        (shown.status, shown.location()),
        (303, "/login"),
        "a bearer token opens the API, not the pages"
    );
}

#[tokio::test]
async fn behind_a_proxy_people_use_its_name() {
    let bench = Bench::start_with(Duration::from_secs(3600), Some("https://deposits.example.com")).await;
    grant(&bench);
    let browser = Browser::logged_in(&bench.page, OPERATE).await;
    // The proxy may pass the name on, or call us by its own.
    for host in ["deposits.example.com", "127.0.0.1"] {
        let shown = browser.ask(Method::GET, "/").header("host", host).send().await.unwrap();
        assert_eq!(shown.status(), 200, "{host}");
        for (origin, status) in [("https://deposits.example.com", 303), ("https://evil.example", 403)] {
            let key = browser.get("/reconciliation").await.form_key();
            let form =
                browser.ask(Method::POST, "/reconciliation").header("host", host).header("origin", origin);
            let form = form
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("form_key={key}"));
            assert_eq!(form.send().await.unwrap().status(), status, "{host} {origin}");
        }
    }
    let shown = browser.ask(Method::GET, "/").header("host", "other.example.com").send().await.unwrap();
    assert_eq!(shown.status(), 421);
}

#[tokio::test]
async fn a_watched_page_is_nudged_when_something_happens() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, READ).await;
    let mut stream = browser.ask(Method::GET, "/live").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let before = browser.page("/").await;
    assert!(before.contains("None is open"));
    bench.ask(r#"{"currency": "USDT", "network": "BSC", "amount": "5"}"#, &[("prefer", "wait=10")]).await;
    let nudge = async {
        let chunk = stream.chunk().await.unwrap().unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    };
    let nudge = tokio::time::timeout(Duration::from_secs(10), nudge).await.unwrap();
    assert!(nudge.contains("data: ") && !nudge.contains("USDT"), "{nudge}");
    until("the page shows it", async || browser.page("/").await.contains("awaiting payment")).await;
}
