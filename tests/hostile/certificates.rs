//! A server that cannot prove who it is: the key never reaches it. With the real binary, and openssl as the server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEY: &str = "marked-key-0123456789";

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").current_dir(folder).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of it for these names, valid so many days from the start of its validity.
fn certificate(folder: &Path, name: &str, subject: &str, days: &str) {
    std::fs::write(folder.join(format!("{name}.ext")), format!("subjectAltName={subject}\n")).unwrap();
    openssl(
        folder,
        &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial {} -days {days} -extfile {name}.ext -out {name}.pem",
            name.len()
        ),
    );
}

/// `openssl s_server`, and everything that was said to it once it has stopped.
struct Server {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Server {
    fn start(folder: &Path, name: &str) -> Self {
        let mut child = Command::new("openssl")
            .current_dir(folder)
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cert",
                &format!("{name}.pem"),
                "-key",
                &format!("{name}.key"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some(port) = line.trim().strip_prefix("ACCEPT 127.0.0.1:") {
                break port.parse().unwrap();
            }
        };
        Self { child, lines, port }
    }

    fn heard(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut text = Vec::new();
        self.lines.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Tries the upstream as an operator would, trusting `ca` besides nothing else; what was said and what was heard.
fn check(folder: &Path, server: &Server, host: &str, ca: &str) -> String {
    let config = format!(
        "[upstream]\nbase_url = \"https://{host}:{}\"\nuser_id = \"12345\"\napi_key = \"{KEY}\"\ntimeout = \"3s\"\n\
         [ledger]\npath = \"ledger.db\"\n[mail]\ntransport = \"file\"\nfrom = \"d@example.com\"\nto = [\"f@example.com\"]\n",
        server.port
    );
    std::fs::write(folder.join("daemon.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_depositd"))
        .current_dir(folder)
        .args(["check"])
        .env_clear()
        .env("SSL_CERT_FILE", folder.join(ca))
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!output.status.success(), "openssl answers nothing of use: {text}");
    assert!(!text.contains(KEY), "{text}");
    text
}

#[test]
fn a_server_that_cannot_prove_who_it_is_never_hears_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
    );
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other",
    );
    certificate(folder, "good", "IP:127.0.0.1,DNS:localhost", "2");
    certificate(folder, "wrong-name", "DNS:example.com", "2");
    certificate(folder, "expired", "IP:127.0.0.1", "-1");
    let own = "req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.pem -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1";
    openssl(folder, own);

    for (what, name, ca) in [
        ("self-signed", "own", "ca.pem"),
        ("of an authority that nobody trusts", "good", "other.pem"),
        ("for another name", "wrong-name", "ca.pem"),
        ("expired", "expired", "ca.pem"),
    ] {
        let server = Server::start(folder, name);
        let said = check(folder, &server, "127.0.0.1", ca);
        assert!(said.contains("certificate"), "{what}: {said}");
        let heard = server.heard();
        assert!(!heard.contains("GET ") && !heard.contains(KEY), "{what}: {heard}");
    }
    // The same with a good certificate goes through: the others were refused for what is wrong with them.
    let server = Server::start(folder, "good");
    let said = check(folder, &server, "127.0.0.1", "ca.pem");
    assert!(!said.contains("certificate"), "{said}");
    let heard = server.heard();
    assert!(heard.contains("GET /v3/customers/12345/") && heard.contains(KEY), "{heard}");
}
