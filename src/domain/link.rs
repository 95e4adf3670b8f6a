//! The link that a payment page or a card is paid by (docs/contract.md, sections 6 and 7): what can be read of it. The
//! link itself is kept and shown byte for byte, and never rebuilt.

use url::Url;

use super::method::Method;
use super::money::Amount;

/// The longest link that is kept, in bytes.
pub const LONGEST: usize = 2048;
/// The parameters of a card's link that may name its payment in the invoice list.
const NAMING: [&str; 4] = ["account", "desc", "sign", "paymentId"];
/// Shorter texts are no names: another payment could have them by chance.
const SHORTEST_NAME: usize = 8;

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkReading {
    /// Why it is shown to nobody.
    pub withheld: Option<String>,
    /// Why a person should look at it, although it is shown.
    pub doubt: Option<String>,
    /// It states another amount than was asked for, in US dollars: no further link is asked for meanwhile.
    pub other_amount: bool,
}

/// The host that a method's links lead to.
fn host(method: Method) -> &'static str {
    match method {
        Method::Card => "api.pay4bit.net",
        Method::Wallet | Method::Page => "pay.cryptomus.com",
    }
}

/// Holds a link against what was asked for: `amount` US dollars, by `method`, a page or a card.
#[must_use]
pub fn read(link: &str, method: Method, amount: &Amount) -> LinkReading {
    let withheld = |why: String| LinkReading {
        withheld: Some(format!("the link is not shown, do not pay: {why}")),
        ..LinkReading::default()
    };
    if link.len() > LONGEST {
        return withheld(format!("it is longer than {LONGEST} bytes"));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let url = match Url::parse(link) {
        Ok(url) if !link.contains(odd) => url,
        _ => return withheld("it is no link".to_owned()),
    };
    if url.scheme() != "https" {
        return withheld(format!("it is no https link, but {}", url.scheme()));
    }
    let known = host(method);
    let there = url.host_str().unwrap_or_default();
    if !there.eq_ignore_ascii_case(known) || url.port().is_some() {
        return withheld(format!("it leads to {}, not to {known}", origin(&url)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return withheld("it names a user".to_owned());
    }
    match method {
        Method::Card => card(&url, amount),
        Method::Wallet | Method::Page => page(link),
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn page(link: &str) -> LinkReading {
    let nameless =
        || "the link of the payment page ends with no id, so its payment cannot be known".to_owned();
    LinkReading { doubt: page_id(link).is_none().then(nameless), ..LinkReading::default() }
}

/// A card's link states `sum` and `currency`, which is EUR where it is left out (docs/contract.md, section 7).
fn card(url: &Url, amount: &Amount) -> LinkReading {
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let currency = value("currency").unwrap_or_else(|| "EUR".to_owned());
    let doubt = |doubt: String, other_amount| LinkReading {
        doubt: Some(format!("do not pay before a person has looked: {doubt}")),
        other_amount,
        withheld: None,
    };
    let Some(sum) = value("sum") else { return LinkReading::default() };
    if !currency.eq_ignore_ascii_case("USD") {
        return doubt(format!("the link asks for {sum} {currency}, not for {amount} USD"), false);
    }
    let same = Amount::parse(&sum).is_ok_and(|sum| sum.value() == amount.value());
    if same {
        LinkReading::default()
    } else {
        doubt(format!("the link asks for {sum} USD, not for {amount} USD"), true)
    }
}

/// The UUID at the end of a processor's link, by which an invoice may name the order (docs/contract.md, sections 3 and 6).
#[must_use]
pub fn page_id(link: &str) -> Option<&str> {
    let last = link.trim_end_matches('/').rsplit('/').next()?;
    uuid::Uuid::parse_str(last).is_ok().then_some(last)
}

/// What a card's link bears that an invoice may bear as well: names of parameters and their values. Whether a value names
/// this payment alone, the ledger decides, which knows the other links.
#[must_use]
pub fn names(link: &str) -> Vec<(&'static str, String)> {
    let Ok(url) = Url::parse(link) else { return Vec::new() };
    let mut names = Vec::new();
    for name in NAMING {
        let found = url.query_pairs().find(|(key, _)| key == name);
        if let Some((_, value)) = found.filter(|(_, value)| value.trim().chars().count() >= SHORTEST_NAME) {
            names.push((name, value.trim().to_owned()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(link: &str, method: Method) -> LinkReading {
        read(link, method, &Amount::parse("5").unwrap())
    }

    #[test]
    fn a_link_is_shown_only_where_it_leads_to_the_processor_by_https() {
        let uuid = "991d9a35-1c2e-4b5c-8f1a-0123456789ab";
        let page = format!("https://pay.cryptomus.com/pay/{uuid}");
        assert_eq!(reading(&page, Method::Page), LinkReading::default());
        assert_eq!(page_id(&page), Some(uuid));
        for (link, why) in [
            (format!("http://pay.cryptomus.com/pay/{uuid}"), "no https link"),
            (format!("https://pay.cryptomus.com.evil.example/pay/{uuid}"), "not to pay.cryptomus.com"),
            (format!("https://pay.cryptomus.com@evil.example/pay/{uuid}"), "not to pay.cryptomus.com"),
            (format!("https://evil@pay.cryptomus.com/pay/{uuid}"), "names a user"),
            (format!("https://pay.cryptomus.com:8443/pay/{uuid}"), "not to pay.cryptomus.com"),
            (format!("https://pay.cryptomus.com/pay/{uuid}\n"), "no link"),
            ("javascript:alert(1)".to_owned(), "no https link"),
            ("pay here".to_owned(), "no link"),
            (String::new(), "no link"),
            (format!("https://pay.cryptomus.com/{}", "a".repeat(3000)), "longer than"),
            ("https://api.pay4bit.net/pay?sum=5&currency=USD".to_owned(), "not to pay.cryptomus.com"),
        ] {
            let withheld = reading(&link, Method::Page).withheld.unwrap_or_default();
            assert!(withheld.contains(why), "{link}: {withheld}");
        }
        let nameless = reading("https://pay.cryptomus.com/pay/7", Method::Page);
        assert!(nameless.withheld.is_none() && nameless.doubt.is_some());
    }

    #[test]
    fn what_a_cards_link_states_is_held_against_what_was_asked_for() {
        let card = |query: &str| reading(&format!("https://api.pay4bit.net/pay?{query}"), Method::Card);
        for same in ["sum=5.00&currency=USD", "sum=5&currency=usd&sign=a%20b", "account=7"] {
            assert_eq!(card(same), LinkReading::default(), "{same}");
        }
        for (query, words, other_amount) in [
            ("sum=500&currency=USD", "500 USD, not for 5 USD", true),
            ("sum=0.05&currency=USD", "0.05 USD", true),
            ("sum=a+lot&currency=USD", "a lot USD", true),
            ("sum=5", "5 EUR", false),
            ("sum=5&currency=EUR", "5 EUR", false),
        ] {
            let read = card(query);
            assert!(read.doubt.as_ref().is_some_and(|doubt| doubt.contains(words)), "{query}: {read:?}");
            assert_eq!((read.other_amount, read.withheld), (other_amount, None), "{query}");
        }
    }

    #[test]
    fn a_cards_names_are_what_another_payment_does_not_have_by_chance() {
        let link =
            "https://api.pay4bit.net/pay?account=7&desc=order%2012345678&sign=0a1b2c3d4e5f&paymentId=&sum=5";
        let names: Vec<_> = names(link);
        assert_eq!(names, [("desc", "order 12345678".to_owned()), ("sign", "0a1b2c3d4e5f".to_owned())]);
    }
}
