//! Answers that break off, never end, lead elsewhere or never come; and what the upstream says of waiting.

use std::time::Duration;

use super::super::{Error, Priority};
use super::answers::{SEED, create, kind, poll_order};
use super::server::{Reaction, Server, http, nobody};
use super::{upstream, upstream_with};

/// 200,000 blanks in an answer, compressed to 255 bytes.
const BOMB: &str = "\
    1f8b0800000000000203edc1b10d80200004c055ccd74ec038462a0b12828521ecce0cf67737d39e94d1df7ae66af797\
    920300000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000f82d6b03e3c83682550d0300";

#[tokio::test]
async fn where_nobody_listens_nothing_was_taken() {
    let upstream = upstream(&nobody().await);
    let error = create(&upstream, None).await.unwrap_err();
    assert_eq!(kind::<()>(&Err(error)), "not taken");
    let error = poll_order(&upstream).await.unwrap_err();
    assert!(error.words().starts_with("no connection: "), "{error}");
    assert_eq!(error.evidence().unwrap().http_status, None);
}

#[tokio::test]
async fn once_something_may_have_been_sent_nothing_can_be_known() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let cut_off = format!("{head}{}", &SEED[..120]).into_bytes();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{}", &SEED[..16]);
    let bad_gzip = http(200, "content-encoding: gzip\r\n", SEED);
    let cases = [
        (Reaction::CloseUnread, "the connection broke"),
        (Reaction::Send(Vec::new()), "the connection broke"),
        (Reaction::Send(b"HTTP/1.1 200".to_vec()), "the connection broke"),
        (Reaction::Send(b"220 mail.example.com ESMTP\r\n".to_vec()), "the connection broke"),
        (Reaction::Send(cut_off.clone()), "the connection broke"),
        (Reaction::Send(chunked.into_bytes()), "the connection broke"),
        (Reaction::Send(bad_gzip), "the connection broke"),
        (Reaction::SendAndHang(Vec::new()), "the answer took too long"),
        (Reaction::SendAndHang(cut_off), "the answer took too long"),
        (
            Reaction::SendEndlessly(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            "the answer is too large: over 65536 bytes",
        ),
        (Reaction::SendEndlessly(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), "the connection broke"),
    ];
    for (reaction, words) in cases {
        let server = Server::reacting(vec![reaction]).await;
        let upstream = upstream(&server.url);
        let error = create(&upstream, Some("C")).await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{words}: {error:?}");
        assert!(error.words().starts_with(words), "{words}: {error}");
        assert!(server.requests().len() <= 1, "a creation is never repeated by itself");
        assert_eq!(kind(&poll_order(&upstream).await), "unknown", "{words}");
    }
}

#[tokio::test]
async fn a_compressed_bomb_counts_as_large_as_it_grows() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n".to_vec();
    answer.extend(hex::decode(BOMB).unwrap());
    let server = Server::reacting(vec![Reaction::Send(answer)]).await;
    let error = poll_order(&upstream(&server.url)).await.unwrap_err();
    assert_eq!(error.words(), "the answer is too large: over 65536 bytes");
}

#[tokio::test]
async fn an_order_named_before_the_answer_broke_off_is_kept() {
    let body = r#"{"ok":true,"body":{"order_id": "af161c5a-936c", "to_addr"#;
    let cut_off = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{body}");
    let server = Server::reacting(vec![Reaction::Send(cut_off.into_bytes())]).await;
    let error = create(&upstream(&server.url), None).await.unwrap_err();
    assert_eq!(error.order_id(), Some("af161c5a-936c"));
    assert_eq!(error.evidence().unwrap().text(), body);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::answering(200, SEED).await;
    for status in [301, 302, 307, 308] {
        let headers = format!("location: {}/\r\n", elsewhere.url);
        let server = Server::reacting(vec![Reaction::Send(http(status, &headers, SEED))]).await;
        let upstream = upstream(&server.url);
        assert_eq!(kind(&create(&upstream, None).await), "unknown");
        assert_eq!(kind(&poll_order(&upstream).await), "unknown");
    }
    assert!(elsewhere.requests().is_empty(), "the key would have gone there");
}

#[tokio::test]
async fn a_wait_that_the_upstream_asks_for_holds_everybody_back() {
    let cases = [
        (429, "retry-after: 7\r\n", Some(7)),
        (503, "retry-after: 7\r\n", Some(7)),
        (429, "retry-after: Fri, 30 May 2025 12:01:30 GMT\r\n", Some(90)),
        (503, "retry-after: Fri, 30 May 2025 11:00:00 GMT\r\n", Some(0)),
        (429, "retry-after: Friday, 30-May-25 12:01:30 GMT\r\n", Some(90)),
        (429, "retry-after: Fri May 30 12:01:30 2025\r\n", Some(90)),
        (429, "retry-after: 999999999999999999999\r\n", Some(3600)),
        (429, "retry-after: Sat, 30 May 2026 12:00:00 GMT\r\n", Some(3600)),
        (429, "retry-after: soon\r\n", None),
        (503, "", None),
    ];
    for (status, headers, seconds) in cases {
        let server = Server::reacting(vec![Reaction::Send(http(status, headers, ""))]).await;
        let (upstream, clock) = upstream_with(super::settings(&server.url));
        let error = create(&upstream, None).await.unwrap_err();
        assert!(matches!(error, Error::NotTaken { .. }), "{error}");
        assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{headers}");

        // A 429 without a word still asks for a moment.
        let pause = match (status, seconds) {
            (429, None) => Duration::from_secs(1),
            _ => Duration::from_secs(seconds.unwrap_or(0)),
        };
        if pause.is_zero() {
            continue;
        }
        assert_eq!(upstream.health().paused_for, Some(pause));
        let mut next = Box::pin(upstream.admit(Priority::Create));
        clock.advance(pause.saturating_sub(Duration::from_millis(1)));
        assert!(futures_util::poll!(next.as_mut()).is_pending(), "{headers}");
        clock.advance(Duration::from_millis(1));
        drop(next.await);
        assert_eq!(upstream.health().paused_for, None);
    }
}
