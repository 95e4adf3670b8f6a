//! Addresses that the world knows, what a slip of the finger makes of them, and texts that are none.

use proptest::prelude::*;

use super::super::asset::Network;
use super::{AddressVerdict, check};

/// Well-known addresses, each with whether its form carries a checksum.
const KNOWN: &[(Network, &str, bool)] = &[
    // EIP-55's own examples: both cases, all capitals, all small.
    (Network::Eth, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", true),
    (Network::Bsc, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", true),
    (Network::Polygon, "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", true),
    (Network::Arbitrum, "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", true),
    (Network::Avalanche, "0x52908400098527886E0F7030069857D2E4169EE7", false),
    (Network::Eth, "0xde709f2102306220921060314715629080e2fb77", false),
    // The seed document's own answer.
    (Network::Bsc, "0x66b928a82377d75ced043e95738372e9e9607f1f", false),
    // The USDT contract.
    (Network::Tron, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", true),
    // The first block; a script; BIP-173, small and capital; BIP-350.
    (Network::Btc, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true),
    (Network::Btc, "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", true),
    (Network::Btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", true),
    (Network::Btc, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", true),
    (Network::Btc, "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3", true),
    (Network::Btc, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true),
    (Network::Ltc, "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz", true),
    (Network::Ltc, "MQMcJhpWHYVeQArcZR3sBgyPZxxRtnH441", true),
    (Network::Ltc, "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", true),
    (Network::Doge, "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L", true),
    (Network::Dash, "XpESxaUmonkq8RaLLp46Brx2K39ggQe226", true),
    // The CashAddr specification's examples, a token-aware twin, and the legacy form.
    (Network::Bch, "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", true),
    (Network::Bch, "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", true),
    (Network::Bch, "BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A", true),
    (Network::Bch, "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq", true),
    (Network::Bch, "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu", true),
    // The token program, USDC, the system program.
    (Network::Sol, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", false),
    (Network::Sol, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", false),
    (Network::Sol, "11111111111111111111111111111111", false),
    // The USDT master contract, and the elector in raw form.
    (Network::Ton, "EQCxE6mUtQJKFnGfaROTKOt1lZbDiiX1kCixRv7Nw2Id_sDs", true),
    (Network::Ton, "0:b113a994b5024a16719f69139328eb759596c38a25f59028b146fecdc3621dfe", false),
    (Network::Ton, "-1:3333333333333333333333333333333333333333333333333333333333333333", false),
    // The project's donation addresses, old and new, and an integrated one from its documentation.
    (
        Network::Xmr,
        "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
        true,
    ),
    (
        Network::Xmr,
        "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H",
        true,
    ),
    (
        Network::Xmr,
        "4LL9oSLmtpccfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2bYXZKKQePHES9khPK",
        true,
    ),
];

#[test]
fn what_the_world_knows_is_valid() {
    for (network, address, _) in KNOWN {
        assert_eq!(check(*network, address), AddressVerdict::Valid, "{network} {address}");
    }
}

#[test]
fn one_wrong_character_is_never_valid_where_there_is_a_checksum() {
    let letters: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').chain("+/-_: é".chars()).collect();
    for (network, address, _) in KNOWN.iter().filter(|(_, _, has_checksum)| *has_checksum) {
        for (at, right) in address.char_indices() {
            for wrong in letters.iter().copied().filter(|wrong| !same(*network, right, *wrong)) {
                let mut mutated = (*address).to_owned();
                mutated.replace_range(at..=at, &wrong.to_string());
                let verdict = check(*network, &mutated);
                assert_ne!(verdict, AddressVerdict::Valid, "{network} {address} became {mutated}");
            }
        }
    }
}

/// True where the network takes both characters for one (TON's two base 64 alphabets).
fn same(network: Network, right: char, wrong: char) -> bool {
    let one = |c| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    right == wrong || (network == Network::Ton && one(right) == one(wrong))
}

#[test]
fn a_missing_or_added_end_is_never_valid() {
    for (network, address, has_checksum) in KNOWN {
        let shorter = &address[..address.len().checked_sub(1).unwrap()];
        for other in
            [shorter.to_owned(), format!("{address}1"), format!(" {address}"), format!("{address}\n")]
        {
            let verdict = check(*network, &other);
            let no_checksum = !has_checksum && *network == Network::Sol;
            assert!(no_checksum || verdict != AddressVerdict::Valid, "{network} {other:?}");
        }
    }
}

#[test]
fn an_address_of_another_network_is_malformed_and_the_reason_names_the_network() {
    let cases = [
        (
            Network::Btc,
            "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz",
            "not a valid BTC address: it belongs to another network",
        ),
        (
            Network::Tron,
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "not a valid TRON address: it belongs to another network",
        ),
        (
            Network::Tron,
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u",
            "not a valid TRON address: its checksum does not match",
        ),
        (
            Network::Eth,
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
            "not a valid ETH address: it does not begin with 0x",
        ),
        (Network::Sol, "", "not a valid SOL address: it is empty"),
        (
            Network::Xmr,
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "not a valid XMR address: it is not base58 as Monero writes it",
        ),
    ];
    for (network, address, why) in cases {
        assert_eq!(check(network, address), AddressVerdict::Malformed(why.to_owned()));
    }
    let foreign = [
        (Network::Btc, "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"),
        (Network::Btc, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
        (Network::Ltc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        (Network::Bch, "bchtest:qpm2qsznhks23z7629mms6s4cwef74vcwvqcw003ap"),
    ];
    for (network, address) in foreign {
        assert!(matches!(check(network, address), AddressVerdict::Malformed(_)), "{network} {address}");
    }
}

#[test]
fn kinds_that_nobody_can_check_yet_say_so() {
    // BIP-350's example of witness version 16.
    assert_eq!(check(Network::Btc, "BC1SW50QGDZ25J"), AddressVerdict::Unchecked);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,140}", at in 0..Network::ALL.len()) {
        let _ = check(Network::ALL[at], &text);
    }

    #[test]
    fn no_near_address_panics(text in "(bc1|ltc1|bitcoincash:|0x|0:|T|4)?[0-9A-Za-z]{0,110}", at in 0..Network::ALL.len()) {
        let _ = check(Network::ALL[at], &text);
    }
}
