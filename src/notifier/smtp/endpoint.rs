//! Where a mail server is, and the way to it.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::notifier::settings::Security;

/// One of a name's addresses may be dead while another lives; none is waited for longer.
const EACH_ADDRESS: Duration = Duration::from_secs(10);

/// Where a server is and how it is reached.
#[derive(Debug)]
pub(in crate::notifier) struct Endpoint {
    pub(in crate::notifier) host: String,
    pub(in crate::notifier) port: u16,
    pub(in crate::notifier) security: Security,
}

impl Endpoint {
    /// The name or the address, without the brackets of an address.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// A connection to one of its addresses; else why not, in words.
    pub(super) async fn connect(&self) -> Result<TcpStream, String> {
        let (host, port) = (self.bare_host(), self.port);
        let unknown =
            |why: &str| format!("DNS: no address of {host} is known: {why}; is mail.smtp.host right?");
        let addresses =
            tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(&error.to_string()))?;
        let mut failed = unknown("the answer is empty");
        for address in addresses {
            let tried = tokio::time::timeout(EACH_ADDRESS, TcpStream::connect(address)).await;
            match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // Each command waits for its answer: none may wait for company on its way.
                    stream.set_nodelay(true).map_err(|error| format!("connection: {error}"))?;
                    return Ok(stream);
                }
                Err(error) => failed = format!("connection: {}", self.in_words(&error)),
            }
        }
        Err(failed)
    }

    fn in_words(&self, error: &io::Error) -> String {
        let place = format!("{}:{}", self.host, self.port);
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!(
                    "refused: nothing listens at {place}, or a firewall says no; are mail.smtp.host and port right?"
                )
            }
            io::ErrorKind::TimedOut => {
                format!("no answer from {place}: it is down, or a firewall drops what is sent to it")
            }
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                format!("no way to {place} from this machine: {error}")
            }
            _ => format!("{place}: {error}"),
        }
    }
}
