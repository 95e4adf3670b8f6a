//! Payment pages and cards: asked for, shown, and matched with a row by a person.

use depositd::flow;
use depositd::sandbox::upstream::{Call, LinkShape};

use crate::browser::Browser;
use crate::scene::{READ, REQUEST, Scene};

/// A page as its reader sees its characters.
async fn read(browser: &Browser, path: &str) -> String {
    browser.page(path).await.replace("&#x2f;", "/").replace("&amp;", "&")
}

#[tokio::test]
async fn a_page_and_a_card_are_asked_for_once_and_without_a_pair() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, REQUEST).await;
    for (method, call, pair) in [("page", Call::CreatePage, ""), ("card", Call::CreateCard, "USDT BSC")] {
        let form = browser.get("/deposits/new").await;
        assert!(form.text.contains(&format!("name=\"method\" value=\"{method}\"")), "{}", form.text);
        let key = form.form_key();
        // What was picked before the method was is not asked for.
        let fields = [("form_key", key.as_str()), ("method", method), ("pair", pair), ("amount", " 25 ")];
        let (one, two) = tokio::join!(browser.post("/deposits", &fields), browser.post("/deposits", &fields));
        assert_eq!((one.status, two.status), (303, 303), "{}{}", one.text, two.text);
        assert_eq!(one.location(), two.location());
        let deposits = bench.get(&format!("/v1/deposits?method={method}")).await.1;
        assert_eq!(deposits["deposits"].as_array().unwrap().len(), 1, "{deposits}");
        assert_eq!(deposits["deposits"][0]["amount_requested"], "25");
        assert_eq!(bench.upstream.calls().count(call), 1);
    }
}

#[tokio::test]
async fn what_does_not_fit_a_method_is_said_beside_its_field() {
    let bench = Scene::empty().await;
    let browser = Browser::logged_in(&bench.page, REQUEST).await;
    for (method, pair, amount, field, part) in [
        ("page", "", "5.50", "amount", "takes whole dollars only"),
        ("card", "", "0", "amount", "amount: "),
        ("card", "", "", "amount", "amount: missing"),
        ("cash", "", "5", "method", "method: expected wallet, page or card"),
        ("wallet", "", "5", "pair", "pair: missing"),
        ("", "XYZ BSC", "5", "pair", "currency: "),
    ] {
        let fields = [("method", method), ("pair", pair), ("amount", amount)];
        let shown = browser.send("/deposits/new", "/deposits", &fields).await;
        assert_eq!(shown.status, 422, "{method} {amount}: {}", shown.text);
        // It stands after its field and before the hint of the next one.
        let mark = if field == "method" { "</fieldset>".to_owned() } else { format!(" id=\"{field}\"") };
        let (_, beside) = shown.text.split_once(&mark).unwrap();
        let before_next = beside.split("<label").next().unwrap();
        assert!(before_next.contains(part), "{field} {part}: {}", shown.text);
        assert_eq!(shown.text.matches("id=\"wrong\"").count(), 1, "{}", shown.text);
        assert!(shown.text.contains(&format!("{field}-hint wrong\"")), "{}", shown.text);
        // What was chosen stays chosen.
        let kept = if ["page", "card"].contains(&method) { method } else { "wallet" };
        let checked = format!("value=\"{kept}\" checked");
        assert!(shown.text.contains(&checked), "{checked}: {}", shown.text);
    }
    assert_eq!(bench.get("/v1/deposits").await.1["deposits"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_link_is_shown_with_its_code_and_without_a_network() {
    let scene = Scene::with_links().await;
    let browser = Browser::logged_in(&scene.bench.page, READ).await;
    for (id, amount, by) in [
        (&scene.links[0], "25", "payment page"),
        (&scene.links[1], "50", "card"),
        (&scene.links[2], "60", "card"),
    ] {
        let (_, deposit) = scene.bench.get(&format!("/v1/deposits/{id}")).await;
        let text = read(&browser, &format!("/deposits/{id}")).await;
        let url = deposit["url"].as_str().unwrap();
        let link = format!(
            "<dt>Link</dt><dd class=\"mono\"><a href=\"{url}\" rel=\"noreferrer noopener\">{url}</a>"
        );
        let awaited = deposit["state"] == "awaiting_payment";
        assert_eq!(text.matches(&link).count(), 1, "{link}: {text}");
        assert!(text.contains(&format!("<dd>{amount} USD by {by}</dd>")), "{text}");
        assert_eq!(text.contains(&format!("{amount} USD</strong> by {by}")), awaited, "{text}");
        assert_eq!(
            text.contains("QR code of the link") && text.contains("data:image/png"),
            awaited,
            "{text}"
        );
        assert!(text.contains("attempt 1 <span class=\"quiet\">link</span>"), "{text}");
        for part in ["Network", "network", "Address", "<dt>Payment page", "lost."] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
    // It is found by its link, whole.
    for id in &scene.links {
        let (_, deposit) = scene.bench.get(&format!("/v1/deposits/{id}")).await;
        let url: String =
            url::form_urlencoded::byte_serialize(deposit["url"].as_str().unwrap().as_bytes()).collect();
        let text = browser.page(&format!("/deposits?q={url}")).await;
        assert!(text.contains(id.as_str()) && text.matches("<th scope=\"row\">").count() == 1, "{text}");
    }
    // The deadline is the one that the list states.
    let path = format!("/deposits/{}", scene.links[0]);
    scene.bench.upstream.set_links(LinkShape::default());
    flow::follow_list(&scene.bench.flow).await.unwrap();
    let text = read(&browser, &path).await;
    assert!(text.contains("<dt>Until</dt>") && text.contains("left</span>"), "{text}");
    let text = read(&browser, &format!("/deposits/{}", scene.links[1])).await;
    assert!(!text.contains("<dt>Until</dt>") && !text.contains("data-until"), "{text}");
}

#[tokio::test]
async fn lists_and_books_say_page_or_card_where_a_pair_would_stand() {
    let scene = Scene::with_links().await;
    let browser = Browser::logged_in(&scene.bench.page, READ).await;
    let rows = |text: &str, cell: &str| text.matches(cell).count();
    for (query, pages, cards, pairs) in
        [("", 1, 2, 2), ("?method=page", 1, 0, 0), ("?method=card", 0, 2, 0), ("?method=wallet", 0, 0, 2)]
    {
        let text = browser.page(&format!("/deposits{query}")).await;
        let found =
            (rows(&text, "<td>page</td>"), rows(&text, "<td>card</td>"), rows(&text, "</small></td>"));
        assert_eq!(found, (pages, cards, pairs), "{query}: {text}");
    }
    let text = browser.page("/deposits?method=card&state=settled").await;
    assert!(rows(&text, "<td>card</td>") == 1 && text.contains("selected value=\"card\""), "{text}");
    let text = browser.page("/deposits?method=cash").await;
    assert!(text.contains("is none of wallet, page, card"), "{text}");
    let text = browser.page("/").await;
    assert!(text.contains("<td>page</td>") && text.contains("<td>card</td>"), "{text}");
    let text = browser.page("/books").await;
    let line = "<th scope=\"row\">card</th><td>–</td><td class=\"n\">1</td><td class=\"n\">60.00</td>";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn a_probable_row_is_matched_and_taken_back_under_a_name() {
    let scene = Scene::with_links().await;
    let id = &scene.links[1];
    let (page, act, back) =
        (format!("/deposits/{id}"), format!("/deposits/{id}/match"), format!("/deposits/{id}/unmatch"));
    let row = scene.bench.flow.ledger.probable_rows(id.parse().unwrap()).await.unwrap()[0].0.to_string();
    // Who only reads sees the row, and is offered nothing.
    let text = Browser::logged_in(&scene.bench.page, READ).await.page(&page).await;
    assert!(
        text.contains("Rows that may be its own") && text.contains("<td class=\"n\">50.00</td>"),
        "{text}"
    );
    assert!(!text.contains("name=\"row\"") && !text.contains(&act), "{text}");
    let browser = scene.operator().await;
    let text = read(&browser, &page).await;
    assert!(text.contains(&format!("name=\"row\" value=\"{row}\"")) && text.contains(&act), "{text}");
    for (fields, status, part) in [
        (vec![("row", row.as_str()), ("note", " ")], 422, "note: missing"),
        (vec![("note", "the receipt")], 422, "row: missing"),
        (vec![("row", "first"), ("note", "the receipt")], 422, "row: expected the number"),
        (vec![("row", "999"), ("note", "the receipt")], 404, "listed row 999"),
    ] {
        let shown = browser.send(&page, &act, &fields).await;
        assert_eq!((shown.status, shown.text.contains(part)), (status, true), "{part}: {}", shown.text);
    }
    let shown = browser.send(&page, &back, &[("note", "too early")]).await;
    assert_eq!(shown.status, 422, "{}", shown.text);
    // Sent twice, it is done once.
    let key = browser.get(&page).await.form_key();
    let fields = [("form_key", key.as_str()), ("row", row.as_str()), ("note", "the <b>receipt</b>")];
    let (one, two) = tokio::join!(browser.post(&act, &fields), browser.post(&act, &fields));
    assert_eq!((one.status, two.status), (303, 303), "{}{}", one.text, two.text);
    assert_eq!((one.location(), two.location()), (format!("{page}?done=matched").as_str(), one.location()));
    let text = read(&browser, one.location()).await;
    for part in ["The row is the deposit&#x27;s from now on.", "Matched by a person", "settled", "50.00 USD"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("the &lt;b&gt;receipt&lt;/b&gt;") && text.contains("API token office"), "{text}");
    assert!(!text.contains("name=\"row\"") && text.contains(&back), "{text}");
    let text = Browser::logged_in(&scene.bench.page, READ).await.page(&page).await;
    assert!(text.contains("Matched by a person") && !text.contains(&back), "{text}");
    let shown = browser.send(&page, &back, &[("note", "another deposit's")]).await;
    assert_eq!((shown.status, shown.location()), (303, format!("{page}?done=unmatched").as_str()));
    let text = read(&browser, shown.location()).await;
    assert!(text.contains("awaiting payment") && !text.contains("Matched by a person"), "{text}");
    let (_, events) = scene.bench.get(&format!("/v1/deposits/{id}/events")).await;
    let acts = events["events"].as_array().unwrap().iter();
    assert_eq!(acts.filter(|event| event["acted_by"] == "API token office").count(), 2, "{events}");
    // The next run finds it probable again.
    flow::reconcile(&scene.bench.flow).await.unwrap();
    let text = read(&browser, &page).await;
    assert!(text.contains(&format!("name=\"row\" value=\"{row}\"")), "{text}");
    // A wallet is matched by nobody.
    let wallet = format!("/deposits/{}", scene.id());
    let shown =
        browser.send("/reconciliation", &format!("{wallet}/match"), &[("row", &row), ("note", "no")]).await;
    assert!(shown.status == 422 && shown.text.contains("rows bear its order"), "{}", shown.text);
    let proof = scene.bench.flow.ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!(proof.findings, vec![]);
}
