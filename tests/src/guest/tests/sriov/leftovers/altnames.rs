//! Altnames of the pod's that are names on the host: the kernel moves no interface home with one.

use super::{End, Tenancy};
use crate::guest::program::run;

pub(super) fn an_altname_keeps_no_vf() {
    let tenancy = Tenancy::new();
    run("ip link add docker0 type dummy").ok();
    run("ip link property add dev docker0 altname storage").ok();
    let vf = tenancy.bed.vfs[0].wait_for_netdev();
    let pf = tenancy.bed.pf.name.clone();
    for end in [End::Del, End::Death] {
        for altnames in [pf.as_str(), "docker0", "storage", "harmless", &vf] {
            tenancy.lived(end, |pod| {
                pod.run(&format!("ip link property add dev net1 altname {altnames}")).ok();
            });
        }
        tenancy.lived(end, |pod| {
            let many: Vec<String> = (0..600).map(|n| format!("altname a{n:0>100}")).collect();
            for some in many.chunks(100) {
                pod.run(&format!("ip link property add dev net1 {}", some.join(" "))).ok();
            }
            pod.run("ip link property add dev net1 altname docker0 altname storage").ok();
        });
        // A name and an altname at once, both of the host's.
        tenancy.lived(end, |pod| {
            pod.run("ip link set net1 down").ok();
            pod.run(&format!("ip link set net1 name {pf}")).ok();
            pod.run(&format!("ip link property add dev {pf} altname storage altname {vf}")).ok();
        });
    }
    // One of its own goes to somebody else on the host meanwhile, and comes back.
    run(&format!("ip link property add dev {vf} altname own")).ok();
    let tenancy =
        Tenancy { before: crate::guest::vf_state::VfState::of(&tenancy.bed.vfs[0]), ..tenancy };
    tenancy.lived(End::Del, |_| {});
    run(&format!("ip link property del dev {vf} altname own")).ok();
    let tenancy =
        Tenancy { before: crate::guest::vf_state::VfState::of(&tenancy.bed.vfs[0]), ..tenancy };
    again_and_again(&tenancy);
    run("ip link del docker0").ok();
}

/// The pod gives it the altname again as soon as it is taken away.
fn again_and_again(tenancy: &Tenancy) {
    let script = "/tmp/again";
    std::fs::write(
        script,
        "while :; do for n in 1 2 3 4 5 6 7 8 9; do echo property add dev net1 altname docker0; done | ip -force -batch -; done\n",
    )
    .expect("write a script");
    for _ in 0..3 {
        let mut running = None;
        tenancy.lived(End::Del, |pod| {
            running = Some([(); 2].map(|()| pod.program(&format!("sh {script}")).start()));
            std::thread::sleep(std::time::Duration::from_millis(300));
        });
        drop(running);
    }
    std::fs::remove_file(script).expect("remove a script");
}
