//! What a mail address may look like: stricter than the standard, so that no address can become a header.

use lettre::Address;
use lettre::message::Mailbox;

/// The longest address that a mail server must take (RFC 5321, 4.5.3.1.3).
const MAX_LEN: usize = 254;

/// Why a text is no mail address. The text itself is not repeated: addresses stay out of logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the mail address is empty")]
    Empty,
    /// Longer than mail servers take.
    #[error("the mail address is longer than {MAX_LEN} characters")]
    TooLong,
    /// Spaces, control characters, quotes, brackets or a display name.
    #[error(
        "the mail address holds a character that is not allowed; write it alone, such as name@example.com"
    )]
    Character,
    /// A name before the address with one quotation mark, or a bracket.
    #[error(
        "the name before the mail address cannot be read; write Name <name@example.com>, or \"Name\" <name@example.com>"
    )]
    Name,
    /// Something else.
    #[error("that is not a mail address; write one such as name@example.com")]
    Invalid,
}

/// Reads an address that stands alone, and gives it back as it was written.
pub fn parse_address(text: &str) -> Result<String, AddressError> {
    check(text)?;
    let address: Address = text.parse().map_err(|_| AddressError::Invalid)?;
    let domain = address.domain();
    // A bare word is a name of the local network at best: `root@localhost` stays possible, `root@host` is a typo.
    if !domain.contains('.') && !domain.starts_with('[') && !domain.eq_ignore_ascii_case("localhost") {
        return Err(AddressError::Invalid);
    }
    Ok(text.to_owned())
}

/// Reads a recipient whom the operator has chosen: an address alone, or `Name <address>`, which may be a name of the
/// machine's own network. Gives back the address without the name.
pub fn parse_recipient(text: &str) -> Result<String, AddressError> {
    mailbox(text).map(|mailbox| mailbox.email.to_string())
}

/// Reads a sender: an address alone, or `Name <address>`.
pub fn parse_mailbox(text: &str) -> Result<String, AddressError> {
    mailbox(text).map(|_| text.to_owned())
}

pub(super) fn mailbox(text: &str) -> Result<Mailbox, AddressError> {
    if text.chars().any(char::is_control) {
        return Err(AddressError::Character);
    }
    if text.trim().is_empty() {
        return Err(AddressError::Empty);
    }
    if text.len() > MAX_LEN.saturating_mul(2) {
        return Err(AddressError::TooLong);
    }
    let (name, address) = match text.trim().strip_suffix('>') {
        None => (None, text.trim()),
        Some(rest) => {
            let (name, address) = rest.rsplit_once('<').ok_or(AddressError::Invalid)?;
            (display_name(name.trim())?, address)
        }
    };
    // The sender may be a name of this machine's own network: a local mail server puts that right.
    check(address)?;
    Ok(Mailbox::new(name, address.parse().map_err(|_| AddressError::Invalid)?))
}

/// A name as people write it: with commas, dots and umlauts, in quotation marks or without.
fn display_name(text: &str) -> Result<Option<String>, AddressError> {
    if text.contains(['<', '>']) {
        return Err(AddressError::Name);
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let whole = !text.ends_with('"') || text.matches('"').count().is_multiple_of(2);
        return if whole { Ok((!text.is_empty()).then(|| text.to_owned())) } else { Err(AddressError::Name) };
    };
    let (mut name, mut escaped, mut closed) = (String::new(), false, false);
    for c in quoted.chars() {
        match c {
            // Two quoted words, or something behind the last quotation mark.
            _ if closed => return Err(AddressError::Name),
            '\\' if !escaped => escaped = true,
            '"' if !escaped => closed = true,
            c => {
                name.push(c);
                escaped = false;
            }
        }
    }
    if closed { Ok((!name.trim().is_empty()).then_some(name)) } else { Err(AddressError::Name) }
}

/// The address of a recipient as it travels.
pub(super) fn recipient(text: &str) -> Result<Address, AddressError> {
    let address = parse_recipient(text)?.parse().map_err(|_| AddressError::Invalid)?;
    in_transport(&address)
}

/// A domain as machines write it: international names in their ASCII form (RFC 5891), lower case. What is no name of
/// that kind is given back as it is.
#[must_use]
pub fn ascii_domain(domain: &str) -> String {
    let known = idna::domain_to_ascii(domain).ok().filter(|ascii| !ascii.is_empty());
    known.unwrap_or_else(|| domain.to_ascii_lowercase())
}

/// The address as it travels. An international domain has an ASCII form that every server takes; a mailbox that is
/// international has none, and the address stays whole, for servers that offer SMTPUTF8.
pub(super) fn in_transport(address: &Address) -> Result<Address, AddressError> {
    if AsRef::<str>::as_ref(address).is_ascii() || !address.user().is_ascii() {
        return Ok(address.clone());
    }
    Address::new(address.user(), ascii_domain(address.domain())).map_err(|_| AddressError::Invalid)
}

fn check(text: &str) -> Result<(), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(AddressError::TooLong);
    }
    let foreign = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\')
    };
    // The colon is for `[IPv6:..]` alone; nobody asked for that.
    let domain = text.rsplit_once('@').map_or("", |(_, domain)| domain);
    let odd = |c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | '.');
    if text.chars().any(foreign) || (!domain.starts_with('[') && domain.contains(odd)) {
        return Err(AddressError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_alone() {
        for good in [
            "a@example.com",
            "first.last+tag@sub.example.co",
            "jürgen@bücher.example",
            "root@localhost",
            "a@[127.0.0.1]",
        ] {
            assert_eq!(parse_address(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "a",
            "a@",
            "@example.com",
            "a@b@c.example",
            "a b@example.com",
            "A <a@example.com>",
            "<a@example.com>",
            "a@example.com\r\nBcc: b@example.com",
            "a@example.com,b@example.com",
            "a@example.com\n",
            " a@example.com",
            "\"a b\"@example.com",
            "a@host",
            "a@exa mple.com",
            "a\u{0}@example.com",
            "a@example..com",
            "a@exampl~.com",
        ] {
            assert!(parse_address(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_address(&format!("{}@example.com", "a".repeat(300))), Err(AddressError::TooLong));
    }

    #[test]
    fn an_international_domain_travels_in_ascii_and_a_mailbox_as_it_is() {
        for (written, travels) in [
            ("a@example.com", "a@example.com"),
            ("konto@bücher.example", "konto@xn--bcher-kva.example"),
            ("konto@BÜCHER.example", "konto@xn--bcher-kva.example"),
            ("jürgen@bücher.example", "jürgen@bücher.example"),
            ("jürgen@example.com", "jürgen@example.com"),
            ("почта@пример.example", "почта@пример.example"),
        ] {
            let address: Address = written.parse().unwrap();
            assert_eq!(AsRef::<str>::as_ref(&in_transport(&address).unwrap()), travels);
        }
        assert_eq!(ascii_domain("Bücher.example"), "xn--bcher-kva.example");
        assert_eq!(ascii_domain("Host"), "host");
    }

    #[test]
    fn an_operators_recipient_may_have_a_name_or_be_near() {
        for (written, kept) in [
            ("a@example.com", "a@example.com"),
            ("Finance <a@example.com>", "a@example.com"),
            ("ops@mailhost", "ops@mailhost"),
        ] {
            assert_eq!(parse_recipient(written).as_deref(), Ok(kept));
            assert_eq!(parse_recipient(kept).as_deref(), Ok(kept));
        }
        assert!(parse_recipient("ops").is_err());
    }

    #[test]
    fn a_name_is_taken_as_people_write_it() {
        for (written, name) in [
            ("ACME, Inc. <d@example.com>", "ACME, Inc."),
            ("A.C.M.E. Ltd <d@example.com>", "A.C.M.E. Ltd"),
            ("\"ACME, Inc.\" <d@example.com>", "ACME, Inc."),
            ("\"The \\\"Shop\\\" \\\\ Co\" <d@example.com>", "The \"Shop\" \\ Co"),
            ("The \"Shop\" <d@example.com>", "The \"Shop\""),
            ("Büro (Wien); Kasse: 1 <d@example.com>", "Büro (Wien); Kasse: 1"),
            ("請求書 <d@example.com>", "請求書"),
            ("d@example.com <d@example.com>", "d@example.com"),
            ("  Shop   <d@example.com> ", "Shop"),
        ] {
            let mailbox = mailbox(written).unwrap();
            assert_eq!((mailbox.name.as_deref(), mailbox.email.as_ref()), (Some(name), "d@example.com"));
        }
        for none in ["<d@example.com>", "\"\" <d@example.com>", "d@example.com"] {
            assert_eq!(mailbox(none).unwrap().name, None);
        }
        for bad in [
            "\"ACME, Inc. <d@example.com>",
            "ACME, Inc.\" <d@example.com>",
            "\"ACME\" Inc <d@example.com>",
            "A <b> <d@example.com>",
        ] {
            let error = mailbox(bad).unwrap_err();
            assert_eq!(error, AddressError::Name, "{bad}");
            assert!(error.to_string().contains("\"Name\" <name@example.com>"), "it says how");
        }
    }

    #[test]
    fn a_sender_may_have_a_name() {
        for good in
            ["Deposits <deposits@example.com>", "deposits@example.com", "Büro Wien <b@example.com>", "d@host"]
        {
            assert_eq!(parse_mailbox(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "Deposits", "Deposits <deposits>", "<a@b@c>", "A <a@example.com>\r\nBcc: x@example.com"]
        {
            assert!(parse_mailbox(bad).is_err(), "{bad:?}");
        }
    }
}
