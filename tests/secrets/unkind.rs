//! A mail server that says the password back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::program::{PASSWORD, marks};

/// What a mail server has heard and said.
#[derive(Default)]
pub(super) struct Unkind {
    pub(super) logins: AtomicUsize,
    /// The password said back: at MAIL, RCPT, DATA, and after the message.
    pub(super) told: [AtomicUsize; 4],
}

impl Unkind {
    /// The password as an unkind server says it back, in one spelling after the other; `None` once it has had enough.
    fn echo(&self, place: usize) -> Option<String> {
        let packed = marks::base64(format!("\0deposits\0{PASSWORD}").as_bytes());
        let alone = marks::base64(PASSWORD.as_bytes());
        match self.told[place].fetch_add(1, Ordering::SeqCst) {
            0 => Some(format!("you said {PASSWORD}")),
            1 => Some(format!("you said {packed} and {alone}==")),
            // What is told of it is cut short: in the middle of the password.
            2 => Some(format!("{} {PASSWORD}", "so ".repeat(92))),
            3 => Some(format!("{} {packed}", "so ".repeat(90))),
            _ => None,
        }
    }

    fn answer(&self, said: &str, data: &mut bool) -> String {
        let refusal =
            |place: usize, code: u16| self.echo(place).map(|words| format!("{code} 4.7.1 {words}\r\n"));
        match said.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "AUTH" => match self.logins.fetch_add(1, Ordering::SeqCst) {
                // The whole line, with the name and the password in it.
                0 => format!("535 5.7.8 no to {said}, {PASSWORD}\r\n"),
                1 => format!("454 4.7.0 later, {PASSWORD}\r\n"),
                2 => format!("220 nonsense {PASSWORD}\r\n"),
                _ => "235 welcome\r\n".to_owned(),
            },
            "MAIL" => refusal(0, 451).unwrap_or_else(|| "250 ok\r\n".to_owned()),
            "RCPT" => refusal(1, 450).unwrap_or_else(|| "250 ok\r\n".to_owned()),
            "DATA" => refusal(2, 451).unwrap_or_else(|| {
                *data = true;
                "354 go on\r\n".to_owned()
            }),
            "." => {
                *data = false;
                let taken = format!("250 kept for {PASSWORD}\r\n");
                refusal(3, 452).unwrap_or(taken)
            }
            _ => "250 ok\r\n".to_owned(),
        }
    }
}

/// A mail server that refuses the first logins, then the first letters, and says the password back with each refusal.
pub(super) async fn mail_server() -> (u16, Arc<Unkind>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Arc::<Unkind>::default();
    let own = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&own);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let _ = stream.get_mut().write_all(b"220 mail.test\r\n").await;
                let (mut line, mut data) = (String::new(), false);
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let said = line.trim().to_owned();
                    line.clear();
                    if data && said != "." {
                        continue;
                    }
                    let answer = server.answer(&said, &mut data);
                    let _ = stream.get_mut().write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (port, server)
}
