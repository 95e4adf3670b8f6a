//! Whose letters are under way: a queue for each recipient, so that a slow one holds up only itself.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::delivery_state::{AT_ONCE, DeliveryState};
use crate::domain::ids::DepositId;
use crate::ledger::{Delivery, OwedMail};

/// How many letters under way may be slow, or to recipients that were slow or failed before.
const SUSPECT_AT_ONCE: usize = 8;
/// How many letters at once a recipient gets that has just taken one.
const WIDE: usize = 4;
/// A letter that takes longer is slow.
const SLOW: Duration = Duration::from_secs(2);
/// How many letters wait in one queue at most; the others wait in the ledger.
const MOST_QUEUED: usize = 128;

/// One recipient's letters.
#[derive(Debug, Default)]
struct RecipientQueue {
    letters: VecDeque<OwedMail>,
    /// Under way: the letter, its deposit, since when, and whether it is slow.
    in_flight: Vec<(i64, Option<DepositId>, Duration, bool)>,
    /// It has just taken a letter.
    wide: bool,
    /// The ledger may hold more for it: there was no room for another.
    cut: bool,
}

impl RecipientQueue {
    fn width(&self) -> usize {
        if self.wide { WIDE } else { 1 }
    }

    /// The next letter that may go: letters of one deposit go one after another. `but` are not to go now.
    fn ready(&self, but: impl Fn(i64) -> bool) -> Option<usize> {
        if self.in_flight.len() >= self.width() {
            return None;
        }
        let busy = |mail: &OwedMail| {
            let own = mail.deposit.as_ref().map(|deposit| deposit.id);
            own.is_some() && self.in_flight.iter().any(|(_, other, ..)| *other == own)
        };
        self.letters.iter().position(|mail| !busy(mail) && !but(mail.id))
    }
}

/// All queues, served in turn.
#[derive(Debug, Default)]
pub(super) struct RecipientQueues {
    queues: HashMap<String, RecipientQueue>,
    /// Whose turn it is.
    turns: VecDeque<String>,
    /// What must not be read again: waiting here, under way, or not written down yet.
    numbers: HashSet<i64>,
}

impl RecipientQueues {
    /// Puts a letter into its queue, where there is room; else it stays in the ledger.
    pub(super) fn queue(&mut self, mail: OwedMail, memory: &DeliveryState) {
        let room = if memory.is_suspect(&mail.recipient) { 1 } else { MOST_QUEUED };
        if !self.queues.contains_key(&mail.recipient) {
            self.turns.push_back(mail.recipient.clone());
        }
        let own = self.queues.entry(mail.recipient.clone()).or_default();
        if own.letters.len() < room && self.numbers.insert(mail.id) {
            own.letters.push_back(mail);
        }
        own.cut = own.letters.len() >= room;
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
    pub(super) fn full(&self, memory: &DeliveryState) -> Vec<&str> {
        let full = |(whom, own): &(&String, &RecipientQueue)| {
            let slow = own.in_flight.iter().any(|(.., slow)| *slow);
            !own.letters.is_empty() || (!own.in_flight.is_empty() && (slow || memory.is_suspect(whom)))
        };
        self.queues.iter().filter(full).map(|(whom, _)| whom.as_str()).collect()
    }

    /// How many letters wait here.
    pub(super) fn waiting(&self) -> usize {
        self.queues.values().map(|own| own.letters.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.values().all(|own| own.letters.is_empty())
    }

    /// The reading did not come to the end of what is due: there may be more for everybody who has letters here.
    pub(super) fn cut_short(&mut self) {
        for own in self.queues.values_mut() {
            own.cut = true;
        }
    }

    /// True where a recipient's queue has nothing left and the ledger may hold more for it.
    pub(super) fn is_dry(&self, recipient: &str) -> bool {
        self.queues.get(recipient).is_some_and(|own| own.letters.is_empty() && own.cut)
    }

    /// Whether there is a place for another letter.
    pub(super) fn may_start(&self, memory: &DeliveryState) -> bool {
        let in_flight: usize = self.queues.values().map(|own| own.in_flight.len()).sum();
        let ordinary = in_flight.saturating_sub(self.suspects(memory));
        in_flight < AT_ONCE
            && (ordinary < AT_ONCE.saturating_sub(SUSPECT_AT_ONCE) || self.suspects(memory) == 0)
    }

    /// How many under way are slow, or to recipients that were.
    fn suspects(&self, memory: &DeliveryState) -> usize {
        let of = |(whom, own): (&String, &RecipientQueue)| {
            let all = memory.is_suspect(whom);
            own.in_flight.iter().filter(|(.., slow)| all || *slow).count()
        };
        self.queues.iter().filter(|(_, own)| !own.in_flight.is_empty()).map(of).sum()
    }

    /// The next letter, each recipient in turn; it is under way from now on. Letters `but` which others go wait.
    pub(super) fn next(
        &mut self,
        memory: &DeliveryState,
        now: Duration,
        but: impl Fn(i64) -> bool,
    ) -> Option<OwedMail> {
        let suspects = self.suspects(memory);
        for _ in 0..self.turns.len() {
            let whom = self.turns.pop_front()?;
            let barred = memory.is_suspect(&whom) && suspects >= SUSPECT_AT_ONCE;
            let Some(own) = self.queues.get_mut(&whom) else { continue };
            let mail = own.ready(&but).filter(|_| !barred).and_then(|at| own.letters.remove(at));
            if let Some(mail) = &mail {
                let deposit = mail.deposit.as_ref().map(|deposit| deposit.id);
                own.in_flight.push((mail.id, deposit, now, false));
            }
            self.turns.push_back(whom);
            if mail.is_some() {
                return mail;
            }
        }
        None
    }

    /// A letter has ended: its queue is as wide as its receiver is good. True where the ledger may hold more for it.
    pub(super) fn landed(&mut self, id: i64, recipient: &str, good: bool, memory: &DeliveryState) -> bool {
        let Some(own) = self.queues.get_mut(recipient) else { return false };
        let slow = own.in_flight.iter().any(|(in_flight, _, _, slow)| *in_flight == id && *slow);
        own.in_flight.retain(|(in_flight, ..)| *in_flight != id);
        own.wide = good && !slow;
        memory.suspect(recipient, slow || !good);
        let more = own.letters.is_empty() && own.cut;
        if own.letters.is_empty() && own.in_flight.is_empty() {
            self.queues.remove(recipient);
            self.turns.retain(|whom| whom != recipient);
        }
        more
    }

    /// Letters that have been under way for long are slow from now on, and their queues give up what waits in them:
    /// it is in the ledger still.
    pub(super) fn mark_slow(&mut self, now: Duration) {
        for own in self.queues.values_mut() {
            for (.., since, slow) in &mut own.in_flight {
                *slow |= now.saturating_sub(*since) >= SLOW;
            }
            if own.in_flight.iter().any(|(.., slow)| *slow) {
                for mail in own.letters.drain(..) {
                    self.numbers.remove(&mail.id);
                    own.cut = true;
                }
            }
        }
    }
}
