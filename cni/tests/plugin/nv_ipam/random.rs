//! Numbers that nobody expects.

use std::time::{Duration, SystemTime};

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Random(u64);

impl Random {
    /// With a seed that a test that fails shows; `number` is whose.
    #[expect(clippy::print_stdout, reason = "so that it can be had again")]
    pub(super) fn seeded(number: u32) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = now.as_secs() << 20 ^ u64::from(now.subsec_micros()) ^ u64::from(number) << 56;
        println!("number {number} has the seed {seed}");
        Self(seed)
    }

    /// Any number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % u64::try_from(end).unwrap()).unwrap()
    }

    /// Any time below `end`.
    pub(super) fn within(&mut self, end: Duration) -> Duration {
        let micros = self.below(usize::try_from(end.as_micros()).unwrap().max(1));
        Duration::from_micros(micros.try_into().unwrap())
    }
}
