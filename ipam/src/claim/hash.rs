//! The hash by which a node chooses where to look first.

use conf::NodeName;
use conf::block::PoolRef;
use siphasher::sip::SipHasher24;

/// What a hash is for; each use has a key of its own, so that they tell nothing of one another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// Where the order starts.
    Start = 0,
    /// How far apart it looks.
    Step = 1,
    /// Which of the free blocks to take once all are listed.
    Choice = 2,
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of the pool's kind and name, a zero byte and the
/// node's name: `ippool/blue\0node-1`. The key is the number of the use as 16 bytes, least
/// significant first.
pub(super) fn hash(what_for: Use, pool: &PoolRef, node: &NodeName) -> u64 {
    let message = format!("{pool}\0{node}");
    SipHasher24::new_with_keys(what_for as u64, 0).hash(message.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last of the vectors that the authors of SipHash publish with it: key 00
    /// to 0f, messages of 0 and of 63 bytes 00, 01, 02, …
    #[test]
    fn it_is_siphash_2_4() {
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let message: Vec<u8> = (0..63).collect();
        let hasher = SipHasher24::new_with_key(&key);
        assert_eq!(
            hasher.hash(&[]).to_le_bytes(),
            [0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72]
        );
        let last = hasher.hash(&message).to_le_bytes();
        assert_eq!(last, [0x72, 0x45, 0x06, 0xeb, 0x4c, 0x32, 0x8a, 0x95]);
    }

    /// All versions of railhead must agree on these; docs/ipam.md lists them.
    #[test]
    fn vectors() {
        for (pool, node, start, step, choice) in [
            (
                "ippool/blue",
                "node-1",
                0x3292_afa7_0803_6f1d,
                0x0a47_127d_5f59_5a72,
                0x55b3_6fc2_4657_5e2b,
            ),
            (
                "cidrpool/blue",
                "node-1",
                0x4632_d717_9769_02a5,
                0xe183_94f7_01ea_0f56,
                0xfdd4_ba1a_b6c2_aef6,
            ),
            (
                "ippool/blue",
                "node-2",
                0x0165_7d57_903a_ddb5,
                0xf9b7_7150_c28f_a104,
                0x67eb_5293_befe_3b2b,
            ),
        ] {
            let (pool, node) = (pool.parse().unwrap(), node.parse().unwrap());
            let found = [Use::Start, Use::Step, Use::Choice].map(|one| hash(one, &pool, &node));
            assert_eq!(found, [start, step, choice], "{pool} {node}");
        }
    }
}
