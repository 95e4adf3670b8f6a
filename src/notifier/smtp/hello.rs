//! How this machine names itself to a mail server (EHLO): its full name, or its address.

use std::net::IpAddr;

/// What would be right. What was written is not repeated here: it could be anything, a secret too.
const EXPECTED: &str = "expected the full name of this machine such as \"host.example.com\", or an address in brackets such as \"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\"";

/// A name for EHLO as a person may write it: a full domain name, or an address literal such as `[192.0.2.1]`
/// (RFC 5321, 4.1.3). Gives it back as it travels, international names in their ASCII form.
///
/// # Errors
/// What would be right, in words.
pub fn parse_hello(text: &str) -> Result<String, String> {
    let expected = || EXPECTED.to_owned();
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = match literal.split_at_checked(5) {
            Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => v6.parse().map(IpAddr::V6).ok(),
            _ => literal.parse().map(IpAddr::V4).ok(),
        };
        return address.map(address_literal).ok_or_else(expected);
    }
    let name = crate::notifier::ascii_domain(text);
    if is_full_name(&name) { Ok(name) } else { Err(expected()) }
}

/// The name of this machine: its full one where it has one, else `None`.
pub(super) fn own_name() -> Option<String> {
    let own = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
    if is_full_name(&own) {
        return Some(own);
    }
    full_name_in(&std::fs::read_to_string("/etc/hosts").ok()?, &own)
}

/// An address as EHLO takes it in place of a name.
pub(super) fn address_literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}

/// The full name that a hosts file knows for a short one.
fn full_name_in(hosts: &str, short: &str) -> Option<String> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().to_ascii_lowercase());
    let names =
        lines.map(|line| line.split_ascii_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>());
    let own = names.filter(|names| names.iter().any(|name| name == short));
    own.flatten().find(|name| is_full_name(name))
}

/// A name that says more than which machine of this house: letters, digits and hyphens, with a dot, and no address.
fn is_full_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label)
        && !top.bytes().all(|b| b.is_ascii_digit())
        && !name.starts_with("localhost.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_full_or_an_address_in_brackets() {
        for (written, travels) in [
            ("host.example.com", "host.example.com"),
            ("Host.Example.com", "host.example.com"),
            ("büro.example.com", "xn--bro-hoa.example.com"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("[ipv6:::1]", "[IPv6:::1]"),
        ] {
            assert_eq!(parse_hello(written).as_deref(), Ok(travels));
        }
        for bad in [
            "",
            "host",
            "localhost",
            "192.0.2.1",
            "[host]",
            "[]",
            "[2001:db8::1]",
            "a b.example",
            "-a.example",
            "a..b",
            "a.example\r\nMAIL",
            "host.example.com:25",
            "a_b.example.com",
        ] {
            let problem = parse_hello(bad).unwrap_err();
            assert!(problem.contains("host.example.com"), "{problem}");
        }
    }

    #[test]
    fn the_hosts_file_knows_the_full_name() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tWeb3.example.com web3 # by the installer\n192.0.2.9 other.example.com other\n";
        assert_eq!(full_name_in(hosts, "web3").as_deref(), Some("web3.example.com"));
        for (hosts, short) in [
            (hosts, "web"),
            ("127.0.0.1 localhost.localdomain localhost web3\n", "web3"),
            ("# 127.0.1.1 web3.example.com web3\n127.0.1.1 web3", "web3"),
        ] {
            assert_eq!(full_name_in(hosts, short), None, "{hosts}");
        }
        assert_eq!(address_literal("::ffff:192.0.2.1".parse().unwrap()), "[192.0.2.1]");
    }
}
