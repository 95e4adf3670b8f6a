//! Addresses that the world knows, what a slip of the finger makes of them, and texts that are none.

#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

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

#[test]
fn a_text_is_too_long_from_one_character_on() {
    let why = |length| check(Network::Btc, &"1".repeat(length));
    let too_long = |length| {
        why(length) == AddressVerdict::Malformed("not a valid BTC address: it is too long".to_owned())
    };
    assert_eq!((too_long(128), too_long(129), too_long(130)), (false, true, true));
}

#[test]
fn a_malformed_address_says_what_is_wrong_with_it() {
    let version_and = |length: usize| bs58::encode(vec![0_u8; length + 1]).with_check().into_string();
    let taproot = |length: usize| bech32::segwit::encode_v1(bech32::hrp::BC, &vec![7_u8; length]).unwrap();
    let cases = [
        (
            Network::Btc,
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf0a".to_owned(),
            "it has a character that such addresses do not have",
        ),
        (
            Network::Btc,
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNé".to_owned(),
            "it has a character that such addresses do not have",
        ),
        (Network::Btc, "1".to_owned(), "it is too short"),
        (Network::Btc, version_and(19), "its length is wrong"),
        (Network::Btc, version_and(21), "its length is wrong"),
        (Network::Btc, taproot(20), "its length is wrong"),
        (
            Network::Btc,
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5".to_owned(),
            "its form or its checksum is wrong",
        ),
        (Network::Sol, "0".to_owned(), "it is not base58"),
        (Network::Sol, "1".repeat(31), "its length is wrong"),
        (Network::Eth, format!("0x{}", "a".repeat(39)), "it is not 0x and 40 hexadecimal digits"),
        (Network::Eth, format!("0x{}", "g".repeat(40)), "it is not 0x and 40 hexadecimal digits"),
        (
            Network::Eth,
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".to_owned(),
            "its checksum does not match",
        ),
        (
            Network::Ton,
            "1:b113a994b5024a16719f69139328eb759596c38a25f59028b146fecdc3621dfe".to_owned(),
            "it is not a workchain, a colon and 64 hexadecimal digits",
        ),
        (Network::Ton, "short".to_owned(), "its length is wrong"),
        (Network::Xmr, "11".to_owned(), "it is too short"),
        (Network::Xmr, "111".to_owned(), "it is too short"),
        (Network::Xmr, "11111".to_owned(), "it is too short"),
        (Network::Xmr, "1".repeat(6), "it belongs to another network"),
        (Network::Xmr, "1".repeat(9), "it belongs to another network"),
        (Network::Xmr, "1".repeat(10), "it belongs to another network"),
        (Network::Xmr, "1".repeat(4), "it is not base58 as Monero writes it"),
        // More than eight bytes hold.
        (Network::Xmr, "z".repeat(11), "it is not base58 as Monero writes it"),
    ];
    for (network, address, why) in cases {
        let expected = AddressVerdict::Malformed(format!("not a valid {network} address: {why}"));
        assert_eq!(check(network, &address), expected, "{address}");
    }
    assert_eq!(check(Network::Btc, &version_and(20)), AddressVerdict::Valid);
    assert_eq!(check(Network::Btc, &taproot(32)), AddressVerdict::Valid);
    assert_eq!(check(Network::Ltc, "ltcmweb1qqanything"), AddressVerdict::Unchecked);
    assert_eq!(check(Network::Ltc, "LTCMWEB1QQANYTHING"), AddressVerdict::Unchecked);
}

/// Groups of five bits behind `bitcoincash:`, with the checksum that the specification gives them.
fn cash_address(payload: &[u8]) -> String {
    let generators = [0x98_f2bc_8e61_u64, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let prefix = "bitcoincash".bytes().map(|letter| letter & 31).chain([0]);
    let mut state = 1_u64;
    for value in prefix.chain(payload.iter().copied()).chain([0; 8]) {
        let top = state >> 35;
        state = ((state & 0x07_ffff_ffff) << 5) ^ u64::from(value);
        for (bit, generator) in generators.iter().enumerate() {
            state ^= if top >> bit & 1 == 1 { *generator } else { 0 };
        }
    }
    let checksum = (0..8_u32).rev().map(|place| u8::try_from(((state ^ 1) >> (5 * place)) & 31).unwrap());
    let letters = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let data = payload.iter().copied().chain(checksum).map(|value| char::from(letters[usize::from(value)]));
    format!("bitcoincash:{}", data.collect::<String>())
}

/// A version byte and a hash as groups of five bits; the bits left over are `rest`.
fn groups(version: u8, length: usize, rest: u8) -> Vec<u8> {
    let bytes: Vec<u8> =
        std::iter::once(version).chain((0..length).map(|at| u8::try_from(at).unwrap())).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let mut groups: Vec<u8> = bits
        .chunks(5)
        .map(|five| five.iter().fold(0, |sum, bit| sum << 1 | bit) << (5 - five.len()))
        .collect();
    *groups.last_mut().unwrap() |= rest;
    groups
}

#[test]
fn every_kind_and_size_of_a_cash_address_is_known_and_no_other() {
    let verdict = |payload: &[u8]| check(Network::Bch, &cash_address(payload));
    let wrong = AddressVerdict::Malformed("not a valid BCH address: its form is wrong".to_owned());
    // The specification's own example of the checksum.
    let all: Vec<u8> = (0..32).collect();
    assert_eq!(cash_address(&all), "bitcoincash:qpzry9x8gf2tvdw0s3jn54khce6mua7lcw20ayyn");
    for (size, length) in (0_u8..).zip([20, 24, 28, 32, 40, 48, 56, 64]) {
        for kind in 0..4_u8 {
            assert_eq!(
                verdict(&groups(kind << 3 | size, length, 0)),
                AddressVerdict::Valid,
                "{kind} {length}"
            );
        }
        assert_eq!(verdict(&groups(4 << 3 | size, length, 0)), wrong, "an unknown kind");
        assert_eq!(verdict(&groups(size, length - 1, 0)), wrong, "a byte is missing");
        assert_eq!(verdict(&groups(size, length + 1, 0)), wrong, "a byte too many");
        let mut longer = groups(size, length, 0);
        longer.push(0);
        assert_eq!(verdict(&longer), wrong, "a group too many");
    }
    assert_eq!(verdict(&groups(0, 20, 1)), wrong, "what is left over is zero");
    let short = AddressVerdict::Malformed("not a valid BCH address: it is too short".to_owned());
    assert_eq!(verdict(&[]), short);
}

/// 34 bytes and their checksum (CRC-16/XMODEM) in base 64; `plus` and `slash` are its last two letters.
fn ton_address(tag: u8, workchain: u8, fill: u8, plus: char, slash: char) -> String {
    let mut bytes = vec![tag, workchain];
    bytes.resize(34, fill);
    let mut crc = 0_u32;
    for byte in bytes.iter().chain(&[0, 0]) {
        for bit in (0..8).rev() {
            crc = crc << 1 | u32::from(byte >> bit & 1);
            crc = if crc & 0x1_0000 == 0 { crc } else { crc ^ 0x1_1021 };
        }
    }
    bytes.extend(u16::try_from(crc).unwrap().to_be_bytes());
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain([plus, slash]).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    bits.chunks(6).map(|six| letters[six.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit))]).collect()
}

#[test]
fn a_friendly_ton_address_is_known_by_its_tag_in_either_alphabet() {
    let wrong = |why: &str| AddressVerdict::Malformed(format!("not a valid TON address: {why}"));
    for fill in [0x00, 0x5a, 0xfb, 0xff] {
        for (plus, slash) in [('-', '_'), ('+', '/')] {
            let verdict =
                |tag, workchain| check(Network::Ton, &ton_address(tag, workchain, fill, plus, slash));
            for tag in [0x11, 0x51] {
                assert_eq!(
                    (verdict(tag, 0x00), verdict(tag, 0xff)),
                    (AddressVerdict::Valid, AddressVerdict::Valid)
                );
                assert_eq!(verdict(tag, 0x01), wrong("its form is wrong"), "no such workchain");
            }
            for tag in [0x91, 0xd1] {
                assert_eq!(verdict(tag, 0x00), wrong("it belongs to the test network"));
            }
            assert_eq!(verdict(0x12, 0x00), wrong("its form is wrong"));
        }
    }
    let mixed = ton_address(0x11, 0, 0xfb, '-', '/');
    assert!(mixed.contains('-') && mixed.contains('/'));
    assert_eq!(check(Network::Ton, &mixed), wrong("it is not base64"));
}
