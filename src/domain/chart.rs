//! The chart of accounts, and what its accounts are called in somebody else's books.

use super::asset::Currency;
use super::journal::{
    ASKED, CARD, CORRECTIONS, DIFFERENCE_COUPON, DIFFERENCE_OVER, DIFFERENCE_SHORT, DIFFERENCE_UNEXPLAINED,
    HELD, PAID_CRYPTO, PREPAID, ROUNDING, UNSTATED,
};

/// What was spent from the prepaid account, as far as the balance tells.
pub const SPENT: &str = "expenses:smsonline";
/// Top-ups by others.
pub const ELSEWHERE: &str = "equity:elsewhere";
/// What the prepaid account held before the first run.
pub const BEFORE: &str = "equity:balance:before";
/// What the balance rose by beyond all top-ups.
pub const RISES: &str = "equity:balance:rises";
/// On its way between journal, list and total at the end of a day.
pub const IN_TRANSIT: &str = "equity:balance:in-transit";
/// What the total grew by beyond all rows of the list.
pub const UNEXPLAINED: &str = "equity:balance:unexplained";

/// The longest name.
const LONGEST: usize = 200;
/// What every name begins with, in any letter case.
const ROOTS: [&str; 5] = ["assets", "liabilities", "equity", "income", "expenses"];
const EXPECTED: &str = "a name that hledger and beancount take: Assets, Liabilities, Equity, Income or Expenses, then \
                        parts of letters, digits and -, each behind a colon, such as Assets:Current:SMSOnline";

/// Every account of the chart.
#[must_use]
pub fn accounts() -> Vec<String> {
    let mut all: Vec<String> = [
        PREPAID,
        HELD,
        UNSTATED,
        CARD,
        ROUNDING,
        CORRECTIONS,
        ASKED,
        DIFFERENCE_COUPON,
        DIFFERENCE_OVER,
        DIFFERENCE_SHORT,
        DIFFERENCE_UNEXPLAINED,
        SPENT,
        ELSEWHERE,
        BEFORE,
        RISES,
        IN_TRANSIT,
        UNEXPLAINED,
    ]
    .map(str::to_owned)
    .to_vec();
    for currency in Currency::ALL {
        let ticker = currency.as_str().to_ascii_lowercase();
        all.extend([format!("{PAID_CRYPTO}:{ticker}"), format!("{HELD}:{ticker}")]);
    }
    all.sort_unstable();
    all
}

/// The accounts that `wishes` rename, with their new names. A wish names an account, or what stands before the last parts
/// of several: those keep their last parts.
///
/// # Errors
/// What does not fit, in words: an account that is not there, a name that programs refuse, two accounts of one name.
pub fn renamed(wishes: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    let all = accounts();
    for (account, name) in wishes {
        let below = format!("{account}:");
        if !all.iter().any(|known| known == account || known.starts_with(&below)) {
            return Err(format!(
                "expected an account of the chart such as {PREPAID:?}, or what several begin with such as \"{PAID_CRYPTO}\", found {account:?}"
            ));
        }
        if !is_name(name) {
            return Err(format!("expected {EXPECTED}; found {name:?} for {account}"));
        }
    }
    let new_name = |account: &str| {
        let fits = |(wished, _): &&(String, String)| {
            account.strip_prefix(wished.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let (wished, name) = wishes.iter().filter(fits).max_by_key(|(wished, _)| wished.len())?;
        let rest = account.strip_prefix(wished.as_str()).unwrap_or_default();
        let rest = if name.starts_with(char::is_uppercase) { capitalised(rest) } else { rest.to_owned() };
        Some(format!("{name}{rest}"))
    };
    let named: Vec<(String, Option<String>)> = all
        .into_iter()
        .map(|account| (new_name(&account), account))
        .map(|(name, account)| (account, name))
        .collect();
    let mut seen: Vec<(String, &str)> = Vec::with_capacity(named.len());
    for (account, name) in &named {
        // beancount begins every part with a capital: names that differ in letter case alone are one there.
        let key = name.as_ref().unwrap_or(account).to_lowercase();
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == key) {
            let name = name.as_ref().unwrap_or(account);
            return Err(format!(
                "expected a name of its own for each account; {other} and {account} would both be {name:?}"
            ));
        }
        seen.push((key, account));
    }
    Ok(named.into_iter().filter_map(|(account, name)| Some((account, name?))).collect())
}

/// With a capital, or a digit, at the beginning of each part, as beancount wants it.
#[must_use]
pub fn capitalised(account: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    account.split(':').map(part).collect::<Vec<_>>().join(":")
}

/// What both hledger and beancount take.
fn is_name(name: &str) -> bool {
    let letter = |c: char| {
        let cased = c.is_uppercase() || c.is_lowercase();
        c.is_ascii_alphabetic() || (cased && c.is_alphabetic() && c < '\u{2000}' && c != '\u{345}')
    };
    let mut parts = name.split(':');
    let root = parts.next().is_some_and(|root| ROOTS.iter().any(|known| known.eq_ignore_ascii_case(root)));
    let mut rest = parts.peekable();
    let fits = |part: &str| {
        part.starts_with(|c: char| letter(c) || c.is_ascii_digit())
            && part.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '-')
    };
    root && rest.peek().is_some() && rest.all(fits) && name.chars().count() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wishes: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let wishes: Vec<_> = wishes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        renamed(&wishes)
    }

    #[test]
    fn an_account_gets_its_name_and_those_below_it_keep_their_last_parts() {
        let found = names(&[
            ("assets:prepaid:smsonline", "Assets:Current:SMSOnline"),
            ("equity:crypto", "Assets:1360-Geldtransit"),
            ("equity:crypto:btc", "Assets:Übertrag"),
        ])
        .unwrap();
        let of =
            |account: &str| found.iter().find(|(known, _)| known == account).map(|(_, name)| name.as_str());
        assert_eq!(of("assets:prepaid:smsonline"), Some("Assets:Current:SMSOnline"));
        assert_eq!(of("equity:crypto:usdt"), Some("Assets:1360-Geldtransit:Usdt"));
        assert_eq!(of("equity:crypto:btc"), Some("Assets:Übertrag"));
        assert_eq!(of("equity:asked"), None);
        assert_eq!(names(&[]), Ok(Vec::new()));
        assert_eq!(capitalised("assets:prepaid:smsonline"), "Assets:Prepaid:Smsonline");
    }

    #[test]
    fn what_hledger_or_beancount_refuse_is_refused_with_the_reason() {
        for name in [
            "",
            "Assets",
            "Assets:",
            "Bank:SMSOnline",
            "Assets:SMS Online",
            "Assets::X",
            "Assets:-x",
            "Assets:x;y",
            "Assets:日本",
            "Assets:(x)",
            "Assets:x\ty",
            "Assets:x_y",
        ] {
            let refused = names(&[("assets:prepaid:smsonline", name)]).unwrap_err();
            assert!(
                refused.contains("hledger and beancount take") && refused.contains("assets:prepaid"),
                "{refused}"
            );
        }
        for account in ["", "assets", "equity:crypto:doge:x", "Assets:Prepaid:SMSOnline", "equity:cryp"] {
            let found = names(&[(account, "Assets:X")]);
            assert!(account == "assets" || found.is_err(), "{account}");
        }
    }

    #[test]
    fn two_accounts_are_never_one() {
        for wishes in [
            [("assets:prepaid:smsonline", "Assets:X"), ("equity:asked", "Assets:X")],
            [("assets:prepaid:smsonline", "Assets:X"), ("equity:asked", "assets:x")],
            [("assets:prepaid:smsonline", "Equity:Asked"), ("equity:crypto", "Assets:Crypto")],
            [("equity:crypto", "Assets:Crypto"), ("equity:held", "Assets:Crypto")],
        ] {
            let refused = names(&wishes).unwrap_err();
            assert!(refused.contains("would both be"), "{refused}");
        }
        // Two that change places are two.
        assert!(names(&[("equity:asked", "Equity:Rounding"), ("equity:rounding", "Equity:Asked")]).is_ok());
    }
}
