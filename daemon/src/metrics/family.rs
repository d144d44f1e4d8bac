//! The names of all metrics, with what they mean.
//!
//! Those that begin with `sriov_` are called, and labelled, as the SR-IOV Network Metrics Exporter
//! has them, so that what people built on it goes on. They are counters without the `_total` that
//! OpenMetrics asks of one, hence gauges here; `rate()` does not mind.

use prometheus_client::metrics::MetricType;

/// Samples of one name.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The name; samples of a counter have `_total` behind it.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: MetricType,
}

/// One sample's place in its family, of a VF's counters.
pub type Counter = fn(&cni::kernel::vf::VfStats) -> u64;

macro_rules! families {
    ($($ident:ident $kind:ident $name:literal $help:literal)*) => {
        $(
            #[doc = $help]
            pub const $ident: Family =
                Family { name: $name, help: $help, kind: MetricType::$kind };
        )*

        /// All of them but those of [`TRAFFIC`].
        pub const ALL: &[Family] = &[$($ident),*];
    };
}

families! {
    BUILD_INFO Gauge "railhead_build_info" "1, with the version of the daemon"
    START_TIME Gauge "process_start_time_seconds" "When the daemon started, in seconds since 1970"
    IN_FORCE Gauge "railhead_in_force" "1 when all is as the objects want it; what /readyz says"
    PAUSED Gauge "railhead_paused" "1 while repairs are paused"
    CONDITION Gauge "railhead_condition" "1 when a condition of the node's report holds, 0 when not, with its reason"
    LAST_PASS Gauge "railhead_last_pass_timestamp_seconds" "When the last pass ended, in seconds since 1970"
    PASS_RUNNING Gauge "railhead_pass_running_seconds" "How long the pass has run that runs now; 0 when none does"
    PASSES Counter "railhead_passes" "Passes, by what they came to"
    PASS_TIME Histogram "railhead_pass_duration_seconds" "How long passes took"
    PLANNED Gauge "railhead_plan_steps" "Steps that the last pass left to be done, by kind"
    STEPS Counter "railhead_steps" "Steps that were tried, by kind and by what became of them"
    STEP_TIME Histogram "railhead_step_duration_seconds" "How long the steps took that were done, by kind"
    ERRORS Counter "railhead_errors" "What went wrong, by reason"
    DRIFT_SEEN Counter "railhead_drift_seen" "How often a PF was not as wished any more, though the wish was the same"
    DRIFT_REPAIRED Counter "railhead_drift_repaired" "How often a PF that had drifted was as wished again"
    BLOCKED Gauge "railhead_blocked" "1 for each thing that is in the way of a PF's wish, by reason"
    VFS_WANTED Gauge "railhead_vfs_wanted" "How many VFs the objects want of a PF"
    VFS Gauge "railhead_vfs" "VFs of a PF, by who has them"
    ATTACHMENTS Gauge "railhead_attachments" "Attachments of VFs to containers, by how far they came"
    POOL_ADDRESSES Gauge "railhead_pool_addresses" "Addresses of this node's block of a pool, by what they are"
    COLLECTED Gauge "railhead_collected" "1 when a part of this answer could be read in time and whole, 0 when it is missing or cut"
    POD_DEVICE Gauge "sriov_kubepoddevice" "1 for each VF that a pod has, with the pod"
}

/// The counters of VFs, in the kernel's words.
pub const TRAFFIC: &[(Family, Counter)] = &[
    (traffic("sriov_vf_rx_bytes", "Octets that a VF received"), |vf| vf.rx_bytes),
    (traffic("sriov_vf_tx_bytes", "Octets that a VF sent"), |vf| vf.tx_bytes),
    (traffic("sriov_vf_rx_packets", "Packets that a VF received"), |vf| vf.rx_packets),
    (traffic("sriov_vf_tx_packets", "Packets that a VF sent"), |vf| vf.tx_packets),
    (traffic("sriov_vf_rx_dropped", "Packets for a VF that were dropped"), |vf| vf.rx_dropped),
    (traffic("sriov_vf_tx_dropped", "Packets of a VF that were dropped"), |vf| vf.tx_dropped),
    (traffic("sriov_vf_rx_broadcast", "Broadcast packets that a VF received"), |vf| vf.broadcast),
    (traffic("sriov_vf_rx_multicast", "Multicast packets that a VF received"), |vf| vf.multicast),
];

const fn traffic(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: MetricType::Gauge }
}

/// Every family there is.
pub fn all() -> impl Iterator<Item = Family> {
    ALL.iter().copied().chain(TRAFFIC.iter().map(|(family, _)| *family))
}
