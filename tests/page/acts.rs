//! What a person does on a page: each act once, by the flow's own verbs, and under the token's name.

use depositd::flow;

use crate::browser::Browser;
use crate::scene::{OPERATE, REQUEST, Scene, until};

const WHO: &str = "API token office";

#[tokio::test]
async fn a_deposit_is_asked_for_once_however_often_its_form_is_sent() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, REQUEST).await;
    let key = browser.get("/deposits/new").await.form_key();
    let fields = [
        ("form_key", key.as_str()),
        ("pair", "USDT BSC"),
        ("amount", "12.50"),
        ("reference", "invoice 7"),
        ("notify", ""),
    ];
    let (one, two) = tokio::join!(browser.post("/deposits", &fields), browser.post("/deposits", &fields));
    let three = browser.post("/deposits", &fields).await;
    assert_eq!((one.status, two.status, three.status), (303, 303, 303), "{}{}", one.text, two.text);
    assert!(one.location() == two.location() && two.location() == three.location());
    let deposits = bench.get("/v1/deposits").await.1;
    assert_eq!(deposits["deposits"].as_array().unwrap().len(), 1, "{deposits}");
    let shown = browser.page(one.location()).await;
    for part in [
        "The deposit is accepted.",
        "invoice 7",
        "awaiting payment",
        "12.50",
        "data:image/png;base64,",
        "left</span>",
    ] {
        assert!(shown.contains(part), "{part}");
    }
    let id = deposits["deposits"][0]["id"].as_str().unwrap();
    assert!(shown.contains(deposits["deposits"][0]["address"].as_str().unwrap()));
    let (_, events) = bench.get(&format!("/v1/deposits/{id}/events")).await;
    assert_eq!(events["events"][0]["acted_by"], "API token shop");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_written_stays() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, REQUEST).await;
    for (pair, amount, notify, part) in [
        ("", "5", "", "pair: missing"),
        ("USDT BTC", "5", "", "network: "),
        ("XYZ BSC", "5", "", "currency: "),
        ("USDT", "5", "", "pair: expected a currency and a network"),
        ("USDT BSC", "-5", "", "amount: "),
        ("USDT BSC", "1e3", "", "amount: "),
        ("USDT BSC", "", "", "amount: missing"),
        ("USDT BSC", "5", "nobody", "notify: "),
    ] {
        let fields = [("pair", pair), ("amount", amount), ("notify", notify), ("reference", "mine & yours")];
        let shown = browser.send("/deposits/new", "/deposits", &fields).await;
        assert_eq!(shown.status, 422, "{pair} {amount}");
        assert!(shown.text.contains(part), "{part}: {}", shown.text);
        assert!(shown.text.contains("value=\"mine &amp; yours\""), "{}", shown.text);
    }
    let shown = browser.post("/deposits", &[("pair", "USDT BSC"), ("amount", "5")]).await;
    assert!(shown.status == 422 && shown.text.contains("form_key: missing"), "{}", shown.text);
    assert_eq!(bench.get("/v1/deposits").await.1["deposits"].as_array().unwrap().len(), 0);
    // A filter is judged as the API judges it.
    let shown = browser.page("/deposits?state=paid&since=yesterday").await;
    assert!(shown.contains("is none of requested"), "{shown}");
}

#[tokio::test]
async fn a_case_is_explained_accepted_and_taken_back_under_a_name() {
    let scene = Scene::set().await;
    let browser = scene.operator().await;
    let (page, act) = (format!("/cases/{}", scene.case), format!("/cases/{}/act", scene.case));
    let shown = browser.page(&page).await;
    assert!(shown.contains("total charges drift") && shown.contains("42.00"), "{shown}");
    let case = async || scene.bench.flow.ledger.case(scene.case).await.unwrap().unwrap();
    let shown = browser.send(&page, &act, &[("act", "explain"), ("note", " ")]).await;
    assert!(shown.status == 422 && shown.text.contains("note: missing"), "{}", shown.text);
    let shown = browser.send(&page, &act, &[("act", "sing"), ("note", "x")]).await;
    assert!(shown.status == 422 && shown.text.contains("expected explain, close"), "{}", shown.text);
    let note = [("act", "explain"), ("note", "a gift of <b>theirs</b>")];
    let shown = browser.send(&page, &act, &note).await;
    assert_eq!((shown.status, shown.location()), (303, format!("{page}?done=explained").as_str()));
    let explained = case().await;
    assert_eq!(explained.explained_by.as_deref(), Some(WHO));
    let text = browser.page(&page).await;
    assert!(text.contains("a gift of &lt;b&gt;theirs&lt;&#x2f;b&gt;") && text.contains(WHO), "{text}");
    // Sent twice, it is done once, and both lead to the same.
    let key = browser.get(&page).await.form_key();
    let fields = [("form_key", key.as_str()), ("act", "accept"), ("note", "theirs")];
    let (one, two) = tokio::join!(browser.post(&act, &fields), browser.post(&act, &fields));
    assert_eq!((one.status, two.status), (303, 303), "{}{}", one.text, two.text);
    assert_eq!(case().await.closed_who.as_deref(), Some(WHO));
    let shown = browser.send(&page, &act, &[("act", "close"), ("note", "again")]).await;
    assert!(shown.status == 422 && shown.text.contains("has been closed since"), "{}", shown.text);
    let shown = browser.send(&page, &act, &[("act", "unaccept"), ("note", "not theirs after all")]).await;
    assert_eq!(shown.status, 303, "{}", shown.text);
    let proof = scene.bench.flow.ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!(proof.findings, vec![]);
}

#[tokio::test]
async fn a_month_is_tried_confirmed_by_its_name_and_closed() {
    let bench = Scene::empty().await;
    bench.upstream.top_up_elsewhere(100_000, "stripe").unwrap();
    for _ in 0..2 {
        flow::reconcile(&bench.flow).await.unwrap();
    }
    let browser = Browser::logged_in(&bench.page, OPERATE).await;
    let ask = browser.page("/books/close?month=2026-01").await;
    assert!(ask.contains("Nothing is closed by that"), "{ask}");
    let plan = browser.post("/books/close/try", &[("month", "2026-01")]).await;
    assert!(plan.status == 200 && plan.text.contains("nothing was closed yet"), "{}", plan.text);
    assert_eq!(bench.flow.ledger.closed_months().await.unwrap().len(), 0);
    let key = plan.form_key();
    for confirm in ["", "2026-02", "yes"] {
        let shown = browser
            .post("/books/close", &[("form_key", &key), ("month", "2026-01"), ("confirm", confirm)])
            .await;
        assert!(shown.status == 422 && shown.text.contains("write 2026-01 to close it"), "{}", shown.text);
    }
    let fields = [("form_key", key.as_str()), ("month", "2026-01"), ("confirm", "2026-01")];
    let (one, two) =
        tokio::join!(browser.post("/books/close", &fields), browser.post("/books/close", &fields));
    assert_eq!((one.status, two.status), (303, 303), "{}{}", one.text, two.text);
    let closed = bench.flow.ledger.closed_months().await.unwrap();
    assert_eq!((closed.len(), closed[0].closed_by.as_deref()), (1, Some(WHO)));
    let shown = browser.page(one.location()).await;
    assert!(shown.contains("The month is closed for good.") && shown.contains(WHO), "{shown}");
    let early = browser.post("/books/close/try", &[("month", "2999-01")]).await;
    assert!(early.status == 422 && early.text.contains("has not ended yet"), "{}", early.text);
    let broken = browser.post("/books/close/try", &[("month", "soon")]).await;
    assert!(broken.status == 422 && broken.text.contains("is not a month"), "{}", broken.text);
}

#[tokio::test]
async fn a_letter_is_shown_as_it_looks_and_runs_nothing() {
    let scene = Scene::set().await;
    let browser = scene.operator().await;
    let sent = async || !scene.bench.flow.ledger.mails(&["sent"], 50).await.unwrap().is_empty();
    until("a letter is sent", sent).await;
    let mails = scene.bench.flow.ledger.mails(&["sent"], 50).await.unwrap();
    let mail = mails.iter().find(|mail| mail.audience == "payer").unwrap();
    let shown = browser.page(&format!("/letters/{}", mail.id)).await;
    assert!(
        shown.contains("payer@example.com") && shown.contains("25 USDT") || shown.contains("USDT"),
        "{shown}"
    );
    let html = browser.get(&format!("/letters/{}/html", mail.id)).await;
    assert_eq!(html.status, 200);
    let policy = html.header("content-security-policy");
    assert!(
        policy.contains("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script-src")
    );
    assert!(html.text.contains("data:image/png;base64,") && !html.text.contains("cid:"), "{}", html.text);
    assert!(!html.text.contains("<script"));
    let list = browser.page("/outbox?state=sent").await;
    assert!(list.contains(&format!("href=\"/letters/{}\"", mail.id)));
    let shown = browser.send("/reconciliation", "/outbox/letters", &[("id", &mail.id.to_string())]).await;
    assert!(shown.status == 404 && shown.text.contains("is unsent"), "{}", shown.text);
    let all = browser.send("/reconciliation", "/outbox/letters", &[("id", "all")]).await;
    assert_eq!((all.status, all.location()), (303, "/outbox?done=retried"));
    let shown = browser.send("/reconciliation", "/outbox/letters", &[("id", "seven")]).await;
    assert!(shown.status == 422 && shown.text.contains("expected a number, or all"), "{}", shown.text);
    assert_eq!(browser.get("/letters/999999").await.status, 404);
    assert_eq!(browser.get("/webhooks/x").await.status, 404);
}

#[tokio::test]
async fn the_books_leave_row_by_row() {
    let scene = Scene::set().await;
    let browser = Browser::logged_in(&scene.bench.page, crate::scene::READ).await;
    let csv = browser.get("/books/export?what=deposits&format=csv").await;
    assert_eq!(csv.status, 200, "{}", csv.text);
    assert!(csv.header("content-disposition").starts_with("attachment; filename=\"deposits-"));
    assert!(csv.text.starts_with("id,order_id,reference") && csv.text.lines().count() == 3, "{}", csv.text);
    assert!(csv.text.contains(&scene.id()));
    let lines = browser.get("/books/export?what=entries&format=jsonl&month=2020-01").await;
    assert_eq!((lines.status, lines.text.as_str()), (200, ""));
    for (path, part) in [
        ("/books/export?what=all&format=csv", "what: expected deposits or entries"),
        ("/books/export?what=entries&format=pdf", "format: expected csv or jsonl"),
        ("/books/export?what=entries&format=csv&month=2999-01", "has not begun"),
    ] {
        let shown = browser.get(path).await;
        assert!(shown.status == 422 && shown.text.contains(part), "{path}: {}", shown.text);
    }
}

/// Whoever imports half of the books must know that it is half: the download fails, and is no short file.
#[tokio::test]
async fn books_that_break_off_are_no_whole_download() {
    let scene = Scene::set().await;
    let browser = Browser::logged_in(&scene.bench.page, crate::scene::READ).await;
    let paths = ["what=deposits&format=csv", "what=deposits&format=jsonl"]
        .map(|what| format!("/books/export?{what}"));
    for path in &paths {
        assert_eq!(browser.get(path).await.status, 200);
    }
    let ledger = scene.bench.flow.ledger.path();
    let gone = "DROP VIEW accounting_deposits";
    let done = std::process::Command::new("sqlite3").arg("-bail").arg(ledger).arg(gone).status();
    assert!(done.unwrap().success());
    for path in &paths {
        let response = browser.ask(reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "what was begun cannot be taken back");
        assert!(response.text().await.is_err(), "{path}");
    }
}
