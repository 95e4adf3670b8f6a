//! A deposit's life by tables, paths and properties: the deposits and answers that every test here begins with.
#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

mod addresses;
mod booking;
mod certainty;
mod edges;
mod limits;
mod naming;
mod paths;
mod properties;
mod words;

use std::time::Duration;

use super::*;
use crate::domain::asset::Asset;
use crate::domain::deposit::Request;
use crate::domain::ids::DepositId;

fn start() -> Timestamp {
    Timestamp::from_seconds(1_748_611_977)
}

fn minute(minutes: u64) -> Timestamp {
    start().plus(Duration::from_mins(minutes))
}

fn opened(network: &str) -> Deposit {
    let request = Request::new(Asset::parse("USDT", network).unwrap(), "5".parse().unwrap(), start());
    Deposit::open(DepositId::new(uuid::Uuid::from_u128(7)), request).deposit
}

fn wallet(network: &str) -> OrderReport {
    let address = match network {
        "TRON" => "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        _ => "0x66b928a82377d75ced043e95738372e9e9607f1f",
    };
    OrderReport {
        order_id: Some("order-1".to_owned()),
        address: Some(address.to_owned()),
        currency: Some("usdt".to_owned()),
        network: Some(network.to_owned()),
        amount_usd: Some("5.00".parse().unwrap()),
        amount_crypto: Some("4.99".parse().unwrap()),
        expire_at: Some(minute(60)),
        ..OrderReport::default()
    }
}

fn awaiting() -> Deposit {
    observed(opened("BSC"), Observation::Wallet(Box::new(wallet("BSC"))), 0)
}

fn at(deposit: Deposit, observation: Observation, minutes: u64) -> Result<Step, InvalidTransition> {
    deposit.observe(observation, minute(minutes), &Policy::default())
}

fn observed(deposit: Deposit, observation: Observation, minutes: u64) -> Deposit {
    at(deposit, observation, minutes).unwrap().deposit
}

/// What the upstream says with this word; figures as `usd=5.00 crypto=4.99 payer=5 back=1`.
fn polled(status: &str, figures: &str) -> Observation {
    let mut report = OrderReport { status: Some(status.to_owned()), ..OrderReport::default() };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').unwrap();
        let amount = Some(value.parse().unwrap());
        match name {
            "usd" => report.payment_amount_usd = amount,
            "crypto" => report.payment_amount = amount,
            "payer" => report.payer_amount = amount,
            "back" => report.refund_amount_usd = amount,
            "back_crypto" => report.refund_amount = amount,
            "for" => report.amount_usd = amount,
            other => panic!("{other}"),
        }
    }
    Observation::Polled(Box::new(report))
}

/// Walks the answers, a minute apart.
fn walk(answers: &[(&str, &str)]) -> Step {
    let mut step = None;
    let mut deposit = awaiting();
    for (minutes, (status, figures)) in (1..).zip(answers) {
        let next = at(deposit, polled(status, figures), minutes).unwrap();
        deposit = next.deposit.clone();
        step = Some(next);
    }
    step.unwrap()
}

fn names(step: &Step) -> Vec<&'static str> {
    step.events.iter().map(|event| event.name.as_str()).collect()
}
