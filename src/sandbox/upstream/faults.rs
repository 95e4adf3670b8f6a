//! How the simulator misbehaves: which calls, how often, and how the damage looks on the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `PUT .../cryptomus/direct/...`
    Create,
    /// `PUT .../cryptomus/invoice/{amount}`
    CreatePage,
    /// `PUT .../pay4bit/invoice/{amount}`
    CreateCard,
    /// `GET .../cryptomus/transaction/{order_id}`
    Look,
    /// `GET .../payments`
    Invoices,
    /// `GET .../balance`
    Balance,
    /// `GET .../coupons`
    Coupons,
    /// Any of them (to inject faults), or none of them (in the log).
    Any,
}

/// What goes wrong with one call. Faults that change a field change nothing in an answer without that field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The connection is closed without an answer, and nothing has happened.
    DropBeforeActing,
    /// It has happened, and the connection is closed without an answer.
    DropAfterActing,
    /// This status, body and further headers, and nothing has happened.
    Status(u16, String, Vec<(String, String)>),
    /// An HTML page with status 200, and nothing has happened.
    Html200,
    /// It has happened; 200 with an empty body.
    EmptyBody,
    /// It has happened; the answer's JSON breaks off in the middle, as its `Content-Length` says.
    TruncatedJson,
    /// It has happened; the connection is closed before `Content-Length` is reached.
    CutBody,
    /// It has happened; the body trickles in over this much real time.
    SlowBody(Duration),
    /// It has happened; a body without end.
    Endless,
    /// 302 to this address, and nothing has happened.
    Redirect(String),
    /// It has happened; the answer names another address.
    WrongAddress,
    /// The answer names another network.
    WrongNetwork,
    /// The answer names another currency.
    WrongCurrency,
    /// The answer names another order.
    WrongOrderId,
    /// It happens, and is answered once this much of the simulator's clock has passed.
    Delay(Duration),
    /// Bytes that are no HTTP, and nothing has happened.
    Garbage(Vec<u8>),
    /// Nothing happens, and no answer ever comes.
    Hang,
    /// It has happened, and then the fault within follows, whatever that says of happening.
    After(Box<Fault>),
}

impl Fault {
    /// True where the call is carried out all the same.
    #[must_use]
    pub(super) const fn acts(&self) -> bool {
        !matches!(
            self,
            Self::DropBeforeActing
                | Self::Status(..)
                | Self::Html200
                | Self::Redirect(_)
                | Self::Garbage(_)
                | Self::Hang
        )
    }

    /// True where the answer arrives, after all and changed at most.
    pub(super) fn delivers(&self) -> bool {
        match self {
            Self::After(within) => within.delivers(),
            Self::SlowBody(_)
            | Self::Delay(_)
            | Self::WrongAddress
            | Self::WrongNetwork
            | Self::WrongCurrency
            | Self::WrongOrderId => true,
            _ => false,
        }
    }
}

/// How calls fail during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutageStyle {
    /// 502 with an HTML page, as a gateway says it.
    #[default]
    BadGateway,
    /// 503.
    Unavailable,
    /// The connection is closed without an answer.
    Close,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    outage: bool,
    windows: Vec<(Timestamp, Timestamp)>,
    pub(super) style: OutageStyle,
}

#[derive(Debug)]
struct Rule {
    call: Call,
    order_id: Option<String>,
    fault: Fault,
    left: u32,
}

impl Faults {
    pub(super) fn inject(&mut self, call: Call, order_id: Option<&str>, fault: Fault, times: u32) {
        self.rules.push(Rule { call, order_id: order_id.map(str::to_owned), fault, left: times });
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
        self.outage = false;
        self.windows.clear();
    }

    pub(super) fn set_outage(&mut self, on: bool) {
        self.outage = on;
    }

    pub(super) fn plan_outage(&mut self, from: Timestamp, to: Timestamp) {
        self.windows.push((from, to));
    }

    /// The fault of this call, the oldest rule first; `u32::MAX` times is for ever.
    pub(super) fn next(&mut self, call: Call, order_id: Option<&str>, now: Timestamp) -> Option<Fault> {
        if self.outage || self.windows.iter().any(|(from, to)| *from <= now && now < *to) {
            return Some(self.outage_fault());
        }
        let place = self.rules.iter().position(|rule| {
            (rule.call == Call::Any || rule.call == call)
                && (rule.order_id.is_none() || rule.order_id.as_deref() == order_id)
                && rule.left > 0
        })?;
        let rule = self.rules.get_mut(place)?;
        let fault = rule.fault.clone();
        if rule.left != u32::MAX {
            rule.left = rule.left.saturating_sub(1);
        }
        if rule.left == 0 {
            self.rules.remove(place);
        }
        Some(fault)
    }

    fn outage_fault(&self) -> Fault {
        let page = || "<html><body><h1>The upstream is down</h1></body></html>".to_owned();
        let html = || vec![("content-type".to_owned(), "text/html".to_owned())];
        match self.style {
            OutageStyle::BadGateway => Fault::Status(502, page(), html()),
            OutageStyle::Unavailable => Fault::Status(503, page(), html()),
            OutageStyle::Close => Fault::DropBeforeActing,
        }
    }
}
