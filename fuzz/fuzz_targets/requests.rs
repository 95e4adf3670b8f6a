#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/api/bench.rs"]
mod bench;
#[path = "../../tests/fuzz/judge.rs"]
mod judge;

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

static WORLD: LazyLock<(Runtime, bench::Bench)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(async {
        // The fuzzer has its own way of starting, without what keeps a closed pipe from ending the process.
        let _ = signal(SignalKind::pipe()).unwrap();
        bench::Bench::start().await
    });
    (runtime, bench)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (runtime, bench) = &*WORLD;
    let request = judge::whole_request(bytes.to_vec());
    // Whoever waits for more than comes is not waited for.
    let socket = bench.socket();
    let sent = judge::send(&socket, &request, Duration::from_millis(100));
    judge::status(runtime.block_on(sent), &request, &"requests");
});
