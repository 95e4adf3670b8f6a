//! How server-sent events are read from the daemon's answer, piece by piece.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// No event of the daemon is larger.
const LARGEST: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::cli) struct StreamedEvent {
    /// Its number, to go on from.
    pub(in crate::cli) id: Option<String>,
    /// What it tells, a JSON text.
    pub(in crate::cli) data: String,
}

/// The stream of events.
#[derive(Debug)]
pub(in crate::cli) struct Events {
    body: Incoming,
    lines: Lines,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// The next event; `None` when the stream has ended or broken.
    pub(in crate::cli) async fn next(&mut self) -> Option<StreamedEvent> {
        loop {
            if let Some(event) = self.lines.event() {
                return Some(event);
            }
            let frame = self.body.frame().await?.ok()?;
            let Ok(bytes) = frame.into_data() else { continue };
            if !self.lines.feed(&bytes) {
                return None;
            }
        }
    }
}

/// What has come and is no whole event yet.
#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    event: StreamedEvent,
    has_data: bool,
}

impl Lines {
    /// False when an event is larger than any should be.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        self.waiting.extend_from_slice(bytes);
        self.waiting.len().saturating_add(self.event.data.len()) <= LARGEST
    }

    fn event(&mut self) -> Option<StreamedEvent> {
        while let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.waiting.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if self.has_data {
                        self.event.data.push('\n');
                    }
                    self.has_data = true;
                    self.event.data.push_str(value);
                }
                "id" => self.event.id = Some(value.to_owned()),
                // `event:` says again what the data say; a line without a field keeps the connection alive.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text =
            ": hello\n\nid: 7\nevent: settled\ndata: {\"a\":\r\ndata: 1}\n\nretry: 1000\n\ndata: x\n\n";
        for size in [1, 2, 3, 7, text.len()] {
            let (mut lines, mut events) = (Lines::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                assert!(lines.feed(piece));
                events.extend(std::iter::from_fn(|| lines.event()));
            }
            let first = StreamedEvent { id: Some("7".to_owned()), data: "{\"a\":\n1}".to_owned() };
            assert_eq!(events, [first, StreamedEvent { id: None, data: "x".to_owned() }]);
        }
        assert!(!Lines::default().feed(&vec![b'x'; LARGEST + 1]));
    }
}
