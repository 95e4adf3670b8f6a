//! Whose letters are under way: a lane for each recipient, so that a slow one holds up only itself.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::delivery_state::{AT_ONCE, DeliveryState};
use crate::domain::ids::DepositId;
use crate::ledger::{Delivery, OwedMail};

/// How many of them may be slow, or to recipients that were slow or failed before.
const SUSPECT_AT_ONCE: usize = 8;
/// How many letters at once a recipient gets that has just taken one.
const WIDE: usize = 4;
/// A letter that takes longer is slow.
const SLOW: Duration = Duration::from_secs(2);
/// How many letters wait in one lane at most; the others wait in the ledger.
const LANE: usize = 128;

/// One recipient's letters.
#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<OwedMail>,
    /// Under way: the letter, its deposit, since when, and whether it is slow.
    flying: Vec<(i64, Option<DepositId>, Duration, bool)>,
    /// It has just taken a letter.
    wide: bool,
    /// The ledger may hold more for it: there was no room for another.
    cut: bool,
}

impl Lane {
    fn width(&self) -> usize {
        if self.wide { WIDE } else { 1 }
    }

    /// The next letter that may go: letters of one deposit go one after another.
    fn ready(&self) -> Option<usize> {
        if self.flying.len() >= self.width() {
            return None;
        }
        let busy = |mail: &OwedMail| {
            let own = mail.deposit.as_ref().map(|deposit| deposit.id);
            own.is_some() && self.flying.iter().any(|(_, other, ..)| *other == own)
        };
        self.queue.iter().position(|mail| !busy(mail))
    }
}

/// All lanes, served in turn.
#[derive(Debug, Default)]
pub(super) struct RecipientQueues {
    lanes: HashMap<String, Lane>,
    /// Whose turn it is.
    turns: VecDeque<String>,
    /// What must not be read again: waiting here, under way, or not written down yet.
    numbers: HashSet<i64>,
}

impl RecipientQueues {
    /// Puts a letter into its lane, where there is room; else it stays in the ledger.
    pub(super) fn queue(&mut self, mail: OwedMail, post: &DeliveryState) {
        let room = if post.is_suspect(&mail.recipient) { 1 } else { LANE };
        if !self.lanes.contains_key(&mail.recipient) {
            self.turns.push_back(mail.recipient.clone());
        }
        let lane = self.lanes.entry(mail.recipient.clone()).or_default();
        if lane.queue.len() < room && self.numbers.insert(mail.id) {
            lane.queue.push_back(mail);
        }
        lane.cut = lane.queue.len() >= room;
    }

    /// A letter that has ended without being under way.
    pub(super) fn settle(&mut self, id: i64) {
        self.numbers.insert(id);
    }

    /// These are written down.
    pub(super) fn forget(&mut self, outcomes: &[(i64, Delivery)]) {
        for (id, _) in outcomes {
            self.numbers.remove(id);
        }
    }

    /// What must not be read again.
    pub(super) fn numbers(&self) -> Vec<i64> {
        self.numbers.iter().copied().collect()
    }

    /// Whose letters need not be read now: enough of them wait here, or a slow one is under way.
    pub(super) fn full(&self, post: &DeliveryState) -> Vec<&str> {
        let full = |(whom, lane): &(&String, &Lane)| {
            let slow = lane.flying.iter().any(|(.., slow)| *slow);
            !lane.queue.is_empty() || (!lane.flying.is_empty() && (slow || post.is_suspect(whom)))
        };
        self.lanes.iter().filter(full).map(|(whom, _)| whom.as_str()).collect()
    }

    /// How many letters wait here.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.queue.is_empty())
    }

    /// The reading did not come to the end of what is due: there may be more for everybody who has letters here.
    pub(super) fn cut_short(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.cut = true;
        }
    }

    /// True where a recipient's lane has nothing left and the ledger may hold more for it.
    pub(super) fn is_dry(&self, recipient: &str) -> bool {
        self.lanes.get(recipient).is_some_and(|lane| lane.queue.is_empty() && lane.cut)
    }

    /// Whether there is a place for another letter.
    pub(super) fn may_start(&self, post: &DeliveryState) -> bool {
        let flying: usize = self.lanes.values().map(|lane| lane.flying.len()).sum();
        let ordinary = flying.saturating_sub(self.suspects(post));
        flying < AT_ONCE && (ordinary < AT_ONCE.saturating_sub(SUSPECT_AT_ONCE) || self.suspects(post) == 0)
    }

    /// How many under way are slow, or to recipients that were.
    fn suspects(&self, post: &DeliveryState) -> usize {
        let of = |(whom, lane): (&String, &Lane)| {
            let all = post.is_suspect(whom);
            lane.flying.iter().filter(|(.., slow)| all || *slow).count()
        };
        self.lanes.iter().filter(|(_, lane)| !lane.flying.is_empty()).map(of).sum()
    }

    /// The next letter, each recipient in turn; it is under way from now on.
    pub(super) fn next(&mut self, post: &DeliveryState, now: Duration) -> Option<OwedMail> {
        let suspects = self.suspects(post);
        for _ in 0..self.turns.len() {
            let whom = self.turns.pop_front()?;
            let barred = post.is_suspect(&whom) && suspects >= SUSPECT_AT_ONCE;
            let Some(lane) = self.lanes.get_mut(&whom) else { continue };
            let mail = lane.ready().filter(|_| !barred).and_then(|at| lane.queue.remove(at));
            if let Some(mail) = &mail {
                let deposit = mail.deposit.as_ref().map(|deposit| deposit.id);
                lane.flying.push((mail.id, deposit, now, false));
            }
            self.turns.push_back(whom);
            if mail.is_some() {
                return mail;
            }
        }
        None
    }

    /// A letter has ended: its lane is as wide as its receiver is good. True where the ledger may hold more for it.
    pub(super) fn landed(&mut self, id: i64, recipient: &str, good: bool, post: &DeliveryState) -> bool {
        let Some(lane) = self.lanes.get_mut(recipient) else { return false };
        let slow = lane.flying.iter().any(|(flying, _, _, slow)| *flying == id && *slow);
        lane.flying.retain(|(flying, ..)| *flying != id);
        lane.wide = good && !slow;
        post.suspect(recipient, slow || !good);
        let more = lane.queue.is_empty() && lane.cut;
        if lane.queue.is_empty() && lane.flying.is_empty() {
            self.lanes.remove(recipient);
            self.turns.retain(|whom| whom != recipient);
        }
        more
    }

    /// Letters that have been under way for long are slow from now on, and their lanes give up what waits in them:
    /// it is in the ledger still.
    pub(super) fn mark_slow(&mut self, now: Duration) {
        for lane in self.lanes.values_mut() {
            for (.., since, slow) in &mut lane.flying {
                *slow |= now.saturating_sub(*since) >= SLOW;
            }
            if lane.flying.iter().any(|(.., slow)| *slow) {
                for mail in lane.queue.drain(..) {
                    self.numbers.remove(&mail.id);
                    lane.cut = true;
                }
            }
        }
    }
}
