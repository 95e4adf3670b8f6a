//! What programs are told of a deposit, by the API and by webhooks: a JSON object, with every key always there.

use serde::{Deserialize, Serialize};

use super::{is_unsafe_to_pay, qr};
use crate::domain::asset::{Currency, Network};
use crate::domain::deposit::{Booked, Deposit, Outcome, State};
use crate::domain::ids::DepositId;
use crate::domain::method::Method;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

/// The deposit object (docs/interface.md, "Local HTTP API"). Every key is always written, `null` where there is nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositObject {
    /// Our name for it.
    pub id: DepositId,
    /// Where it stands.
    pub state: State,
    /// How it was paid, once it settled; stays through a refund.
    pub outcome: Option<Outcome>,
    /// It had been called expired before it settled.
    pub late: bool,
    /// How it is paid.
    #[serde(default)]
    pub method: Method,
    /// What it is paid in; null by payment page and by card.
    pub currency: Option<Currency>,
    /// Over which network; null likewise.
    pub network: Option<Network>,
    /// US dollars asked for, as they were written.
    pub amount_requested: String,
    /// US dollars that the upstream counts for the wallet, its latest figure.
    pub amount_usd: Option<String>,
    /// The same in millionths.
    pub amount_usd_micros: Option<i64>,
    /// Exactly what is to be paid, in the currency, as the upstream wrote it.
    pub amount_crypto: Option<String>,
    /// What arrived in the currency, as the upstream wrote it; null where it does not say.
    #[serde(default)]
    pub arrived_crypto: Option<String>,
    /// The same in US dollars.
    #[serde(default)]
    pub arrived_usd: Option<String>,
    /// What is missing in the currency, where a part arrived and it is not called paid.
    #[serde(default)]
    pub missing_crypto: Option<String>,
    /// The same in US dollars.
    #[serde(default)]
    pub missing_usd: Option<String>,
    /// US dollars that the journal holds as credited.
    pub amount_booked: Option<String>,
    /// The same in millionths.
    pub amount_booked_micros: Option<i64>,
    /// Where to pay; null while that must not be shown.
    pub address: Option<String>,
    /// What else the payer must give: a memo, a tag, a comment.
    #[serde(default)]
    pub memo: Option<String>,
    /// Everything that a payer needs, while a payment is awaited.
    #[serde(default)]
    pub pay_with: Option<PayWith>,
    /// The upstream's payment page.
    pub url: Option<String>,
    /// The upstream's name for the order.
    pub order_id: Option<String>,
    /// The deadline, in whole seconds.
    #[serde(with = "whole_seconds")]
    pub expire_at: Option<Timestamp>,
    /// The upstream's raw status word.
    pub upstream_status: Option<String>,
    /// The transaction on the chain.
    pub txid: Option<String>,
    /// The customer's own words.
    pub reference: Option<String>,
    /// Why a person should look at it.
    pub needs_review: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When an event last changed it.
    pub updated_at: Timestamp,
    /// When the credit was first booked.
    pub settled_at: Option<Timestamp>,
    /// When the refund was booked.
    pub refunded_at: Option<Timestamp>,
}

/// What a payer needs (docs/interface.md, "The deposit object").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayWith {
    /// Where to pay; null where it is paid at the link.
    pub address: Option<String>,
    /// Exactly what is to be paid, in the currency; what is missing, where a part has arrived. At a link: US dollars.
    pub amount: String,
    /// What else must be given with the payment.
    pub memo: Option<String>,
    /// The payment page, or where the card is paid, byte for byte as the upstream gave it.
    pub url: Option<String>,
    /// The text of the QR code. A memo is not in it.
    pub qr: String,
}

/// What a payer needs, unless nobody should pay. Where a part has arrived it asks for what is missing, and says nothing
/// where that is not known: of two amounts to be paid somebody pays the wrong one.
fn pay_with(deposit: &Deposit) -> Option<PayWith> {
    let (request, facts) = (&deposit.request, &deposit.facts);
    let wallet = facts.wallet.as_ref()?;
    let Some(asset) = request.asset() else {
        let awaited = facts.state == State::AwaitingPayment && !is_unsafe_to_pay(request.paid_by, facts);
        return wallet.shown_url().filter(|_| awaited).map(|url| PayWith {
            address: None,
            amount: request.amount.as_str().to_owned(),
            memo: None,
            url: Some(url.to_owned()),
            qr: url.to_owned(),
        });
    };
    let amount = match facts.state {
        State::AwaitingPayment if facts.arrived_crypto().is_none() => {
            wallet.shown_amount()?.as_str().to_owned()
        }
        State::AwaitingPayment | State::Underpaid => facts.missing_crypto()?,
        _ => return None,
    };
    let address = wallet.shown_address().filter(|_| !is_unsafe_to_pay(request.paid_by, facts))?;
    Some(PayWith {
        address: Some(address.to_owned()),
        memo: wallet.memo.clone(),
        url: wallet.url.clone(),
        qr: qr::payment_uri(asset, address, &amount),
        amount,
    })
}

impl From<&Deposit> for DepositObject {
    fn from(deposit: &Deposit) -> Self {
        let (request, facts) = (&deposit.request, &deposit.facts);
        let wallet = facts.wallet.as_ref();
        let amount_usd = wallet.and_then(|wallet| wallet.amount_usd.as_ref());
        let shown = wallet.filter(|wallet| wallet.withheld.is_none());
        let booked = facts.booked.as_ref().map(Booked::total);
        let is_paid = matches!(facts.state, State::Settled | State::Refunding | State::Refunded);
        Self {
            id: deposit.id,
            state: facts.state,
            outcome: facts.outcome,
            late: facts.late,
            method: request.method(),
            currency: request.asset().map(|asset| asset.currency),
            network: request.asset().map(|asset| asset.network),
            amount_requested: request.amount.as_str().to_owned(),
            amount_usd: amount_usd.map(|amount| amount.as_str().to_owned()),
            amount_usd_micros: amount_usd.and_then(Amount::to_usd_micros_floor).map(UsdMicros::get),
            amount_crypto: wallet
                .and_then(|wallet| wallet.amount_crypto.as_ref())
                .map(|amount| amount.as_str().to_owned()),
            // In which coin a payment page was paid is not known.
            arrived_crypto: request.asset().and_then(|_| facts.arrived_crypto()).map(ToString::to_string),
            arrived_usd: facts.arrived_usd().map(ToString::to_string),
            missing_crypto: facts.missing_crypto().filter(|_| !is_paid),
            missing_usd: facts.missing_usd().filter(|_| !is_paid),
            amount_booked: booked.map(|micros| micros.to_string()),
            amount_booked_micros: booked.map(|micros| micros.get()),
            address: shown.and_then(|wallet| wallet.address.clone()),
            memo: shown.and_then(|wallet| wallet.memo.clone()),
            pay_with: pay_with(deposit),
            url: shown.and_then(|wallet| wallet.url.clone()),
            order_id: wallet.and_then(|wallet| wallet.order_id.clone()),
            expire_at: wallet.and_then(|wallet| wallet.expire_at),
            upstream_status: facts.upstream_status.clone(),
            txid: facts.txid.clone(),
            reference: request.reference.clone(),
            needs_review: facts.review.as_ref().map(|review| review.reason.clone()),
            created_at: request.requested_at,
            updated_at: deposit.updated_at,
            settled_at: facts.settled_at,
            refunded_at: facts.refunded_at,
        }
    }
}

/// Deadlines are whole seconds upstream, and are shown so.
mod whole_seconds {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::domain::time::Timestamp;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::to_seconds_text).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer)
    }
}

/// The keys of the object, for those who describe it.
#[cfg(test)]
pub(crate) fn keys() -> Vec<String> {
    let json = serde_json::to_value(DepositObject::from(&tests::deposit())).unwrap();
    json.as_object().unwrap().keys().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::asset::Asset;
    use crate::domain::deposit::{Facts, FigureSource, Request, Review, ReviewKind, Wallet};

    pub(super) fn deposit() -> Deposit {
        let at = Timestamp::from_seconds(1_748_615_577);
        let request = Request {
            reference: Some("R-1".to_owned()),
            notify: vec!["a@example.com".to_owned()],
            ..Request::new(Asset::parse("usdt", "tron").unwrap(), Amount::parse("5.10").unwrap(), at)
        };
        let id = "0190f000-0000-7000-8000-000000000001".parse().unwrap();
        Deposit { id, version: 1, request, facts: Facts::new(at), updated_at: at }
    }

    #[test]
    fn a_fresh_deposit_has_every_key_and_reads_back() {
        let object = DepositObject::from(&deposit());
        let json = serde_json::to_value(&object).unwrap();
        let expected = json!({
            "id": "0190f000-0000-7000-8000-000000000001", "state": "requested", "outcome": null, "late": false,
            "method": "wallet", "currency": "USDT", "network": "TRON", "amount_requested": "5.10", "amount_usd": null,
            "amount_usd_micros": null, "amount_crypto": null, "arrived_crypto": null, "arrived_usd": null,
            "missing_crypto": null, "missing_usd": null, "amount_booked": null, "amount_booked_micros": null,
            "address": null, "memo": null, "pay_with": null, "url": null, "order_id": null, "expire_at": null, "upstream_status": null, "txid": null,
            "reference": "R-1", "needs_review": null, "created_at": "2025-05-30T14:32:57.000Z",
            "updated_at": "2025-05-30T14:32:57.000Z", "settled_at": null, "refunded_at": null,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<DepositObject>(json).unwrap(), object);
    }

    fn with_wallet(address: &str) -> Deposit {
        let mut deposit = deposit();
        let at = deposit.updated_at;
        deposit.facts.state = State::AwaitingPayment;
        deposit.facts.wallet = Some(Wallet {
            order_id: Some("o-1".to_owned()),
            address: Some(address.to_owned()),
            url: None,
            amount_usd: Some(Amount::parse("5.00").unwrap()),
            amount_crypto: Some(Amount::parse("5.15000000").unwrap()),
            memo: None,
            expire_at: Some(at),
            created_at: at,
            withheld: None,
            unread: Vec::new(),
            shared: false,
            listed_only: false,
        });
        deposit
    }

    #[test]
    fn a_payer_is_asked_for_what_is_missing_and_never_to_pay_where_nobody_should() {
        let asks = |deposit: &Deposit| DepositObject::from(deposit).pay_with.map(|pay| pay.amount);
        let mut deposit = with_wallet("TJRabPrwbZy45sbavfcjinPJC18kjpRTv8");
        assert_eq!(asks(&deposit).as_deref(), Some("5.15000000"));
        deposit.facts.state = State::Underpaid;
        assert_eq!(asks(&deposit), None, "how much is missing is not known");
        deposit.facts.payment.amount = Some(Amount::parse("4").unwrap());
        let object = DepositObject::from(&deposit);
        assert_eq!(object.pay_with.map(|pay| pay.amount).as_deref(), Some("1.15"));
        assert_eq!(
            (object.arrived_crypto.as_deref(), object.missing_crypto.as_deref()),
            (Some("4"), Some("1.15"))
        );
        let settled =
            Deposit { facts: Facts { state: State::Settled, ..deposit.facts.clone() }, ..deposit.clone() };
        let object = DepositObject::from(&settled);
        assert_eq!(
            (object.arrived_crypto.as_deref(), object.missing_crypto),
            (Some("4"), None),
            "paid is paid"
        );
        for doubt in ["withheld", "shared", "flag", "malformed", "state"] {
            let mut doubtful = deposit.clone();
            let wallet = doubtful.facts.wallet.as_mut().unwrap();
            match doubt {
                "withheld" => wallet.withheld = Some("the address is not shown, do not pay: memo".to_owned()),
                "shared" => wallet.shared = true,
                "malformed" => wallet.address = Some("T1".to_owned()),
                "flag" => {
                    let reason = "the upstream's answer names another address".to_owned();
                    doubtful.facts.review = Some(Review { reason, kind: ReviewKind::Standing });
                }
                _ => doubtful.facts.state = State::Settled,
            }
            assert_eq!(asks(&doubtful), None, "{doubt}");
        }
    }

    #[test]
    fn the_description_shows_a_deposit_as_there_could_be_one() {
        let description: serde_json::Value =
            serde_json::from_str(include_str!("../api/openapi.json")).unwrap();
        let example = &description["components"]["schemas"]["Deposit"]["examples"][0];
        let object: DepositObject = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&object).unwrap(), *example);
    }

    #[test]
    fn figures_are_shown_as_the_upstream_wrote_them() {
        let mut deposit = with_wallet("T1");
        deposit.facts.booked = Some(Booked {
            usd: UsdMicros::new(5_000_000),
            crypto: None,
            source: FigureSource::AmountInUsd,
            credited: None,
            correction: UsdMicros::new(-10_000),
            said: false,
            expected: None,
        });
        let reason = "odd".to_owned();
        deposit.facts.review = Some(Review { reason, kind: ReviewKind::Standing });
        let json = serde_json::to_value(DepositObject::from(&deposit)).unwrap();
        assert_eq!((&json["amount_usd"], &json["amount_usd_micros"]), (&json!("5.00"), &json!(5_000_000)));
        assert_eq!(json["amount_crypto"], "5.15000000");
        assert_eq!(
            (&json["amount_booked"], &json["amount_booked_micros"]),
            (&json!("4.99"), &json!(4_990_000))
        );
        assert_eq!(
            (&json["expire_at"], &json["needs_review"]),
            (&json!("2025-05-30T14:32:57Z"), &json!("odd"))
        );
    }
}
