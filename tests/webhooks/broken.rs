//! Receivers that answer with garbage, gigabytes, redirects or nothing: told in words, bounded, and none believed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use depositd::notifier::{WebhookEndpoint, WebhookSettings, parse_webhook_url};

use super::delivery::{deliver, endpoint, telling};
use super::receiver::{Answer, Receiver, SECRET};

#[tokio::test]
async fn what_a_broken_receiver_does_is_told_in_words_and_takes_no_more_than_its_time() {
    let garbage: &[u8] = b"\x00\xff\xfe nonsense\r\n\r\n";
    for (answer, words) in [
        (Answer::Never, "the answer took too long"),
        (Answer::Raw(garbage), "no answer that can be read"),
        (Answer::Raw(b""), "no answer that can be read"),
        (Answer::Raw(b"HTTP/1.1 200"), "no answer that can be read"),
        (Answer::Endless(500), "500 Internal Server Error: xxxxxxxx"),
        (Answer::With(302, "Location: https://elsewhere.example.com/"), "redirects are not followed"),
        (Answer::With(401, "X: y"), "401 Unauthorized: what"),
        (
            Answer::Raw(b"HTTP/1.1 400 \xff\xfe\r\nContent-Length: 12\r\n\r\n<b>\x1b[31mno\xe2\x80\xae"),
            "400 Bad Request: <b> [31mno",
        ),
    ] {
        let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
        let scripted = answer.clone();
        shop.answer(move |_| scripted.clone());
        house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
        house.wallet("25").await;
        let done = deliver(&house).await;
        assert_eq!(done.sent, 0, "{answer:?}");
        let told = house.sql("SELECT last_error FROM webhook_delivery WHERE last_error IS NOT NULL LIMIT 1");
        assert!(told.contains(words) && told.len() < 300, "{answer:?}: {told}");
        assert!(
            !told.contains('\u{1b}') && !told.contains("s3cret") && !told.contains("hooks/deposits"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn nobody_there_and_no_tls_there_are_told_apart() {
    let shop = Receiver::start().await;
    let plain = shop.url().replace("http://", "https://");
    for (url, words) in
        [("http://127.0.0.1:9/x", "no connection: Connection refused"), (plain.as_str(), "no connection: ")]
    {
        let house = telling(&["shop"]).await;
        house.flow.webhooks.replace(vec![endpoint("shop", url, &[SECRET])]);
        house.wallet("25").await;
        deliver(&house).await;
        let told = house.sql("SELECT last_error FROM webhook_delivery WHERE last_error IS NOT NULL LIMIT 1");
        assert!(told.contains(words), "{url}: {told}");
    }
}

#[tokio::test]
async fn a_receiver_that_takes_it_and_then_talks_without_end_has_taken_it() {
    let (house, shop) = (telling(&["shop"]).await, Receiver::start().await);
    shop.answer(|_| Answer::Endless(200));
    house.flow.webhooks.replace(vec![endpoint("shop", &shop.url(), &[SECRET])]);
    house.wallet("25").await;
    assert!(deliver(&house).await.sent >= 2);
    assert_eq!(house.sql("SELECT DISTINCT state FROM webhook_delivery"), "sent");
}

#[tokio::test]
async fn the_proof_finds_what_was_changed_by_hand() {
    for (change, finding) in [
        (
            "UPDATE webhook_delivery SET deposit_id = NULL WHERE id = 2",
            "it is about another deposit than its event",
        ),
        ("UPDATE webhook_delivery SET state = 'sent' WHERE id = 1", "it is sent but sent_at is None"),
        (
            "UPDATE webhook_delivery SET created_at = 'x' WHERE id = 1",
            "created_at is not the time of its event",
        ),
        ("UPDATE webhook_delivery SET webhook = 'other' WHERE id = 1", "a webhook that no event owes"),
    ] {
        let house = telling(&["shop"]).await;
        house.wallet("25").await;
        let write = |sql: &str| {
            let output =
                std::process::Command::new("sqlite3").arg(house.ledger_path()).arg(sql).output().unwrap();
            String::from_utf8(output.stderr).unwrap()
        };
        assert!(write("DELETE FROM webhook_delivery").contains("owed webhooks are kept"));
        assert_eq!(write(change), "");
        let proof = house.flow.ledger.verify(|_, _| {}).await.unwrap();
        assert!(proof.findings.iter().any(|found| found.what == finding), "{change}: {:?}", proof.findings);
    }
}

const HTTPS: &str = r#"
import http.server, ssl
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.crt", "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A receiver with a certificate for `localhost` by an authority of its own; gives its port.
fn https(folder: &Path) -> (Child, u16) {
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    for args in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -days 2 -out server.crt",
    ] {
        let made = Command::new("openssl").current_dir(folder).args(args.split(' ')).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let mut command = Command::new("python3");
    command.current_dir(folder).args(["-c", HTTPS]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (child, port.trim().parse().unwrap())
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_elsewhere_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, port) = https(folder.path());
    let ca = folder.path().join("ca.crt");
    for (host, ca_file, words) in [
        ("localhost", Some(&ca), None),
        ("localhost", None, Some("of an authority that is not trusted here")),
        (
            "127.0.0.1",
            Some(&ca),
            Some("certificate bears localhost, and not 127.0.0.1; set the webhook's url"),
        ),
    ] {
        let house = telling(&["shop"]).await;
        let plain = endpoint("shop", "https://localhost/", &[SECRET]);
        let url = parse_webhook_url(&format!("https://{host}:{port}/")).unwrap();
        let settings = WebhookSettings { url, ca_file: ca_file.cloned(), ..plain.settings().clone() };
        house.flow.webhooks.replace(vec![WebhookEndpoint::new(settings).unwrap()]);
        house.wallet("25").await;
        let sent = deliver(&house).await.sent;
        let told = house.sql("SELECT last_error FROM webhook_delivery WHERE last_error IS NOT NULL LIMIT 1");
        match words {
            None => assert_eq!((sent, told.as_str()), (2, "")),
            Some(words) => assert!(sent == 0 && told.contains(words), "{host}: {told}"),
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
