//! One conversation with a mail server (RFC 5321): its greeting, TLS, the login, and a command at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::capabilities::Capabilities;
use super::endpoint::Endpoint;
use super::hello::address_literal;
use super::refusals::SmtpStep;
use super::reply::{NoReply, Reply};
use super::tls::Tls;
use crate::notifier::settings::Security;

/// What bytes go over.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What was asked, and how it went wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) step: SmtpStep,
    pub(super) cause: Cause,
}

/// How something went wrong.
#[derive(Debug)]
pub(super) enum Cause {
    /// The server said no, or something that makes no sense there.
    Refused(Reply),
    /// It said nothing that is SMTP.
    NoReply(NoReply),
    /// In words, where there is nothing to quote.
    Said(String),
}

impl Trouble {
    fn said(step: SmtpStep, words: impl Into<String>) -> Self {
        Self { step, cause: Cause::Said(words.into()) }
    }

    /// The three digits, where there are any.
    pub(super) fn code(&self) -> Option<u16> {
        match &self.cause {
            Cause::Refused(reply) => Some(reply.code),
            _ => None,
        }
    }
}

/// Who we are to a server.
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: SecretString,
}

/// A connection on which the server has greeted us, and knows us where it wants to.
pub(super) struct SmtpConnection {
    wire: BufReader<Box<dyn Wire>>,
    pub(super) capabilities: Capabilities,
    pub(super) encrypted: bool,
}

impl SmtpConnection {
    /// Connects, greets as `hello` (or by our address), begins TLS as the endpoint wants it, and logs in.
    pub(super) async fn open(
        endpoint: &Endpoint,
        tls: Option<&Tls>,
        hello: Option<&str>,
        login: Option<&Login>,
    ) -> Result<Self, Trouble> {
        let at_door = |words| Trouble::said(SmtpStep::Greeting, words);
        let stream = endpoint.connect().await.map_err(at_door)?;
        let hello = match hello {
            Some(name) => name.to_owned(),
            None => own_address(&stream),
        };
        let first = tls.filter(|_| endpoint.security == Security::Tls);
        let mut connection = match first {
            Some(tls) => Self::over(Box::new(tls.begin(stream).await.map_err(at_door)?), true),
            None => Self::over(Box::new(stream), false),
        };
        connection.asked(SmtpStep::Greeting, Reply::is_done).await?;
        connection.hello(&hello).await?;
        if let Some(tls) = tls.filter(|_| endpoint.security == Security::StartTls) {
            connection = connection.start_tls(tls).await?;
            connection.hello(&hello).await?;
        }
        if let Some(login) = login {
            connection.login(login).await?;
        }
        Ok(connection)
    }

    fn over(wire: Box<dyn Wire>, encrypted: bool) -> Self {
        Self { wire: BufReader::new(wire), capabilities: Capabilities::default(), encrypted }
    }

    /// Says a command and reads the answer, which must be as wanted.
    pub(super) async fn command(
        &mut self,
        step: SmtpStep,
        command: &str,
        wanted: fn(&Reply) -> bool,
    ) -> Result<Reply, Trouble> {
        self.write(step, format!("{command}\r\n").as_bytes()).await?;
        self.asked(step, wanted).await
    }

    /// Writes a whole message with its end, at once, and reads the answer.
    pub(super) async fn message(&mut self, bytes: &[u8]) -> Result<Reply, Trouble> {
        self.write(SmtpStep::Message, bytes).await?;
        self.asked(SmtpStep::Message, Reply::is_done).await
    }

    async fn write(&mut self, step: SmtpStep, bytes: &[u8]) -> Result<(), Trouble> {
        let broken = |error: std::io::Error| Trouble { step, cause: Cause::NoReply(error.into()) };
        let wire = self.wire.get_mut();
        wire.write_all(bytes).await.map_err(broken)?;
        wire.flush().await.map_err(broken)
    }

    async fn asked(&mut self, step: SmtpStep, wanted: fn(&Reply) -> bool) -> Result<Reply, Trouble> {
        match Reply::read(&mut self.wire).await {
            Ok(reply) if wanted(&reply) => Ok(reply),
            Ok(reply) => Err(Trouble { step, cause: Cause::Refused(reply) }),
            Err(none) => Err(Trouble { step, cause: Cause::NoReply(none) }),
        }
    }

    async fn hello(&mut self, name: &str) -> Result<(), Trouble> {
        let reply = self.command(SmtpStep::Hello, &format!("EHLO {name}"), Reply::is_done).await?;
        self.capabilities = Capabilities::read(&reply);
        Ok(())
    }

    async fn start_tls(mut self, tls: &Tls) -> Result<Self, Trouble> {
        if !self.capabilities.starttls {
            let words = "the server does not offer STARTTLS; nothing is sent without it. Is it a port for security = \"tls\" (465)?";
            return Err(Trouble::said(SmtpStep::StartTls, words));
        }
        self.command(SmtpStep::StartTls, "STARTTLS", Reply::is_done).await?;
        // What was said before TLS began must not be taken for said in it.
        if !self.wire.buffer().is_empty() {
            return Err(Trouble::said(
                SmtpStep::StartTls,
                "the server said more before TLS began than it should",
            ));
        }
        let begun = tls.begin(self.wire.into_inner()).await;
        Ok(Self::over(Box::new(begun.map_err(|words| Trouble::said(SmtpStep::StartTls, words))?), true))
    }

    /// By PLAIN where it is offered, else by LOGIN (RFC 4954, RFC 4616).
    async fn login(&mut self, login: &Login) -> Result<(), Trouble> {
        let (name, password) = (login.name.as_str(), login.password.expose_secret());
        let step = SmtpStep::Login;
        let either = |reply: &Reply| reply.is_done() || reply.wants_more();
        let answers = if self.capabilities.offers_login("PLAIN") {
            let packed = STANDARD.encode(format!("\0{name}\0{password}"));
            // Some servers ask for it although it was said with the command.
            vec![format!("AUTH PLAIN {packed}"), packed]
        } else if self.capabilities.offers_login("LOGIN") {
            vec!["AUTH LOGIN".to_owned(), STANDARD.encode(name), STANDARD.encode(password)]
        } else if self.capabilities.logins.is_empty() {
            let words = "the server offers no login (no AUTH); leave mail.smtp.username away, or use the port for submission (587)";
            return Err(Trouble::said(step, words));
        } else {
            let offered = self.capabilities.logins.join(" ");
            let words = format!("the server offers AUTH {offered} only; depositd needs PLAIN or LOGIN");
            return Err(Trouble::said(step, words));
        };
        for answer in answers {
            if self.command(step, &answer, either).await?.is_done() {
                return Ok(());
            }
        }
        Err(Trouble::said(step, "the server asks for more than a user name and a password"))
    }
}

/// Our address on this connection, for a machine that has no full name.
fn own_address(stream: &TcpStream) -> String {
    stream.local_addr().map_or_else(|_| "[127.0.0.1]".to_owned(), |address| address_literal(address.ip()))
}
