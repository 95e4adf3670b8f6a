//! How chance is made repeatable: the same seed throws the same dice for ever, whatever library versions say.

use uuid::Uuid;

/// A splitmix64 generator. Plain enough to be the same in every build; nothing here is a secret.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Rng(u64);

impl Rng {
    pub(in crate::sandbox) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of one order's own dice.
    pub(in crate::sandbox) fn seed_of(seed: u64, number: u64) -> u64 {
        Self(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95)).next()
    }

    pub(in crate::sandbox) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from `low` to `high`, both included.
    pub(in crate::sandbox) fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next().checked_rem(width).unwrap_or(0))
    }

    pub(in crate::sandbox) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            for (byte, thrown) in chunk.iter_mut().zip(self.next().to_be_bytes()) {
                *byte = thrown;
            }
        }
        bytes
    }

    pub(in crate::sandbox) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    pub(in crate::sandbox) fn hex<const N: usize>(&mut self) -> String {
        hex::encode(self.bytes::<N>())
    }
}
