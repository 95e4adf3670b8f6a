//! What goes wrong, as it looks from the other end of the connection.

use std::time::Duration;

use depositd::clock::Clock;
use depositd::sandbox::upstream::{Call, Fault, OutageStyle};

use crate::bench::{Bench, order_id};

#[tokio::test]
async fn a_dropped_connection_leaves_an_order_or_none() {
    let bench = Bench::start(8, None).await;
    bench.upstream.inject(Call::Create, Fault::DropBeforeActing, 1);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    assert_eq!(bench.upstream.orders().len(), 0);
    bench.upstream.inject(Call::Create, Fault::DropAfterActing, 1);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    assert_eq!(bench.upstream.orders().len(), 1);
    bench.upstream.inject(Call::Any, Fault::After(Box::new(Fault::Status(502, "{}".to_owned(), vec![]))), 1);
    assert_eq!(bench.put("USDT/BSC/10", None).await.unwrap().0, 502);
    assert_eq!((bench.upstream.orders().len(), bench.upstream.calls().count(Call::Create)), (2, 3));
}

#[tokio::test]
async fn every_fault_is_seen_on_the_wire() {
    let bench = Bench::start(9, None).await;
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let path = format!("cryptomus/transaction/{id}");
    for fault in [
        Fault::EmptyBody,
        Fault::TruncatedJson,
        Fault::CutBody,
        Fault::Html200,
        Fault::Garbage(b"\x16\x03\x01 not http\r\n\r\n".to_vec()),
    ] {
        bench.upstream.inject(Call::Look, fault.clone(), 1);
        assert!(bench.try_get(&path).await.is_err(), "{fault:?}");
        assert_eq!(bench.look(&id).await["status"], "check", "only once");
    }
    for fault in [Fault::Hang, Fault::Endless, Fault::SlowBody(Duration::from_secs(60))] {
        bench.upstream.inject(Call::Look, fault.clone(), 1);
        let limited = tokio::time::timeout(Duration::from_millis(200), bench.try_get(&path)).await;
        assert!(limited.is_err(), "{fault:?}");
    }
    for (fault, field) in [
        (Fault::WrongAddress, "to_address"),
        (Fault::WrongNetwork, "network"),
        (Fault::WrongCurrency, "currency"),
        (Fault::WrongOrderId, "order_id"),
    ] {
        bench.upstream.inject_for(&id, fault, 1);
        assert_ne!(bench.look(&id).await[field], wallet[field]);
    }
    let retry = vec![("Retry-After".to_owned(), "7".to_owned())];
    bench.upstream.inject(Call::Balance, Fault::Status(429, "slow down".to_owned(), retry), 1);
    let answer = bench.client.get(bench.url("balance")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(answer.headers()["date"], "Fri, 30 May 2025 13:32:57 GMT");
    bench.upstream.inject(Call::Coupons, Fault::Redirect("http://127.0.0.1:9/".to_owned()), 1);
    assert_eq!(bench.client.get(bench.url("coupons")).send().await.unwrap().status(), 302);
    bench.upstream.inject(Call::Look, Fault::Delay(Duration::from_secs(90)), 1);
    let waited = bench.look(&id);
    let mut waited = std::pin::pin!(waited);
    assert!(tokio::time::timeout(Duration::from_millis(200), waited.as_mut()).await.is_err());
    bench.clock.advance(Duration::from_secs(90));
    assert_eq!(waited.await["status"], "check");
}

#[tokio::test]
async fn outages_begin_and_end() {
    let bench = Bench::start(10, None).await;
    bench.upstream.set_outage(true);
    assert_eq!(bench.client.get(bench.url("balance")).send().await.unwrap().status(), 502);
    bench.upstream.set_outage_style(OutageStyle::Close);
    assert!(bench.try_get("balance").await.is_err());
    bench.upstream.set_outage(false);
    let now = bench.clock.now();
    bench.upstream.plan_outage(now.plus(Duration::from_secs(60)), now.plus(Duration::from_secs(120)));
    for works in [true, false, true] {
        assert_eq!(bench.try_get("balance").await.is_ok(), works);
        bench.clock.advance(Duration::from_secs(60));
    }
    let base = bench.upstream.base_url();
    bench.upstream.stop().await;
    assert!(bench.client.get(base).send().await.unwrap_err().is_connect());
}
