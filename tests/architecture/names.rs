//! One name for one type, wherever it stands: nobody has to ask which one is meant.

use std::collections::BTreeMap;

use crate::source::{module_of, sources, words};

/// Names that more than one type may have, and why.
const SHARED: &[(&str, &str)] = &[(
    "Error",
    "what can go wrong in a module is named by the module, as `ledger::Error`, which is Rust's custom",
)];

#[test]
fn no_two_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| module_of(path).is_some()) {
        for name in types(&words(&text)) {
            places.entry(name).or_default().push(path.clone());
        }
    }
    let shared = |name: &str| SHARED.iter().any(|(shared, _)| *shared == name);
    let twice: Vec<String> = places
        .iter()
        .filter(|(name, places)| places.len() > 1 && !shared(name))
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(twice.is_empty(), "{}", twice.join("\n"));
    for (name, why) in SHARED {
        assert!(
            places.get(*name).is_some_and(|places| places.len() > 1),
            "{name} is no exception any more: {why}"
        );
    }
}

#[test]
fn types_are_found_whoever_may_see_them() {
    let text = "pub struct A; pub(super) enum B {} pub(in crate::x) trait C {} struct D; pub type E = A; pub fn f() {}";
    assert_eq!(types(&words(text)), ["A", "B", "C", "E"]);
}

/// The types that others can name.
fn types(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| *word == "pub") {
        let mut next = at + 1;
        if words.get(next).map(String::as_str) == Some("(") {
            next += words[next..].iter().position(|word| word == ")").unwrap_or(0) + 1;
        }
        let kind = words.get(next).map_or("", String::as_str);
        if ["struct", "enum", "trait", "type", "union"].contains(&kind) {
            // What a macro fills in is no name.
            found.extend(words.get(next + 1).filter(|name| *name != "$").cloned());
        }
    }
    found
}
