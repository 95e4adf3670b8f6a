//! What was heard of the daemons by those who listen to them; what is said again must be the same.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What was heard of the daemons, by whoever listens to them.
#[derive(Debug, Default, Clone)]
pub(super) struct Heard {
    /// Each event by its number, as it came over the stream.
    pub(super) events: Arc<Mutex<BTreeMap<i64, Value>>>,
    /// Each deposit's address that was shown.
    pub(super) addresses: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Heard {
    /// Follows the stream of a daemon, from the beginning, for as long as it lives. What it says again must be the same.
    pub(super) fn listen(&self, socket: PathBuf) -> std::thread::JoinHandle<()> {
        let own = self.clone();
        std::thread::spawn(move || {
            let Ok(mut stream) = UnixStream::connect(socket) else { return };
            let ask =
                "GET /v1/events HTTP/1.1\r\nHost: d\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n";
            if stream.write_all(ask.as_bytes()).is_err() {
                return;
            }
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            // A line that is cut off was told to nobody.
            while lines.read_line(&mut line).unwrap_or(0) > 0 && line.ends_with('\n') {
                if let Some(event) = line.strip_prefix("data:") {
                    let event: Value = serde_json::from_str(event).unwrap();
                    own.hear(event);
                }
                line.clear();
            }
        })
    }

    fn hear(&self, event: Value) {
        let seq = event["seq"].as_i64().unwrap();
        let before = self.events.lock().unwrap().entry(seq).or_insert_with(|| event.clone()).clone();
        assert_eq!(before, event, "event {seq} was told, and then another one under its number");
    }

    pub(super) fn show(&self, deposits: &Value) {
        for deposit in deposits["deposits"].as_array().into_iter().flatten() {
            let (id, address) = (deposit["id"].as_str().unwrap().to_owned(), deposit["address"].clone());
            if !address.is_null() {
                let before = self
                    .addresses
                    .lock()
                    .unwrap()
                    .entry(id.clone())
                    .or_insert_with(|| address.clone())
                    .clone();
                assert_eq!(before, address, "{id} was shown with another address");
            }
        }
    }
}
