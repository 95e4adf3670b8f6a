//! Payment pages and cards: asked for, shown, and matched with a row by a person.

use depositd::sandbox::upstream::Call;

use crate::browser::Browser;
use crate::scene::{REQUEST, Scene};

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
