#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/fuzz/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| judge::amount(bytes, &"amounts"));
