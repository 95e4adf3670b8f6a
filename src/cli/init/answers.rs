//! The configuration while it is being written: the answers so far, and how they stand in the file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{self, Config};

/// What stands at the top.
const HEAD: &str = "\
# The configuration of depositd, made by `depositd init`. Whatever is not said here has its default:
# daemon.toml(5) and daemon.toml.example have every key. `depositd check` tries what stands here.
";

/// The keys that may be written, table by table, and what is said of each.
const TABLES: &[(&str, &[(&str, &str)])] = &[
    ("upstream", &[("base_url", ""), ("user_id", ""), ("api_key_file", "")]),
    (
        "ledger",
        &[
            ("path", ""),
            ("create_if_missing", "say false once it is there: a missing ledger is then an error"),
            ("backup_dir", ""),
            ("backup_schedule", "every night, UTC"),
            ("backup_keep", ""),
        ],
    ),
    ("reconcile", &[("schedule", "every 15 minutes, and not when other accounts do")]),
    ("books", &[("time_zone", "of days and months; fixed once a month is closed")]),
    (
        "mail",
        &[("transport", "one .eml a letter, no mail server"), ("directory", ""), ("from", ""), ("to", "")],
    ),
    ("mail.smtp", &[("host", ""), ("security", ""), ("port", ""), ("username", ""), ("password_file", "")]),
    ("api", &[("listen", "who may use the socket may use the API")]),
];

/// The answers so far: what is written for each key, as TOML.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    values: BTreeMap<&'static str, String>,
    notes: BTreeMap<&'static str, String>,
}

impl Answers {
    /// Writes a text.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.raw(key, quoted(value));
    }

    /// Writes a list of texts.
    pub(super) fn list<'a>(&mut self, key: &'static str, values: impl IntoIterator<Item = &'a str>) {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.raw(key, format!("[{}]", values.join(", ")));
    }

    /// Writes a number, or a word of TOML.
    pub(super) fn raw(&mut self, key: &'static str, value: impl Into<String>) {
        self.values.insert(key, value.into());
    }

    /// Says something at the end of a table.
    pub(super) fn note(&mut self, table: &'static str, words: String) {
        self.notes.insert(table, words);
    }

    /// True where the key has been written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The file.
    pub(super) fn toml(&self) -> String {
        let mut text = HEAD.to_owned();
        for (table, keys) in TABLES {
            let mut lines = Vec::new();
            for (name, said) in *keys {
                let Some(value) = self.values.get(format!("{table}.{name}").as_str()) else { continue };
                let line = format!("{name} = {value}");
                lines.push(if said.is_empty() { line } else { format!("{line:<43} # {said}") });
            }
            if !lines.is_empty() {
                lines.extend(self.notes.get(table).map(|note| format!("# {note}")));
                text.push_str(&format!("\n[{table}]\n{}\n", lines.join("\n")));
            }
        }
        text
    }

    /// What the daemon would make of it at `file`.
    ///
    /// # Errors
    /// What was expected instead.
    pub(super) fn read(&self, file: &Path) -> Result<Config, String> {
        config::read_text(&self.toml(), file).map_err(|error| error.problem().to_owned())
    }
}

/// A text of TOML. What cannot stand in one line of it has been refused before.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_what_the_daemon_reads() {
        let mut answers = Answers::default();
        let awkward = r#"Müller "Depot" \ Co <a@example.org>"#;
        answers.text("mail.smtp.username", awkward);
        answers.text("mail.smtp.host", "smtp.example.org");
        answers.raw("mail.smtp.port", "25");
        answers.list("mail.to", ["b@example.org", "c@example.org"]);
        answers.text("upstream.user_id", "12345");
        answers.note("upstream", "the key is elsewhere".to_owned());
        let config = answers.read(Path::new("/x/daemon.toml")).unwrap();
        let smtp = config.mail.smtp.unwrap();
        assert_eq!((smtp.username.as_deref(), smtp.port), (Some(awkward), 25));
        assert_eq!(config.mail.to, ["b@example.org", "c@example.org"]);
        assert!(
            answers.toml().contains("user_id = \"12345\"\n# the key is elsewhere\n"),
            "{}",
            answers.toml()
        );
        answers.text("books.time_zone", "Europe/Nowhere");
        assert!(answers.read(Path::new("/x/daemon.toml")).unwrap_err().contains("expected an offset"));
    }

    #[test]
    fn every_table_and_key_is_one_of_the_configuration_s() {
        for (table, keys) in TABLES {
            for (name, _) in *keys {
                let key = format!("{table}.{name}");
                assert!(config::KEYS.contains(&key.as_str()), "{key}");
            }
        }
    }
}
