//! No circles: two files of one module never need each other, not over others either. A file needs another where it names
//! what is defined there; a re-export (`pub use`) is an address, and no need.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{module_of, paths, sources, words};

/// A file as a path of modules, such as `ledger::commit::chain`.
type Module = Vec<String>;

#[derive(Default)]
struct File {
    /// The names that it re-exports, and where they lead.
    exports: BTreeMap<String, Vec<String>>,
    /// Every other path that it names.
    named: Vec<Vec<String>>,
}

#[test]
fn no_file_of_a_module_needs_another_that_needs_it() {
    let circles = circles(&files(&sources()));
    assert!(circles.is_empty(), "circles of files:\n{}", circles.join("\n"));
}

#[test]
fn planted_circles_are_found() {
    let planted = |files_of: &[(&str, &str)]| {
        let of = |(path, text): &(&str, &str)| (format!("src/{path}"), (*text).to_owned());
        circles(&files(&files_of.iter().map(of).collect::<Vec<_>>()))
    };
    let far = planted(&[
        ("a/mod.rs", "mod b; mod c; mod d;"),
        ("a/b.rs", "use super::c::C; pub struct B;"),
        ("a/c.rs", "fn f() { crate::a::d::f() } pub struct C;"),
        ("a/d.rs", "use crate::a::b::{B}; pub fn f() {}"),
    ]);
    assert_eq!(far, ["a::b, a::c, a::d"], "over several files");
    let behind = planted(&[
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub(super) use self::c::C;"),
        ("a/b.rs", "use super::C; pub struct B;"),
        ("a/c.rs", "use crate::a::B; pub struct C;"),
    ]);
    assert_eq!(behind, ["a::b, a::c"], "behind a re-export");
    let parent = planted(&[
        ("a/mod.rs", "mod b; use b::B; pub struct A(B);"),
        ("a/b.rs", "use super::A; pub struct B;"),
    ]);
    assert_eq!(parent, ["a, a::b"], "with its parent");
    let none = planted(&[
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
        ("a/b.rs", "use crate::a::C; pub struct B;"),
        ("a/c.rs", "#[cfg(test)] mod tests { use crate::a::B; } pub struct C;"),
        ("z/mod.rs", "use crate::a::B;"),
    ]);
    assert_eq!(none, Vec::<String>::new());
}

fn files(sources: &[(String, String)]) -> BTreeMap<Module, File> {
    let ours = sources.iter().filter(|(path, _)| module_of(path).is_some());
    ours.map(|(path, text)| (module(path), read(&words(text)))).collect()
}

fn module(path: &str) -> Module {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

/// What a file re-exports and what it names, `pub use ...;` apart from the rest.
fn read(words: &[String]) -> File {
    let (mut file, mut rest, mut at) = (File::default(), Vec::new(), 0);
    while at < words.len() {
        let length = if words[at] == "pub" { re_export(&words[at..]) } else { None };
        match length {
            Some(length) => {
                for path in paths(&words[at..at + length]) {
                    // `pub(in crate::x) use` names x as well: what is exported has a name of its own at its end.
                    if let Some(name) = path.last().cloned() {
                        file.exports.insert(name, path);
                    }
                }
                at += length;
            }
            None => {
                rest.push(words[at].clone());
                at += 1;
            }
        }
    }
    file.named = paths(&without_visibility(&rest));
    // A field and a `mod` line are no uses of what is exported under the same name.
    let no_use = |place: usize| place > 0 && [".", "mod"].contains(&rest[place - 1].as_str());
    for (place, word) in rest.iter().enumerate() {
        if file.exports.contains_key(word) && !no_use(place) {
            file.named.push(vec![word.clone()]);
        }
    }
    file
}

/// How many words a `pub use ...;` has that stands at the beginning.
fn re_export(words: &[String]) -> Option<usize> {
    let mut at = 1;
    if words.get(at).map(String::as_str) == Some("(") {
        at += words[at..].iter().position(|word| word == ")")? + 1;
    }
    if words.get(at).map(String::as_str) != Some("use") {
        return None;
    }
    Some(at + words[at..].iter().position(|word| word == ";")? + 1)
}

/// Without what stands in `pub(...)`: it is no use of anything.
fn without_visibility(words: &[String]) -> Vec<String> {
    let (mut at, mut kept) = (0, Vec::new());
    while at < words.len() {
        kept.push(words[at].clone());
        at += 1;
        if words[at - 1] == "pub" && words.get(at).map(String::as_str) == Some("(") {
            at += words[at..].iter().position(|word| word == ")").unwrap_or(0) + 1;
        }
    }
    kept
}

/// The file in which what `path` names is defined.
fn target(files: &BTreeMap<Module, File>, from: &Module, path: &[String], depth: usize) -> Option<Module> {
    let first = path.first()?;
    let (base, rest): (Module, &[String]) = match first.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "super" | "self" => {
            let up = path.iter().take_while(|word| *word == "super").count();
            let skip = path.iter().take_while(|word| *word == "super" || *word == "self").count();
            (from[..from.len().checked_sub(up)?].to_vec(), &path[skip..])
        }
        name => {
            let child = [from.as_slice(), &[name.to_owned()]].concat();
            if files.contains_key(&child) {
                (from.clone(), path)
            } else {
                let export = files.get(from)?.exports.get(name)?;
                let itself = export.len() == 1 || depth > 8;
                return if itself { None } else { target(files, from, export, depth + 1) };
            }
        }
    };
    let mut found = base;
    let mut taken = 0;
    for word in rest {
        let next = [found.as_slice(), std::slice::from_ref(word)].concat();
        if !files.contains_key(&next) {
            break;
        }
        found = next;
        taken += 1;
    }
    if let Some(export) = rest.get(taken).and_then(|name| files.get(&found)?.exports.get(name))
        && depth <= 8
    {
        return target(files, &found, export, depth + 1);
    }
    Some(found)
}

/// Each set of files that need one another, as one line.
fn circles(files: &BTreeMap<Module, File>) -> Vec<String> {
    let mut needs: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, file) in files {
        for path in &file.named {
            let found = target(files, module, path, 0);
            let known = found.and_then(|found| files.get_key_value(&found));
            if let Some((other, _)) =
                known.filter(|(other, _)| *other != module && other.first() == module.first())
            {
                needs.entry(module).or_default().insert(other);
            }
        }
    }
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        files.keys().map(|module| (module, reached(&needs, module))).collect();
    let mut found = BTreeSet::new();
    for module in files.keys().filter(|module| reach[*module].contains(*module)) {
        let both = |other: &&&Module| reach[**other].contains(module);
        let names: Vec<String> = reach[module].iter().filter(both).map(|other| other.join("::")).collect();
        found.insert(names.join(", "));
    }
    found.into_iter().collect()
}

fn reached<'a>(needs: &BTreeMap<&'a Module, BTreeSet<&'a Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for other in needs.get(module).into_iter().flatten() {
            if found.insert(*other) {
                open.push(other);
            }
        }
    }
    found
}
