//! What deposits are found by: filters, each with its index; shortened names; and the view beside the object.

use std::str::FromStr as _;

use proptest::prelude::*;

use super::*;
use crate::domain::asset::{Currency, Network};
use crate::domain::deposit::{Facts, Payment, State};
use crate::domain::money::Amount;

fn numbers(deposits: &[Deposit]) -> Vec<u128> {
    deposits.iter().map(|deposit| deposit.id.uuid().as_u128()).collect()
}

/// A ledger with deposits that differ in everything: number `n` is asked for in minute `n`.
async fn filled(count: u128) -> Bench {
    let mut bench = Bench::new().await;
    let mut writes = Vec::new();
    for number in 1..=count {
        let (currency, network) = [("USDT", "TRON"), ("USDT", "BSC"), ("BTC", "BTC"), ("USDC", "BSC")]
            [usize::try_from(number % 4).unwrap()];
        let request = Request {
            reference: (number % 3 > 0).then(|| format!("customer {}", number % 7)),
            ..Request::new(Asset::parse(currency, network).unwrap(), Amount::parse("5").unwrap(), bench.now)
        };
        let opening = Opening { idempotency_key: Some(format!("k{number}")), request_digest: String::new() };
        let step = Deposit::open(id(number), request);
        writes.push(DepositWrite { opening: Some(opening), ..DepositWrite::from(step) });
        bench.wait(1);
    }
    bench.ledger.record(writes).await.unwrap();
    bench
}

#[tokio::test]
async fn every_filter_finds_what_a_look_at_each_deposit_would() {
    // More than are gathered at a time, so that both ways of finding are gone.
    let count = 2600;
    let bench = filled(count).await;
    let start = at("2026-01-10T09:00:00Z");
    let minute = |minutes: u64| Some(start.plus(Duration::from_mins(minutes)));
    let all = DepositFilter { limit: 100_000, ..DepositFilter::default() };
    let (everything, _) = bench.ledger.list(&all).await.unwrap();
    assert_eq!(everything.len(), usize::try_from(count).unwrap());
    let some = |text: &str| Some(text.to_owned());
    let filters = [
        DepositFilter { reference: some("customer 2"), ..all.clone() },
        DepositFilter { reference: some("customer 2"), currency: Some(Currency::Btc), ..all.clone() },
        DepositFilter { reference: some("nobody"), ..all.clone() },
        DepositFilter { currency: Some(Currency::Usdt), ..all.clone() },
        DepositFilter { currency: Some(Currency::Dai), ..all.clone() },
        DepositFilter { network: Some(Network::Bsc), ..all.clone() },
        DepositFilter { currency: Some(Currency::Usdt), network: Some(Network::Bsc), ..all.clone() },
        DepositFilter { states: vec![State::Requested], ..all.clone() },
        DepositFilter { states: vec![State::Requested, State::Settled], ..all.clone() },
        DepositFilter { states: vec![State::Expired, State::Settled], ..all.clone() },
        DepositFilter { since: minute(10), ..all.clone() },
        DepositFilter { since: minute(2500), ..all.clone() },
        DepositFilter { since: minute(9000), ..all.clone() },
        DepositFilter { until: minute(2400), network: Some(Network::Bsc), ..all.clone() },
        DepositFilter { since: minute(50), until: minute(60), ..all.clone() },
        DepositFilter { until: minute(0), ..all.clone() },
        DepositFilter { updated_since: minute(5), ..all.clone() },
        DepositFilter { updated_since: minute(2590), reference: some("customer 2"), ..all.clone() },
        DepositFilter { needs_review: true, ..all.clone() },
    ];
    for filter in filters {
        let fits = |deposit: &&Deposit| {
            let asset = deposit.request.asset().unwrap();
            filter.reference.as_ref().is_none_or(|text| deposit.request.reference.as_ref() == Some(text))
                && filter.currency.is_none_or(|currency| asset.currency == currency)
                && filter.network.is_none_or(|network| asset.network == network)
                && (filter.states.is_empty() || filter.states.contains(&deposit.facts.state))
                && filter.since.is_none_or(|since| deposit.request.requested_at >= since)
                && filter.until.is_none_or(|until| deposit.request.requested_at < until)
                && filter.updated_since.is_none_or(|since| deposit.updated_at >= since)
                && (!filter.needs_review || deposit.facts.review.is_some())
        };
        let expected: Vec<u128> = everything.iter().filter(fits).map(|it| it.id.uuid().as_u128()).collect();
        let (whole, none) = bench.ledger.list(&filter).await.unwrap();
        assert_eq!((numbers(&whole), none), (expected.clone(), None), "{filter:?}");
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = DepositFilter { limit: 700, cursor, ..filter.clone() };
            let (page, next) = bench.ledger.list(&page).await.unwrap();
            paged.extend(numbers(&page));
            cursor = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(paged, expected, "page by page: {filter:?}");
    }
    let by_key = DepositFilter { key: some("k17"), ..all.clone() };
    assert_eq!(numbers(&bench.ledger.list(&by_key).await.unwrap().0), [17]);
    bench.ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_shortened_name_means_what_begins_so_and_each_deposit_has_its_own() {
    let bench = Bench::new().await;
    let found = async |bench: &Bench, name: &str| {
        let filter = DepositFilter { name: Some(name.to_owned()), limit: 10, ..DepositFilter::default() };
        numbers(&bench.ledger.list(&filter).await.unwrap().0)
    };
    let far = 0x0197_213c_0000_7000_8000_0000_0000_0001_u128;
    for number in [far, far + 1, far + (1 << 116)] {
        bench.wallet(number, "5").await;
    }
    assert_eq!(found(&bench, "0197").await, [far + 1, far]);
    assert_eq!(found(&bench, "0197213C-0000-7000-8000-000000000002").await, [far + 1]);
    assert_eq!(found(&bench, "0197213c-0000-7000-8000-00000000000").await, [far + 1, far]);
    assert_eq!(found(&bench, "01A7").await, [far + (1 << 116)]);
    assert_eq!(found(&bench, "019").await, [0_u128; 0], "too short");
    assert_eq!(found(&bench, "0197_").await, [0_u128; 0], "nothing in it is a pattern");
    assert_eq!(found(&bench, &order(far + 1).to_uppercase()).await, [far + 1]);
    assert_eq!(found(&bench, "orde").await.len(), 3);
    let address = format!("0x{:040X}", far + 1);
    assert_eq!(found(&bench, &address[..address.len()]).await, [far + 1]);
    let ids: Vec<String> =
        [far, far + 1, far + (1 << 116)].iter().map(|number| id(*number).to_string()).collect();
    let lengths = bench.ledger.telling_lengths(&ids).await.unwrap();
    assert_eq!(lengths, [36, 36, 3]);
    for (name, length) in ids.iter().zip(lengths) {
        assert_eq!(found(&bench, &name[..length.max(4)]).await.len(), 1, "{name}");
    }
    bench.ledger.close().await.unwrap();
}

fn figure() -> impl Strategy<Value = Option<Amount>> {
    let text = prop_oneof![
        3 => "0{0,2}(0|[1-9][0-9]{0,3})(\\.[0-9]{1,8})?",
        1 => "(1|10|01|1\\.0|1\\.00|0\\.0|000|100|100\\.)0?",
        1 => "[1-9][0-9]{10}\\.[0-9]{6}",
    ];
    proptest::option::of(text).prop_map(|text| text.and_then(|text| Amount::from_str(&text).ok()))
}

fn payment() -> impl Strategy<Value = Payment> {
    (figure(), figure(), figure()).prop_map(|(amount, amount_usd, payer_amount)| Payment {
        amount,
        amount_usd,
        payer_amount,
        ..Payment::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_view_says_what_the_object_says_of_what_arrived(figures in proptest::collection::vec((payment(), payment(), any::<bool>()), 20)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let bench = Bench::new().await;
            for number in 1..=20 {
                bench.ask(number, "5").await;
            }
            let mut file = SqliteConnectOptions::new().filename(bench.path()).connect().await.unwrap();
            for (number, (payment, other, same)) in (1..).zip(figures) {
                let first_payment = if same { payment.clone() } else { other };
                let facts = Facts { payment, first_payment, ..Facts::new(bench.now) };
                let text = serde_json::to_string(&facts).unwrap();
                let name = id(number).to_string();
                let set = sqlx::query("UPDATE deposit SET facts = ?, version = version + 1 WHERE id = ?");
                set.bind(text).bind(&name).execute(&mut file).await.unwrap();
                let shown: (Option<String>, Option<i64>) =
                    sqlx::query_as("SELECT arrived_crypto, arrived_usd_micros FROM accounting_deposits WHERE id = ?")
                        .bind(&name).fetch_one(&mut file).await.unwrap();
                let micros = facts.arrived_usd().and_then(Amount::to_usd_micros_floor);
                let said = (facts.arrived_crypto().map(ToString::to_string), micros.map(|micros| micros.get()));
                assert_eq!(shown, said, "{facts:?}");
            }
        });
    }
}
