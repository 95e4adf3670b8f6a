//! Whose fault a refusal for good is, where the server's digits do not tell: what becomes of the next letter decides.
//!
//! A letter that may not be at fault stays owed until the server has taken another one since. And where everything is
//! refused in a row, whatever the digits say, it can hardly be the letters.

use std::collections::HashSet;

use crate::notifier::Culprit;

/// So many recipients, or letters, that are refused in a row are everybody.
const ALL: usize = 3;
/// How much is remembered of each kind at most.
const MOST: usize = 4096;

/// What is to be done with a letter that was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalVerdict {
    /// It is at fault.
    Dead,
    /// Perhaps it is not: it stays owed.
    Doubted,
}

/// A letter in the row.
#[derive(Debug)]
struct Refused {
    id: i64,
    recipient: String,
    /// It counts beside others to the same recipient.
    by_itself: bool,
}

/// What is remembered of refusals, in memory only: a restart begins anew, and what is owed is on disk.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Those since the last letter that was taken.
    row: Vec<Refused>,
    /// Letters that were refused, and may not be at fault.
    doubted: HashSet<i64>,
    /// Doubted before, and another letter was taken since: the next refusal is their own.
    judged: HashSet<i64>,
    /// Recipients whose letters the server has taken.
    reached: HashSet<String>,
}

impl Refusals {
    /// A letter was refused for good.
    pub(super) fn refused(&mut self, id: i64, recipient: &str, culprit: Culprit) -> RefusalVerdict {
        if culprit == Culprit::Message || self.judged.remove(&id) {
            return RefusalVerdict::Dead;
        }
        let doubted = culprit == Culprit::Unclear;
        // Whoever never had a letter, while others have, is a case of its own.
        let known = self.reached.is_empty() || self.reached.contains(recipient);
        let by_itself = known && culprit != Culprit::Recipient;
        if self.row.len() < MOST && !self.row.iter().any(|refused| refused.id == id) {
            self.row.push(Refused { id, recipient: recipient.to_owned(), by_itself });
        }
        if doubted && self.doubted.len() < MOST {
            self.doubted.insert(id);
            return RefusalVerdict::Doubted;
        }
        RefusalVerdict::Dead
    }

    /// A letter was taken: what was refused before it was refused for a reason of its own.
    pub(super) fn taken(&mut self, id: i64, recipient: &str) {
        self.row.clear();
        let left = MOST.saturating_sub(self.judged.len());
        self.judged.extend(self.doubted.drain().take(left));
        self.judged.remove(&id);
        if self.reached.len() < MOST && !self.reached.contains(recipient) {
            self.reached.insert(recipient.to_owned());
        }
    }

    /// Whether this letter may not be at fault for its last refusal.
    pub(super) fn is_doubted(&self, id: i64) -> bool {
        self.doubted.contains(&id)
    }

    /// Whether the last refusals may well be about us, and nothing was taken since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.row.iter().any(|refused| refused.by_itself && self.doubted.contains(&refused.id))
    }

    /// How many were refused in a row, where that is everybody; all of them are doubted from now on.
    pub(super) fn everybody(&mut self) -> Option<Vec<i64>> {
        let recipients: HashSet<&str> = self.row.iter().map(|refused| refused.recipient.as_str()).collect();
        let letters = self.row.iter().filter(|refused| refused.by_itself).count();
        if recipients.len() < ALL && letters < ALL {
            return None;
        }
        let all: Vec<i64> = self.row.iter().map(|refused| refused.id).collect();
        self.doubted.extend(&all);
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_its_own_fault_is_dead_and_another_waits_for_the_next_one() {
        let mut refusals = Refusals::default();
        for (id, culprit) in [(1, Culprit::Recipient), (2, Culprit::PerhapsRecipient), (3, Culprit::Message)]
        {
            assert_eq!(refusals.refused(id, "a", culprit), RefusalVerdict::Dead);
        }
        assert!(!refusals.is_in_doubt() && refusals.everybody().is_none());
        assert_eq!(refusals.refused(4, "a", Culprit::Unclear), RefusalVerdict::Doubted);
        assert!(refusals.is_in_doubt() && refusals.is_doubted(4));
        // The next one is taken, so it was the letter.
        refusals.taken(5, "b");
        assert!(!refusals.is_in_doubt() && !refusals.is_doubted(4));
        assert_eq!(refusals.refused(4, "a", Culprit::Unclear), RefusalVerdict::Dead);
        // Once it has gone after all, nothing is left of that.
        refusals.taken(4, "a");
        assert_eq!(refusals.refused(4, "a", Culprit::Unclear), RefusalVerdict::Doubted);
    }

    #[test]
    fn whoever_was_reached_before_is_not_gone_by_three_refusals() {
        for (culprit, everybody) in
            [(Culprit::PerhapsRecipient, Some(vec![2, 3, 4])), (Culprit::Recipient, None)]
        {
            let mut refusals = Refusals::default();
            refusals.taken(1, "a");
            for id in 2..=4 {
                assert_eq!(refusals.everybody(), None);
                assert_eq!(refusals.refused(id, "a", culprit), RefusalVerdict::Dead);
            }
            // A mailbox that the digits say is gone is gone.
            assert_eq!(refusals.everybody(), everybody);
        }
    }

    #[test]
    fn all_in_a_row_are_nobodys_fault() {
        // Three recipients, one after another, whatever the digits say.
        let mut refusals = Refusals::default();
        for (id, whom) in [(1, "a"), (2, "b"), (3, "b")] {
            assert_eq!(refusals.refused(id, whom, Culprit::Recipient), RefusalVerdict::Dead);
            assert_eq!(refusals.everybody(), None);
        }
        refusals.refused(4, "c", Culprit::Recipient);
        assert_eq!(refusals.everybody(), Some(vec![1, 2, 3, 4]));
        // One of them is taken: the others are tried once more, and are then what the server says.
        refusals.taken(2, "b");
        assert_eq!(refusals.refused(1, "a", Culprit::Recipient), RefusalVerdict::Dead);
        assert_eq!(refusals.everybody(), None);
        // One recipient alone, who never had a letter, from a server that has never taken one.
        let mut refusals = Refusals::default();
        for id in 1..=3 {
            assert_eq!(refusals.everybody(), None);
            refusals.refused(id, "a", Culprit::PerhapsRecipient);
        }
        assert_eq!(refusals.everybody(), Some(vec![1, 2, 3]));
        // And one whom the server does not know while it takes other letters.
        let mut refusals = Refusals::default();
        refusals.taken(1, "b");
        for id in 2..100 {
            refusals.refused(id, "a", Culprit::PerhapsRecipient);
        }
        assert_eq!(refusals.everybody(), None);
        // Its letters wait where the digits are unclear, and hold up nobody.
        for id in 200..210 {
            assert_eq!(refusals.refused(id, "a", Culprit::Unclear), RefusalVerdict::Doubted);
        }
        assert!(refusals.everybody().is_none() && !refusals.is_in_doubt());
    }
}
