//! The same books through DuckDB, straight from copies of the files.

use std::path::Path;
use std::process::{Command, Output};

use super::{copy, sqlite, story};

/// Prints views of deploy/fleet.sql over the files that fit the pattern.
fn duck(pattern: &Path, views: &[&str]) -> Output {
    let root = env!("CARGO_MANIFEST_DIR");
    Command::new(format!("{root}/target/python/bin/python"))
        .arg(format!("{root}/tests/fleet/duck.py"))
        .arg(format!("{root}/deploy/fleet.sql"))
        .arg(pattern)
        .args(views)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_has_what_the_ledgers_have_and_refuses_one_twice() {
    let lived = story::march().await;
    let house = &lived.house;
    let mut files = Vec::new();
    for name in ["eu", "us"] {
        std::fs::create_dir_all(house.file(&format!("copies/{name}"))).unwrap();
        files.push((name, copy(house, &format!("copies/{name}/ledger.db"), Some(&format!("id of {name}")))));
    }
    let pattern = house.file("copies/*/ledger.db");
    let views = sqlite(&files[0].1, "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1");
    let views: Vec<&str> = views.lines().filter(|view| !super::same::NOT_COPIED.contains(view)).collect();
    let output = duck(&pattern, &views);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in text.lines() {
        let (view, found): (String, super::same::Rows) = serde_json::from_str(line).unwrap();
        let mut expected = super::same::Rows::new();
        for (name, path) in &files {
            for row in super::same::of_ledger(path, &view).await.1 {
                let first = [Some((*name).to_owned()), Some(format!("id of {name}"))];
                expected.push(first.into_iter().chain(row).collect());
            }
        }
        let (mut found, mut expected) = (found, expected);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{view}");
    }
    assert_eq!(text.lines().count(), views.len());

    sqlite(&files[1].1, "UPDATE meta SET value = 'id of eu' WHERE key = 'ledger_id'");
    let twice = String::from_utf8_lossy(&duck(&pattern, &views).stderr).into_owned();
    assert!(
        twice.contains("these files are one ledger, id of eu: ") && twice.contains("name one of them"),
        "{twice}"
    );
    let none = String::from_utf8_lossy(&duck(&house.file("nothing/*.db"), &views).stderr).into_owned();
    assert!(none.contains("no file fits the pattern"), "{none}");
}
