//! Who is logged in: a bounded number of sessions, in memory, each known by the digest of its id.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::TryRngCore as _;

use crate::api::{KnownToken, LiveAccess, digest};

/// How long a session may last, and how long it may be without a request of its person.
pub(super) const LONGEST: Duration = Duration::from_hours(8);
const IDLE: Duration = Duration::from_mins(30);
/// The most sessions, and the most of one token: the one that has been idle for longest makes room.
const MOST: usize = 1024;
const MOST_OF_TOKEN: usize = 256;
/// How many forms of a session are remembered as sent.
const FORMS: usize = 64;

type Digest = [u8; 32];

/// The forms that a session has sent, and where each led. Held while one is carried out, so that a form that is sent twice
/// is carried out once.
pub(super) type SentForms = Arc<tokio::sync::Mutex<VecDeque<(String, String)>>>;

/// Remembers where a form has led.
pub(super) fn remember(sent: &mut VecDeque<(String, String)>, key: String, location: String) {
    if sent.len() >= FORMS {
        sent.pop_front();
    }
    sent.push_back((key, location));
}

#[derive(Debug)]
struct Session {
    /// The token's digest: its role is looked up at every request.
    token: Digest,
    began: Duration,
    seen: Duration,
    sent: SentForms,
}

impl Session {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.began) >= LONGEST || now.saturating_sub(self.seen) >= IDLE
    }
}

/// Everybody who is logged in.
#[derive(Debug)]
pub(super) struct Sessions {
    access: LiveAccess,
    rows: Mutex<HashMap<Digest, Session>>,
}

/// A request of somebody who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) token: KnownToken,
    pub(super) sent: SentForms,
}

impl Sessions {
    pub(super) fn new(access: LiveAccess) -> Self {
        Self { access, rows: Mutex::default() }
    }

    /// Begins a session for whoever shows this token, and gives its id: new each time, whatever the browser has sent.
    /// `None` for a token that is nobody's, or a machine without randomness.
    pub(super) fn begin(&self, token: &str, now: Duration) -> Option<String> {
        let token = digest(token.as_bytes());
        self.access.holder(&token)?;
        let mut id = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut id).ok()?;
        let id = hex::encode(id);
        let mut rows = self.lock();
        rows.retain(|_, session| !session.is_over(now));
        let own = |session: &Session| session.token == token;
        if rows.values().filter(|session| own(session)).count() >= MOST_OF_TOKEN {
            evict(&mut rows, own);
        }
        if rows.len() >= MOST {
            evict(&mut rows, |_| true);
        }
        let session = Session { token, began: now, seen: now, sent: SentForms::default() };
        rows.insert(digest(id.as_bytes()), session);
        Some(id)
    }

    /// Whose session has this id; ends it where its time is over or its token is nobody's any more. `acts` says that a
    /// person is there, not only a page that refreshes itself.
    pub(super) fn find(&self, id: &str, now: Duration, acts: bool) -> Option<Ticket> {
        let key = digest(id.as_bytes());
        let mut rows = self.lock();
        let session = rows.get_mut(&key)?;
        let holder = self.access.holder(&session.token).filter(|_| !session.is_over(now));
        let Some(token) = holder else {
            rows.remove(&key);
            return None;
        };
        if acts {
            session.seen = now;
        }
        Some(Ticket { token, sent: Arc::clone(&session.sent) })
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.lock().remove(&digest(id.as_bytes()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the one of these that has been idle for longest.
fn evict(rows: &mut HashMap<Digest, Session>, of: impl Fn(&Session) -> bool) {
    let oldest = rows.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.seen);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        rows.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NamedToken, Role};

    const START: Duration = Duration::from_secs(1000);

    fn token(name: &str, secret: &str) -> NamedToken {
        NamedToken { name: name.to_owned(), role: Role::Read, secret: secret.to_owned().into() }
    }

    fn sessions() -> Sessions {
        Sessions::new(LiveAccess::new(&[token("shop", "s3cret"), token("audit", "other")], &[]))
    }

    fn name(sessions: &Sessions, id: &str, now: Duration, acts: bool) -> Option<String> {
        sessions.find(id, now, acts).map(|ticket| ticket.token.name.to_string())
    }

    #[test]
    fn a_session_ends_after_its_time_and_a_page_that_refreshes_does_not_keep_it() {
        let sessions = sessions();
        assert_eq!(sessions.begin("nobody's", START), None);
        let id = sessions.begin("s3cret", START).unwrap();
        assert_eq!(id.len(), 64);
        let at = |minutes: u64| START + Duration::from_mins(minutes);
        assert_eq!(name(&sessions, &id, at(29), true).as_deref(), Some("shop"));
        assert_eq!(name(&sessions, &id, at(58), false).as_deref(), Some("shop"));
        assert_eq!(name(&sessions, &id, at(59), false), None, "nobody was there for half an hour");
        assert_eq!(name(&sessions, &id, at(30), true), None, "it is gone");
        let id = sessions.begin("s3cret", START).unwrap();
        for minutes in (0..480).step_by(20) {
            assert!(name(&sessions, &id, at(minutes), true).is_some());
        }
        assert_eq!(name(&sessions, &id, at(480), true), None, "eight hours are all there is");
        let id = sessions.begin("s3cret", START).unwrap();
        sessions.end(&id);
        assert_eq!(name(&sessions, &id, START, true), None);
        assert_eq!(name(&sessions, "", START, true), None);
    }

    #[test]
    fn a_session_dies_with_its_token_and_its_role_is_that_of_now() {
        let sessions = sessions();
        let (shop, audit) =
            (sessions.begin("s3cret", START).unwrap(), sessions.begin("other", START).unwrap());
        let operate = NamedToken { role: Role::Operate, ..token("shop", "s3cret") };
        sessions.access.replace(&[operate], &[]);
        assert_eq!(sessions.find(&shop, START, true).unwrap().token.role, Role::Operate);
        assert!(sessions.find(&audit, START, true).is_none());
        sessions.access.replace(&[token("shop", "s3cret"), token("audit", "other")], &[]);
        assert!(sessions.find(&audit, START, true).is_none(), "it does not come back");
        sessions.access.replace(&[token("shop", "changed")], &[]);
        assert!(sessions.find(&shop, START, true).is_none());
    }

    #[test]
    fn there_are_only_so_many_and_the_longest_idle_makes_room() {
        let sessions = sessions();
        let other = sessions.begin("other", START).unwrap();
        let ids: Vec<String> = (0..MOST_OF_TOKEN)
            .map(|n| sessions.begin("s3cret", START + Duration::from_secs(n as u64)).unwrap())
            .collect();
        let now = START + Duration::from_mins(20);
        assert!(sessions.find(&ids[0], now, true).is_some());
        sessions.begin("s3cret", now).unwrap();
        assert!(sessions.find(&ids[0], now, true).is_some(), "somebody was just there");
        assert!(sessions.find(&ids[1], now, true).is_none());
        assert!(sessions.find(&other, now, true).is_some(), "who has one loses none to who has many");
        assert!(sessions.lock().len() <= MOST);
    }
}
