#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/fuzz/judge.rs"]
mod judge;

use std::sync::LazyLock;

static DEPOSIT: LazyLock<depositd::domain::deposit::Deposit> = LazyLock::new(judge::waiting_deposit);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(report) = depositd::upstream::read_every_way(bytes) {
        judge::report(&DEPOSIT, report, bytes, &"bodies");
    }
});
