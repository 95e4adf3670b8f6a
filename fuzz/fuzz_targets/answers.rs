#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/fuzz/judge.rs"]
mod judge;

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// One thread, so that the same bytes go the same way.
static WORLD: LazyLock<(Runtime, judge::Answers)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        // The fuzzer has its own way of starting, without what keeps a closed pipe from ending the process.
        let _ = signal(SignalKind::pipe()).unwrap();
        judge::Answers::start().await
    });
    (runtime, answers)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (runtime, answers) = &*WORLD;
    runtime.block_on(answers.judge(bytes, &"answers"));
});
