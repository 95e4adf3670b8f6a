//! What is owed reaches its program: at least once, signed, in the order of each deposit, none held up by another.

use std::time::Duration;

use depositd::domain::deposit::Deposit;
use depositd::domain::event::EventName;
use depositd::flow::{self, WebhookRound};
use depositd::notifier::{
    RecipientRule, Rules, Secrets, WebhookEndpoint, WebhookSettings, parse_webhook_url,
};
use depositd::sandbox::upstream::Fate;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::receiver::{Answer, OTHER_SECRET, Receiver, SECRET};
use super::support::house::{FINANCE, House, settings};

/// A webhook of this name to `url`, which takes three seconds at most.
pub(crate) fn endpoint(name: &str, url: &str, secrets: &[&str]) -> WebhookEndpoint {
    let secrets: Vec<_> = secrets.iter().map(|text| SecretString::from((*text).to_owned())).collect();
    WebhookEndpoint::new(WebhookSettings {
        name: name.to_owned(),
        url: parse_webhook_url(url).unwrap(),
        secrets: Secrets::parse(&secrets).unwrap(),
        timeout: Duration::from_millis(600),
        retry_initial: Duration::from_secs(5),
        retry_max: Duration::from_secs(3600),
        give_up_after: Duration::from_secs(5 * 86_400),
        ca_file: None,
    })
    .unwrap()
}

/// A house that tells each of these webhooks of everything.
pub(crate) async fn telling(names: &[&str]) -> House {
    let rule = |name: &&str| RecipientRule {
        events: vec!["*".to_owned()],
        to: vec![(*name).to_owned()],
        ..RecipientRule::default()
    };
    let rules =
        Rules::new(vec![FINANCE.to_owned()], Vec::new()).with_webhooks(names.iter().map(rule).collect());
    House::with_rules(settings(), rules).await
}

pub(crate) async fn deliver(house: &House) -> WebhookRound {
    flow::deliver_webhooks(&house.flow, &CancellationToken::new()).await.unwrap()
}

/// A deposit that is paid in full.
pub(crate) async fn paid(house: &House, amount: &str) -> Deposit {
    house.simulator.set_default_fate(Fate::Exact);
    let deposit = house.wallet(amount).await;
    house.pass(Duration::from_secs(1800), Duration::from_secs(60)).await;
    house.read(&deposit).await
}

#[tokio::test]
async fn a_program_is_told_the_whole_life_of_a_deposit_signed_and_in_order() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET, OTHER_SECRET])]);
    let deposit = paid(&house, "25").await;
    let done = deliver(&house).await;
    let hooks = shop.hooks();
    assert_eq!((done.sent, done.waiting, done.dead), (hooks.len() as u64, 0, 0));
    let events = house.flow.ledger.events_of(deposit.id).await.unwrap();
    let of_deposit: Vec<_> = hooks.iter().filter(|hook| !hook.deposit().is_empty()).collect();
    assert_eq!(of_deposit.len(), events.len());
    for (hook, event) in of_deposit.iter().zip(&events) {
        assert_eq!((hook.kind(), &hook.id), (format!("deposit.{}", event.event), &event.id));
        assert!(event.id.starts_with("evt_") && event.hash.starts_with(&event.id[4..]));
        assert_eq!(hook.body["timestamp"], event.at);
        assert_eq!(hook.body["data"]["event"], serde_json::to_value(event).unwrap());
        // As it was right after the event, however late it is told.
        assert_eq!(hook.body["data"]["deposit"]["state"], event.to_state.clone().unwrap());
        assert_eq!(hook.body["data"]["deposit"]["updated_at"], event.at);
        assert!(hook.is_signed_by(SECRET) && hook.is_signed_by(OTHER_SECRET));
        assert!(!String::from_utf8_lossy(&hook.raw).contains("notify"));
    }
    let types: Vec<_> = of_deposit.iter().map(|hook| hook.kind()).collect();
    assert_eq!(types.first().map(String::as_str), Some("deposit.requested"));
    assert_eq!(types.last().map(String::as_str), Some("deposit.settled"));
    assert_eq!(deliver(&house).await, WebhookRound::default(), "nothing is sent twice");
    let proof = house.prove().await;
    assert_eq!(proof.webhooks, done.sent);
    assert_eq!(house.sql("SELECT DISTINCT state FROM accounting_webhooks"), "sent");
}

#[tokio::test]
async fn a_refusal_is_tried_again_and_what_follows_of_the_deposit_waits_behind_it() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    let (first, second) = (paid(&house, "25").await, paid(&house, "30").await);
    let poison = first.id.to_string();
    let mut times = 0;
    shop.answer(move |hook| {
        if hook.deposit() == poison && hook.kind() == "deposit.wallet_created" && times < 3 {
            times += 1;
            return Answer::Status(500);
        }
        Answer::Status(200)
    });
    let done = deliver(&house).await;
    assert_eq!((done.waiting, done.closed.len()), (1, 0));
    assert_eq!(shop.taken(&first.id.to_string()), ["deposit.requested"]);
    let whole = shop.taken(&second.id.to_string());
    assert_eq!(whole.last().map(String::as_str), Some("deposit.settled"));
    for seconds in [6, 11, 22] {
        let due = flow::next_webhook(&house.flow).await.unwrap().unwrap();
        assert!(due > depositd::clock::Clock::now(&*house.clock), "nothing is due before its time");
        assert_eq!(deliver(&house).await.sent, 0);
        house.clock.advance(Duration::from_secs(seconds));
        deliver(&house).await;
    }
    assert_eq!(shop.taken(&first.id.to_string()), whole, "the same life, in the same order");
    let tries = "SELECT max(attempts), group_concat(DISTINCT state) FROM accounting_webhooks";
    assert_eq!(house.sql(tries), "4|sent");
    let ids = |hooks: Vec<super::receiver::Hook>| {
        let of = |hook: &super::receiver::Hook| {
            hook.kind() == "deposit.wallet_created" && hook.deposit() == first.id.to_string()
        };
        hooks.into_iter().filter(of).map(|hook| (hook.id, hook.raw)).collect::<Vec<_>>()
    };
    let tried = ids(shop.hooks());
    assert_eq!(tried.len(), 4);
    assert!(tried.iter().all(|one| *one == tried[0]), "the same bytes under the same id at every attempt");
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_neither_others_nor_the_mail() {
    let house = telling(&["slow", "fast"]).await;
    let (slow, fast) = (Receiver::start().await, Receiver::start().await);
    slow.answer(|_| Answer::Never);
    house
        .flow
        .webhooks
        .replace(vec![endpoint("slow", &slow.url(), &[SECRET]), endpoint("fast", &fast.url(), &[SECRET])]);
    let deposit = paid(&house, "25").await;
    assert!(!house.letters(&deposit).is_empty(), "letters went while nothing was delivered to programs");
    let (own, stop) = (house.flow.clone(), CancellationToken::new());
    let running = tokio::spawn(async move { flow::deliver_webhooks(&own, &stop).await.unwrap() });
    let owed: usize =
        house.sql("SELECT count(*) FROM webhook_delivery WHERE webhook = 'fast'").parse().unwrap();
    fast.until(owed).await;
    let done = running.await.unwrap();
    assert_eq!(done.sent, owed as u64);
    assert!(
        done.closed.len() == 1 && done.closed[0].starts_with("slow: the answer took too long"),
        "{done:?}"
    );
    assert!(slow.hooks().len() <= 16, "no more are under way than one lane holds");
}

#[tokio::test]
async fn a_receiver_says_how_long_it_wants_nothing() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    house.wallet("25").await;
    shop.answer(|_| Answer::With(429, "Retry-After: 1800"));
    assert_eq!(deliver(&house).await.sent, 0);
    let asked = shop.hooks().len();
    shop.answer(|_| Answer::Status(200));
    house.clock.advance(Duration::from_secs(1790));
    assert_eq!((deliver(&house).await.sent, shop.hooks().len()), (0, asked));
    house.clock.advance(Duration::from_secs(11));
    assert!(deliver(&house).await.sent >= 2);
    assert_eq!(house.sql("SELECT DISTINCT state FROM webhook_delivery"), "sent");
}

#[tokio::test]
async fn gone_is_gone_until_a_person_says_otherwise() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    shop.answer(|_| Answer::Status(410));
    house.wallet("25").await;
    deliver(&house).await;
    let asked = shop.hooks().len();
    house.clock.advance(Duration::from_secs(86_400));
    house.wallet("30").await;
    deliver(&house).await;
    assert_eq!(shop.hooks().len(), asked, "nothing is sent to it");
    assert_eq!(house.sql("SELECT DISTINCT state FROM webhook_delivery"), "owed", "and nothing is lost");
    let warned = house.flow.webhook_warnings().await.unwrap().join("\n");
    assert!(warned.contains("nothing is sent to shop, which answered 410"), "{warned}");
    let house = house.restart().await;
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    deliver(&house).await;
    assert_eq!(shop.hooks().len(), asked, "a restart changes nothing");
    shop.answer(|_| Answer::Status(200));
    house.flow.enable_webhook("shop").await.unwrap();
    assert!(house.flow.enable_webhook("shop").await.is_err());
    assert!(deliver(&house).await.sent >= 4);
    assert_eq!(house.flow.webhook_warnings().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_takes_for_days_is_given_up_kept_told_and_retried_by_hand() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    shop.answer(|_| Answer::Status(503));
    let deposit = house.wallet("25").await;
    for _ in 0..150 {
        deliver(&house).await;
        house.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(house.sql("SELECT DISTINCT state FROM webhook_delivery"), "dead");
    let warned = house.flow.webhook_warnings().await.unwrap().join("\n");
    assert!(warned.contains("to shop given up, the last: given up: 503"), "{warned}");
    shop.answer(|_| Answer::Status(200));
    deliver(&house).await;
    assert_eq!(shop.taken(&deposit.id.to_string()), Vec::<String>::new());
    assert!(house.flow.retry_webhooks(None, Some("shop")).await.unwrap() >= 2);
    deliver(&house).await;
    assert_eq!(shop.taken(&deposit.id.to_string()), ["deposit.requested", "deposit.wallet_created"]);
    house.prove().await;
}

#[tokio::test]
async fn what_was_under_way_at_a_death_goes_again_under_the_same_id() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    let deposit = house.wallet("25").await;
    shop.answer(|_| Answer::Never);
    let own = house.flow.clone();
    let dying =
        tokio::spawn(async move { flow::deliver_webhooks(&own, &CancellationToken::new()).await.unwrap() });
    shop.until(1).await;
    dying.abort();
    let _ = dying.await;
    let house = house.die_and_rise().await;
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    shop.answer(|_| Answer::Status(200));
    deliver(&house).await;
    assert_eq!(shop.taken(&deposit.id.to_string()), ["deposit.requested", "deposit.wallet_created"]);
    let hooks = shop.hooks();
    assert_eq!(hooks[0].id, hooks.iter().find(|hook| hook.taken).unwrap().id);
}

#[tokio::test]
async fn the_account_tells_of_itself_too_and_a_test_goes_to_whom_it_is_for() {
    let (house, shop) = (telling(&["shop", "other"]).await, Receiver::start().await);
    let other = Receiver::start().await;
    house
        .flow
        .webhooks
        .replace(vec![endpoint("shop", &shop.url(), &[SECRET]), endpoint("other", &other.url(), &[SECRET])]);
    house.flow.test_webhook("shop").await.unwrap();
    let unknown = house.flow.test_webhook("nobody").await.unwrap_err().to_string();
    assert!(unknown.contains("[[webhooks]] has shop, other"), "{unknown}");
    deliver(&house).await;
    let hooks = shop.hooks();
    assert_eq!((hooks.len(), hooks[0].kind().as_str(), other.hooks().len()), (1, "webhook.test", 0));
    for (event, word) in [
        (EventName::DiscrepancyOpened, "case.opened"),
        (EventName::UpstreamDown, "upstream.down"),
        (EventName::ReconciliationVoid, "reconciliation.void"),
        (EventName::Digest, "account.digest"),
        (EventName::BaselineSet, "baseline.set"),
        (EventName::NeedsReview, "deposit.needs_review"),
    ] {
        assert_eq!(event.webhook_type(), word);
    }
    house.prove().await;
}

#[tokio::test]
async fn another_configuration_holds_at_once_however_much_is_owed() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    paid(&house, "25").await;
    let (live, url, mut asked) = (house.flow.webhooks.clone(), shop.url(), 0);
    shop.answer(move |_| {
        asked += 1;
        if asked == 1 {
            live.replace(vec![endpoint("shop", &url, &[OTHER_SECRET])]);
        }
        Answer::Status(200)
    });
    deliver(&house).await;
    deliver(&house).await;
    let hooks = shop.hooks();
    assert!(hooks.len() > 2 && hooks[0].is_signed_by(SECRET), "{}", hooks.len());
    assert!(hooks.last().unwrap().is_signed_by(OTHER_SECRET), "the run that was under way has ended");
    assert_eq!(house.sql("SELECT DISTINCT state FROM webhook_delivery"), "sent");
}

#[tokio::test]
async fn what_the_end_of_the_daemon_cuts_off_is_no_refusal() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    let patient = endpoint("shop", &shop.url(), &[SECRET]).settings().clone();
    let patient = WebhookSettings { timeout: Duration::from_secs(600), ..patient };
    house.flow.webhooks.replace(vec![WebhookEndpoint::new(patient).unwrap()]);
    let deposit = house.wallet("25").await;
    shop.answer(|_| Answer::Never);
    let (own, stop) = (house.flow.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let running = tokio::spawn(async move { flow::deliver_webhooks(&own, &stopped).await.unwrap() });
    shop.until(1).await;
    stop.cancel();
    let done = house.until(running, &stop).await;
    assert_eq!((done.sent, done.dead, done.closed.len()), (0, 0, 0), "{done:?}");
    assert_eq!(house.sql("SELECT DISTINCT state || attempts FROM webhook_delivery"), "owed0");
    shop.answer(|_| Answer::Status(200));
    deliver(&house).await;
    assert_eq!(shop.taken(&deposit.id.to_string()), ["deposit.requested", "deposit.wallet_created"]);
}
