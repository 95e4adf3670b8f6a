//! Certificates of a mail server: which are trusted, and in which words the others are not. openssl is the server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use depositd::notifier::{MailBackend, Mailer, MailerSettings, Security, SendError, SettingsError};

use crate::scripted::Scripted;

/// What it says of SMTP, all at once: the greeting, and the answers to EHLO, NOOP and QUIT.
const SAYS: &str = "220 tls.test ESMTP\r\n250 tls.test\r\n250 ok\r\n221 bye\r\n";

struct Server {
    child: Child,
    _said: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start(folder: &Path, name: &str) -> Self {
        let mut child = Command::new("openssl")
            .current_dir(folder)
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", &format!("{name}.pem"), "-key", "key.pem"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some(port) = line.trim().strip_prefix("ACCEPT 127.0.0.1:") {
                break port.parse().unwrap();
            }
        };
        child.stdin.as_mut().unwrap().write_all(SAYS.as_bytes()).unwrap();
        Self { child, _said: said, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(port: u16, security: Security, ca_file: &Path) -> MailerSettings {
    MailerSettings {
        transport: MailBackend::Smtp {
            host: "localhost".to_owned(),
            port,
            security,
            username: None,
            ca_file: Some(ca_file.to_owned()),
            hello: None,
        },
        from: "Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(10),
    }
}

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").current_dir(folder).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One key for all; an authority, its certificates, and some that have signed themselves.
fn certificates(folder: &Path) {
    openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key");
    openssl(folder, "req -x509 -new -key ca.key -out ca.pem -days 2 -subj /CN=authority");
    openssl(folder, "req -new -key key.pem -out all.csr -subj /CN=localhost");
    for (name, days, extensions) in [
        ("good", "2", "subjectAltName=DNS:localhost"),
        ("named", "2", "subjectAltName=DNS:mail.example.net,DNS:mx.example.net"),
        ("expired", "-1", "subjectAltName=DNS:localhost"),
        ("client", "2", "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth"),
    ] {
        std::fs::write(folder.join("ext"), format!("{extensions}\n")).unwrap();
        openssl(
            folder,
            &format!(
                "x509 -req -in all.csr -CA ca.pem -CAkey ca.key -set_serial {} -days {days} -extfile ext -out {name}.pem",
                name.len()
            ),
        );
    }
    let own = "req -x509 -new -key key.pem -days 2 -subj /CN=localhost";
    openssl(folder, &format!("{own} -addext subjectAltName=DNS:localhost -out own.pem"));
    openssl(folder, &format!("{own} -addext subjectAltName=DNS:mail.example.net -out own-named.pem"));
    openssl(folder, &format!("{own} -out own-nameless.pem"));
    openssl(folder, "x509 -req -in all.csr -signkey key.pem -days 2 -out version1.pem");
}

#[tokio::test]
async fn a_certificate_that_was_named_is_trusted_and_another_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificates(folder);
    for (certificate, ca_file, words) in [
        ("good", "ca", None),
        // A server's own certificate, with CA:TRUE as openssl makes it, named by itself.
        ("own", "own", None),
        ("own-nameless", "own-nameless", None),
        ("own", "ca", Some("put that very certificate into a file and name it in mail.smtp.ca_file")),
        ("own-named", "own-named", Some("bears mail.example.net, and not localhost")),
        (
            "named",
            "ca",
            Some("bears mail.example.net, mx.example.net, and not localhost; set mail.smtp.host"),
        ),
        ("good", "own", Some("authority that is not trusted here; put that authority's certificate")),
        ("expired", "ca", Some("certificate has expired")),
        ("expired", "expired", Some("certificate has expired")),
        ("client", "ca", Some("is not meant for servers")),
        ("version1", "version1", Some("X.509 version 1")),
    ] {
        let server = Server::start(folder, certificate);
        let settings = settings(server.port, Security::Tls, &folder.join(format!("{ca_file}.pem")));
        let found = Mailer::new(settings, None).unwrap().check().await;
        match (words, found) {
            (None, found) => {
                let expected = format!("localhost:{} answers with TLS, no login", server.port);
                assert_eq!(found, Ok(expected), "{certificate}");
            }
            (Some(words), Err(SendError::Unreachable { why, .. })) => {
                assert!(why.starts_with("TLS: ") && why.contains(words), "{certificate}: {why}");
            }
            (Some(_), other) => panic!("{certificate} in {ca_file}: {other:?}"),
        }
    }
    // Names and the key are no certificates.
    for (file, text) in
        [("empty", ""), ("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
    {
        let path = folder.join(file);
        std::fs::write(&path, text).unwrap();
        let refused = Mailer::new(settings(1, Security::Tls, &path), None);
        assert!(matches!(refused, Err(SettingsError::NoCertificate(_))), "{file}: {refused:?}");
    }
    // A port for another way to begin.
    let plain = Scripted::start().await;
    for (security, words) in
        [(Security::Tls, "does not speak TLS there"), (Security::StartTls, "does not offer STARTTLS")]
    {
        let error =
            Mailer::new(settings(plain.port, security, &folder.join("ca.pem")), None).unwrap().check().await;
        let why = error.unwrap_err().why().to_owned();
        assert!(why.contains(words), "{why}");
    }
}
