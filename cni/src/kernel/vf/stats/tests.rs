use netlink_packet_core::Emitable;
use netlink_packet_route::link::{
    LinkAttribute, LinkVfInfo, VfInfo, VfInfoMac, VfStats as Counter,
};
use proptest::prelude::*;

use super::*;

/// What the kernel answers for a PF with these VFs, as netlink-packet-route writes it.
fn answer(vfs: &[(u32, Vec<Counter>)]) -> Vec<u8> {
    let entry = |(index, counters): &(u32, Vec<Counter>)| {
        let mac = VfInfoMac::new(*index, &[2, 0, 0, 0, 0, 1]);
        LinkVfInfo(vec![VfInfo::Mac(mac), VfInfo::Stats(counters.clone())])
    };
    let attributes = [
        LinkAttribute::NumVf(u32::try_from(vfs.len()).unwrap()),
        LinkAttribute::VfInfoList(vfs.iter().map(entry).collect()),
    ];
    let mut payload = vec![0; 16];
    for attribute in attributes {
        let start = payload.len();
        payload.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut payload[start..]);
    }
    payload
}

fn read(payload: &[u8]) -> Result<BTreeMap<VfIndex, VfStats>, Cause> {
    decode::entries(payload, MOST, |_, entry| stats(entry)).map(|listed| listed.found)
}

fn counters(first: u64) -> Vec<Counter> {
    vec![
        Counter::RxPackets(first),
        Counter::TxPackets(first + 1),
        Counter::RxBytes(first + 2),
        Counter::TxBytes(first + 3),
        Counter::Broadcast(first + 4),
        Counter::Multicast(first + 5),
        Counter::RxDropped(first + 6),
        Counter::TxDropped(first + 7),
    ]
}

#[test]
fn every_counter_of_every_vf_is_read() {
    let found = read(&answer(&[(0, counters(10)), (6, counters(u64::MAX - 7))])).unwrap();
    let expected = |first: u64| VfStats {
        rx_packets: first,
        tx_packets: first + 1,
        rx_bytes: first + 2,
        tx_bytes: first + 3,
        broadcast: first + 4,
        multicast: first + 5,
        rx_dropped: first + 6,
        tx_dropped: first + 7,
    };
    assert_eq!(found, [(VfIndex(0), expected(10)), (VfIndex(6), expected(u64::MAX - 7))].into());
}

/// `struct nlattr` of if_link.h, octet by octet: what is read does not hang on another crate.
#[test]
fn golden() {
    let mut octets = Vec::new();
    for kind in 0u16..9 {
        octets.extend(12u16.to_ne_bytes());
        octets.extend(kind.to_ne_bytes());
        octets.extend((100 + u64::from(kind)).to_ne_bytes());
    }
    let stats = super::counters(&octets).unwrap();
    let expected = VfStats {
        rx_packets: 100,
        tx_packets: 101,
        rx_bytes: 102,
        tx_bytes: 103,
        broadcast: 104,
        multicast: 105,
        rx_dropped: 107,
        tx_dropped: 108,
    };
    assert_eq!(stats, expected);
}

#[test]
fn a_counter_that_is_cut_off_is_told() {
    let octets = [&8u16.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[1, 2, 3, 4]].concat();
    assert!(matches!(super::counters(&octets), Err(Cause::Malformed(_))));
}

proptest! {
    #[test]
    fn no_entry_makes_reading_panic(entry: Vec<u8>) {
        drop(stats(&entry));
        drop(super::counters(&entry));
    }
}
