//! What the rows of the invoice list say together of one deposit that is followed by the list.

use super::deposit::Request;
use super::money::{Amount, UsdMicros};
use super::report::{Invoice, OrderReport};
use super::status::{Status, StatusMeaning, Weight};
use super::time::Timestamp;

/// A row that is more than this many times larger, or smaller, than what was asked for is another amount, whatever its word
/// or a coupon may have made of it.
const FACTOR: i64 = 2;

/// What the rows that bear an id of one deposit say together (docs/contract.md, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// How many rows there are.
    pub rows: usize,
    /// The word that counts most: of a row that is credited, else of one that money went through, else of the newest.
    pub status: Option<String>,
    /// What the credited rows credit, in cents; `None` where none does.
    pub credited_cents: Option<i64>,
    /// The latest deadline that a row states; not kept by a reconciliation, only by who reads the list.
    pub expires_at: Option<Timestamp>,
    /// The rows' words and amounts in cents.
    pub amounts: Vec<(Option<String>, i64)>,
    /// The upstream's own clock when it answered.
    pub answered_at: Option<Timestamp>,
}

impl Listing {
    /// What `rows` say together; `None` where one of them has a flaw or no amount: then nothing is said.
    #[must_use]
    pub fn of(rows: &[Invoice], answered_at: Option<Timestamp>) -> Option<Self> {
        if rows.iter().any(|row| row.flaw.is_some() || row.amount_cents.is_none()) {
            return None;
        }
        let weight = |row: &&Invoice| Weight::of(row.status.as_deref()) as u8;
        let loudest = |row: &&Invoice| match weight(row) {
            1 => 2,
            2 => 1,
            _ => 0,
        };
        let newest = rows.iter().max_by_key(|row| (loudest(row), row.created));
        let credited = rows.iter().filter(|row| weight(row) == Weight::Amount as u8);
        let credited_cents = credited.filter_map(|row| row.amount_cents).reduce(i64::saturating_add);
        Some(Self {
            rows: rows.len(),
            status: newest.and_then(|row| row.status.clone()),
            credited_cents,
            expires_at: rows.iter().filter_map(|row| row.expires_at).max(),
            amounts: rows.iter().filter_map(|row| Some((row.status.clone(), row.amount_cents?))).collect(),
            answered_at,
        })
    }

    /// The same as an answer about the order.
    #[must_use]
    pub fn report(&self) -> OrderReport {
        let credited = self.credited_cents.and_then(UsdMicros::from_cents);
        OrderReport {
            status: self.status.clone(),
            payment_amount_usd: credited.and_then(|usd| Amount::parse(&usd.to_string()).ok()),
            expire_at: self.expires_at,
            answered_at: self.answered_at,
            listed: true,
            ..OrderReport::default()
        }
    }

    /// Why the rows speak of another amount than was asked for: the unit of the amount in the request may be another one
    /// than is set (docs/contract.md, section 6). A word that says so explains another amount, and so does a coupon, as
    /// long as it is not more than twice or less than half of it.
    #[must_use]
    pub fn other_amount(&self, request: &Request) -> Option<String> {
        let asked = request.amount.to_usd_micros_floor()?.to_cents_exact()?;
        let (_, cents) = self.amounts.iter().find(|(word, cents)| {
            let explained = request.coupon.is_some() || explains(word.as_deref());
            let beyond = *cents > asked.saturating_mul(FACTOR) || cents.saturating_mul(FACTOR) < asked;
            *cents != asked && (beyond || !explained)
        })?;
        let row = UsdMicros::from_cents(*cents)?;
        // Without the row's word: what a person has looked at is not told again when it is paid.
        Some(format!(
            "do not pay before a person has looked: the invoice list has it with {row} USD, and {} USD were asked for; no \
             further payment page or card is asked for meanwhile, see upstream.page_amount",
            request.amount
        ))
    }
}

/// True for a word that says itself that another amount came than was asked for, or that it went back.
fn explains(word: Option<&str>) -> bool {
    let meaning = word.and_then(Status::parse).map(Status::meaning);
    !matches!(
        meaning,
        None | Some(
            StatusMeaning::Unseen
                | StatusMeaning::Confirming
                | StatusMeaning::Paid
                | StatusMeaning::Cancelled
                | StatusMeaning::Failed
                | StatusMeaning::Held
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::method::PaidBy;

    fn row(status: &str, cents: i64) -> Invoice {
        Invoice {
            sesid: None,
            pay_id: Some("p".to_owned()),
            method: None,
            amount_cents: Some(cents),
            created: None,
            expires_at: None,
            status: Some(status.to_owned()),
            flaw: None,
        }
    }

    #[test]
    fn rows_are_summed_and_the_word_of_credited_money_counts_most() {
        let rows = [row("cancel", 500), row("PAID", 300), row("refund_process", 200), row("paid_over", 250)];
        let listing = Listing::of(&rows, None).unwrap();
        assert_eq!((listing.rows, listing.credited_cents), (4, Some(550)));
        let report = listing.report();
        assert_eq!(
            report.payment_amount_usd.map(|amount| amount.as_str().to_owned()).as_deref(),
            Some("5.50")
        );
        let unpaid = Listing::of(&rows[..1], None).unwrap();
        assert_eq!((unpaid.credited_cents, unpaid.report().payment_amount_usd), (None, None));
        let unread = Invoice { flaw: Some("amount".to_owned()), ..row("paid", 1) };
        assert_eq!(Listing::of(&[row("paid", 500), unread], None), None);
        assert_eq!(Listing::of(&[], None).unwrap().report().status, None);
    }

    #[test]
    fn another_amount_is_one_that_nothing_explains() {
        let request = |coupon: Option<&str>| Request {
            coupon: coupon.map(str::to_owned),
            ..Request::new(PaidBy::Page, Amount::parse("5").unwrap(), Timestamp::EPOCH)
        };
        let other = |rows: &[Invoice], coupon| {
            Listing::of(rows, None).unwrap().other_amount(&request(coupon)).is_some()
        };
        for (word, cents, coupon, expected) in [
            ("check", 500, None, false),
            ("check", 50_000, None, true),
            ("paid", 5, None, true),
            ("paid", 485, None, true),
            ("paid", 485, Some("C"), false),
            ("paid", 5, Some("C"), true),
            ("paid_over", 700, None, false),
            ("paid_over", 70_000, None, true),
            ("wrong_amount", 300, None, false),
            ("brand_new_word", 499, None, true),
        ] {
            assert_eq!(other(&[row(word, cents)], coupon), expected, "{word} {cents} {coupon:?}");
        }
        assert!(!other(&[], None));
    }
}
