//! One answer of a mail server: three digits, perhaps an enhanced status code, and a text that decides nothing.
//!
//! The text is bytes. RFC 5321 wants ASCII, and servers send whatever their administrators wrote: Latin-1, broken
//! UTF-8, lines of any length. None of that changes what the digits say.

use std::fmt;
use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// So much of a line's text is kept; the rest is read and dropped.
const KEPT: usize = 1024;
/// So many lines of an answer are kept.
const LINES: usize = 64;
/// An answer that is longer in all is no answer: the connection is given up.
const LONGEST: usize = 1024 * 1024;

/// An enhanced status code (RFC 3463), such as `5.7.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnhancedStatus {
    pub(super) class: u16,
    pub(super) subject: u16,
    pub(super) detail: u16,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) status: Option<EnhancedStatus>,
    /// The texts of its lines, without the digits and what follows them.
    pub(super) lines: Vec<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The server has closed the connection.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// A line that begins with no digits, as far as it is kept.
    Strange(Vec<u8>),
    /// It does not end.
    Endless,
}

impl From<io::Error> for NoReply {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl EnhancedStatus {
    /// Reads `5.7.1` at the beginning of `text`, or `(#5.7.1)` anywhere in it, as qmail writes it.
    fn read(text: &[u8], class: u16) -> Option<Self> {
        let marks = text.windows(2).enumerate().filter(|(_, pair)| pair == b"(#");
        let mut places = std::iter::once(0).chain(marks.map(|(at, _)| at.saturating_add(2)));
        // Its class is the first of the three digits, or it is no code but a number in the text.
        places.find_map(|at| Self::at(text.get(at..)?)).filter(|status| status.class == class)
    }

    fn at(text: &[u8]) -> Option<Self> {
        let word: Vec<u8> = text.iter().copied().take_while(|b| b.is_ascii_digit() || *b == b'.').collect();
        let mut parts = std::str::from_utf8(&word).ok()?.trim_end_matches('.').split('.');
        let mut number = |most: usize| parts.next().filter(|part| part.len() <= most)?.parse::<u16>().ok();
        let status = Self { class: number(1)?, subject: number(3)?, detail: number(3)? };
        parts.next().is_none().then_some(status)
    }
}

impl Reply {
    /// Reads the next answer, however its lines end.
    pub(super) async fn read<R: AsyncBufRead + Unpin>(from: &mut R) -> Result<Self, NoReply> {
        let (mut lines, mut left) = (Vec::new(), LONGEST);
        loop {
            let line = read_line(from, &mut left).await?;
            let Some((code, last)) = digits(&line) else { return Err(NoReply::Strange(line)) };
            if lines.len() < LINES || last {
                lines.push(line.get(4..).unwrap_or_default().to_vec());
            }
            if last {
                let class = code.checked_div(100).unwrap_or(0);
                let status = lines.iter().rev().find_map(|line| EnhancedStatus::read(line, class));
                return Ok(Self { code, status, lines });
            }
        }
    }

    /// 2yz: done.
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 3yz: go on.
    pub(super) fn wants_more(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// The texts of all lines in one, the status code once.
    pub(super) fn text(&self) -> Vec<u8> {
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let mut text: Vec<u8> = Vec::new();
        for line in &self.lines {
            let mut rest = line.trim_ascii();
            if !text.is_empty() {
                text.push(b' ');
                if let Some(after) =
                    rest.strip_prefix(status.as_bytes()).filter(|after| after.starts_with(b" "))
                {
                    rest = after.trim_ascii();
                }
            }
            text.extend_from_slice(rest);
        }
        text
    }
}

/// Bytes of somebody else's as text: UTF-8 where they are that, else Latin-1, which every byte is.
pub(super) fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// The three digits, and whether it is the last line.
fn digits(line: &[u8]) -> Option<(u16, bool)> {
    let (code, rest) = line.split_at_checked(3)?;
    let first = code.first().copied().unwrap_or_default();
    if !(b'2'..=b'5').contains(&first) || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // Only digits: a sign would be taken by the number's own reading.
    let all = code.iter().all(u8::is_ascii_digit);
    let code = std::str::from_utf8(code).ok().filter(|_| all)?.parse().ok()?;
    Some((code, rest.first() != Some(&b'-')))
}

/// The next line without its end, as much of it as is kept.
async fn read_line<R: AsyncBufRead + Unpin>(from: &mut R, left: &mut usize) -> Result<Vec<u8>, NoReply> {
    let mut line = Vec::new();
    loop {
        let piece = from.fill_buf().await?;
        if piece.is_empty() {
            return Err(NoReply::Closed);
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        let room = KEPT.saturating_sub(line.len());
        line.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        let taken = text.len().saturating_add(usize::from(end.is_some()));
        from.consume(taken);
        *left = left.checked_sub(taken).ok_or(NoReply::Endless)?;
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Reply, NoReply> {
        // In small pieces, as a network may bring them.
        Reply::read(&mut tokio::io::BufReader::with_capacity(3, bytes)).await
    }

    #[tokio::test]
    async fn the_digits_decide_whatever_stands_behind_them() {
        let long = [b"250 ".as_slice(), &[b'x'; 100_000], b"\r\n"].concat();
        for (bytes, code, text) in [
            (&b"250 2.0.0 accept\xe9\r\n"[..], 250, "2.0.0 accepté"),
            (b"250 2.0.0 \xff\xfe\x00\r\n", 250, "2.0.0 \u{ff}\u{fe}\u{0}"),
            ("250 2.0.0 принято\r\n".as_bytes(), 250, "2.0.0 принято"),
            (b"250\r\n", 250, ""),
            (b"250 \n", 250, ""),
            (b"250-one\r\n250-\xc3\r\n250 three\n", 250, "one \u{c3} three"),
            (b"451-4.7.1 greylisted\r\n451 4.7.1 come back\r\n", 451, "4.7.1 greylisted come back"),
            (b"550\ttab\r\n", 550, "tab"),
            // The last line's digits count (as Postfix takes them).
            (b"250-one\r\n451 two\r\n", 451, "one two"),
        ] {
            let reply = read(bytes).await.unwrap();
            assert_eq!((reply.code, readable(&reply.text())), (code, text.to_owned()));
        }
        let reply = read(&long).await.unwrap();
        assert_eq!((reply.code, reply.text().len()), (250, KEPT - 4));
        let many = [b"550-5.1.1 more\r\n".repeat(2000), b"550 5.1.1 enough\r\n".to_vec()].concat();
        let reply = read(&many).await.unwrap();
        assert_eq!((reply.code, reply.lines.len()), (550, LINES + 1));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_none() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"\r\n",
            b"25\r\n",
            b"2500 x\r\n",
            b"+50 x\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
        ] {
            assert!(matches!(read(bytes).await, Err(NoReply::Strange(_))), "{bytes:?}");
        }
        for bytes in [&b""[..], b"250", b"250 ok", b"250-more\r\n"] {
            assert!(matches!(read(bytes).await, Err(NoReply::Closed)), "{bytes:?}");
        }
        assert!(matches!(read(&b"250-x\r\n".repeat(200_000)).await, Err(NoReply::Endless)));
        assert!(matches!(read(&[b'2'; 2_000_000]).await, Err(NoReply::Endless)));
    }

    #[tokio::test]
    async fn an_enhanced_code_is_read_where_servers_write_it() {
        for (bytes, status) in [
            (&b"535 5.7.139 Authentication unsuccessful\r\n"[..], Some("5.7.139")),
            (b"550-5.7.25 no PTR\r\n550 5.7.25 record\r\n", Some("5.7.25")),
            (b"553 sorry, not in my list of allowed rcpthosts (#5.7.1)\r\n", Some("5.7.1")),
            (b"421 4.3.0: Temporary Error\r\n", Some("4.3.0")),
            (b"550 5.1.1\r\n", Some("5.1.1")),
            (b"550-5.1.1 first\r\n550 second\r\n", Some("5.1.1")),
            (b"550 4.7.1 of another class\r\n", None),
            (b"550 192.0.2.1 is blocked\r\n", None),
            (b"550 5.1.1.1 x\r\n", None),
            (b"550 5.1234.1 x\r\n", None),
            (b"550 User unknown\r\n", None),
            (b"354 3.0.0 go\r\n", Some("3.0.0")),
        ] {
            let found = read(bytes).await.unwrap().status.map(|status| status.to_string());
            assert_eq!(found.as_deref(), status, "{}", readable(bytes));
        }
    }
}
