//! Decides whether unreadable answers are the trouble of one deposit or of the upstream. In memory, bounded.

use std::collections::HashMap;

use crate::domain::ids::DepositId;

/// From this many deposits in trouble on, it is the upstream's trouble.
const MOST: usize = 4096;

/// Deposits whose last answer could not be read, and whether other polls could be since.
#[derive(Debug, Default)]
pub(super) struct PollTroubles {
    /// How many polls were read so far when the trouble of each began.
    began: HashMap<DepositId, u64>,
    read: u64,
}

impl PollTroubles {
    /// The poll of this deposit could be read.
    pub(super) fn read(&mut self, deposit: DepositId) {
        self.began.remove(&deposit);
        self.read = self.read.saturating_add(1);
    }

    /// Its answer could not: true where another poll could be since its trouble began.
    pub(super) fn is_its_own(&mut self, deposit: DepositId) -> bool {
        let full = self.began.len() >= MOST;
        match self.began.get(&deposit) {
            Some(began) => self.read > *began,
            None => {
                if !full {
                    self.began.insert(deposit, self.read);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> DepositId {
        DepositId::new(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn trouble_is_a_deposits_own_once_another_could_be_read() {
        let mut troubles = PollTroubles::default();
        assert!(!troubles.is_its_own(id(1)) && !troubles.is_its_own(id(2)));
        assert!(!troubles.is_its_own(id(1)), "none could be read meanwhile: it is the upstream's");
        troubles.read(id(3));
        assert!(troubles.is_its_own(id(1)) && troubles.is_its_own(id(2)));
        troubles.read(id(1));
        assert!(!troubles.is_its_own(id(1)), "it begins anew");
        assert!(troubles.is_its_own(id(2)));
    }

    #[test]
    fn so_many_at_once_are_the_upstreams() {
        let mut troubles = PollTroubles::default();
        for number in 0..5000 {
            assert!(!troubles.is_its_own(id(number)));
        }
        troubles.read(id(9999));
        assert!(troubles.is_its_own(id(0)) && !troubles.is_its_own(id(4999)));
    }
}
