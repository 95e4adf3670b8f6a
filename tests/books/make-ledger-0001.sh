#!/bin/sh
# Makes ledger-0001.sql beside it anew: a ledger as the program wrote it while migration 0001 was all there was, with a
# deposit for each fate. Only needed while 0001 is not released yet. Usage: tests/books/make-ledger-0001.sh COMMIT
set -eu
cd "$(dirname "$0")/../.."
old=target/ledger-0001
git worktree add --force --detach "$old" "$1"
trap 'git worktree remove --force "$old"' EXIT
cat >> "$old/tests/cli/main.rs" <<'TEST'
#[tokio::test]
async fn keep() {
    let bench = bench::Bench::new();
    books::fill(&bench).await.close().await.unwrap();
    std::fs::copy(bench.file("ledger.db"), std::env::var("KEEP").unwrap()).unwrap();
}
TEST
KEEP="$PWD/target/ledger-0001.db" CARGO_TARGET_DIR="$PWD/target" \
    cargo test --locked --manifest-path "$old/Cargo.toml" --test cli keep
sqlite3 target/ledger-0001.db .dump > tests/books/ledger-0001.sql
