//! What a collector of metrics sees of a daemon at work, and what it can do to one.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use super::faults::writer;
use super::{drop_and_wait, first_pass};
use crate::guest::Test;
use crate::guest::cni::Call;
use crate::guest::host::pf;
use crate::guest::pod::Pod;
use crate::guest::program::run;
use crate::guest::railhead::{Daemon, object, policy, railhead, settings, wait_until_in_force};
use crate::guest::trace::Trace;
use crate::guest::wait::wait_for;

pub(super) const TESTS: &[Test] = &[
    ("daemon::metrics::what_a_collector_sees", what_a_collector_sees),
    ("daemon::metrics::a_scrape_waits_for_no_driver", a_scrape_waits_for_no_driver),
    ("daemon::metrics::idle_clients_keep_nobody_out", idle_clients_keep_nobody_out),
];

const PORT: &str = "127.0.0.1:9810";

/// What the daemon answers to `GET path` on its port: the status and the body.
#[track_caller]
fn get(path: &str) -> (u16, String) {
    let stream = TcpStream::connect(PORT).unwrap_or_else(|error| panic!("{PORT}: {error}"));
    ask(stream, path)
}

fn ask(mut stream: impl Read + Write, path: &str) -> (u16, String) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: railhead\r\n\r\n").expect("send a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read an answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{head}")), body.to_owned())
}

/// The metrics.
#[track_caller]
fn scrape() -> String {
    let (status, page) = get("/metrics");
    assert_eq!(status, 200, "{page}");
    page
}

/// That the metrics have these lines.
#[track_caller]
fn assert_told(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|told| told == *line), "no {line} in\n{page}");
    }
}

fn wait_for_port() {
    wait_for("the daemon's port", || TcpStream::connect(PORT).ok());
}

fn put_policy(num_vfs: u16, mtu: &str) {
    object("net.yaml", &policy("net", "enp1s0", num_vfs, &format!("  mtu: {mtu}\n")));
}

fn what_a_collector_sees() {
    settings("nodeName: node-a\nmetrics: {listen: \"0.0.0.0:9810\"}\n");
    let refused = railhead("plan").failed_with(1);
    assert!(refused.stderr.contains("metrics.listen: \"0.0.0.0:9810\": must be"), "{refused}");
    settings("nodeName: node-a\n");
    let daemon = Daemon::start();
    first_pass();
    assert!(TcpStream::connect(PORT).is_err(), "nobody asked for it");
    settings(&format!("nodeName: node-a\nmetrics: {{listen: \"{PORT}\"}}\n"));
    wait_for_port();
    assert_eq!(get("/healthz"), (200, "ok\n".to_owned()));

    put_policy(2, "4000");
    wait_until_in_force();
    // The pass that brought it about may still look whether it did.
    let in_force = "railhead_condition{type=\"pf.railhead.dev/0000-01-00.0\",reason=\"InForce\"} 1";
    // What it saw of the VFs may be of the moment before its last step.
    let is_whole = |page: &String| page.contains(in_force) && page.contains("sriov_vf_tx_bytes{");
    let page = wait_for("the end of the pass", || Some(scrape()).filter(is_whole));
    let ready =
        |status| wait_for("readyz", || Some(get("/readyz")).filter(|told| told.0 == status));
    assert_eq!(ready(200).1, "everything is as the objects want it\n");
    let vfs = pf(0).vfs();
    let traffic = |vf: usize| {
        let address = &vfs[vf].address;
        format!(
            "sriov_vf_tx_bytes{{pf=\"enp1s0\",vf=\"{vf}\",pciAddr=\"{address}\",numa_node=\"\"}} 0"
        )
    };
    assert_told(
        &page,
        &[
            "railhead_in_force 1",
            in_force,
            "railhead_steps_total{action=\"setNumVfs\",result=\"done\"} 1",
            "railhead_step_duration_seconds_count{action=\"bind\"} 2",
            "railhead_vfs_wanted{pf=\"enp1s0\"} 2",
            "railhead_vfs{pf=\"enp1s0\",state=\"free\"} 2",
            "railhead_drift_seen_total{pf=\"enp1s0\"} 0",
            "railhead_collected{part=\"traffic\"} 1",
            "railhead_collected{part=\"holdings\"} 1",
            &traffic(0),
            &traffic(1),
        ],
    );

    run("ip link set enp1s0 down").ok();
    let repaired = "railhead_drift_repaired_total{pf=\"enp1s0\"} 1";
    let page = wait_for("drift", || Some(scrape()).filter(|page| page.contains(repaired)));
    assert_told(&page, &["railhead_drift_seen_total{pf=\"enp1s0\"} 1"]);

    let pod = Pod::new("pod");
    let config = json!({
        "cniVersion": "1.1.0", "name": "blue", "type": "sriov", "deviceID": vfs[1].address,
    });
    let arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=u1";
    Call::add("sriov", "c1", &pod, &config).env("CNI_ARGS", arguments).run().ok();
    let device = format!(
        "sriov_kubepoddevice{{pciAddr=\"{}\",dev_type=\"net\",namespace=\"shop\",pod=\"cart-0\",\
         interface=\"net1\",network=\"blue\"}} 1",
        vfs[1].address
    );
    let attached = [
        device.as_str(),
        "railhead_attachments{state=\"attached\"} 1",
        "railhead_vfs{pf=\"enp1s0\",state=\"free\"} 1",
        "railhead_vfs{pf=\"enp1s0\",state=\"attached\"} 1",
        &traffic(1),
    ];
    assert_told(&scrape(), &attached);
    assert_told(&railhead("metrics").ok().stdout, &attached);
    Call::del("sriov", "c1", &pod, &config).run().ok();
    let page = scrape();
    assert!(!page.contains("cart-0"), "{page}");
    let free = "railhead_vfs{pf=\"enp1s0\",state=\"free\"} 2";
    wait_for("the VF to be free", || scrape().contains(free).then_some(()));

    costs_one_request(&daemon);
    drop_and_wait("net");
    wait_for("the VFs' series to go", || {
        let page = scrape();
        (!page.contains("sriov_vf_tx_bytes{") && page.contains("state=\"free\"} 0")).then_some(())
    });
    daemon.stop().ok();
}

/// A scrape is one request for the only PF with VFs. It starts no program and changes nothing, and makes no pass.
fn costs_one_request(daemon: &Daemon) {
    let made = super::at_rest();
    let trace = Trace::new("scrape").only("%network,%process,%file");
    let strace = trace.attach(daemon.pid());
    scrape();
    strace.signal("INT");
    strace.finish(Duration::from_secs(10));
    let requests: Vec<String> =
        trace.calls("sendto").into_iter().filter(|line| line.contains("nlmsg_")).collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let programs: Vec<String> = trace
        .starts_and_writes()
        .into_iter()
        // Threads are no programs; the store is opened to be read and written.
        .filter(|line| !line.contains("CLONE_THREAD") && !line.contains("/run/railhead/store"))
        .collect();
    assert_eq!(programs, Vec::<String>::new());
    assert_eq!(super::passes(), Some(made));
}

/// A driver that hangs in a write to sysfs keeps nobody from being told, and a kernel that does not answer only keeps back
/// what it would have answered.
fn a_scrape_waits_for_no_driver() {
    settings(&format!("nodeName: node-a\nmetrics: {{listen: \"{PORT}\"}}\n"));
    let daemon = Daemon::start();
    first_pass();
    wait_for_port();
    let file = "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";
    let hangs = Trace::new("hangs").at(file).only("write").inject("write:delay_enter=15000000");
    let hangs = hangs.attach(daemon.pid());
    put_policy(1, "1500");
    let writer = wait_for("the daemon's child", writer);
    let page = scrape();
    assert_told(&page, &["railhead_collected{part=\"traffic\"} 1"]);
    assert!(!page.contains("railhead_pass_running_seconds 0.0\n"), "{page}");
    assert_eq!(get("/healthz").0, 200);
    let socket = UnixStream::connect("/run/railhead/metrics.sock").expect("the socket");
    let (status, _) = ask(socket, "/metrics");
    assert_eq!(status, 200);
    assert!(fs::exists(format!("/proc/{writer}")).expect("proc"), "it hung all the while");
    wait_for("the VF", || pf(0).vfs().pop());
    hangs.signal("INT");
    hangs.finish(Duration::from_secs(60));
    wait_until_in_force();
    wait_for("the daemon's rest", || {
        let page = scrape();
        (page.contains("railhead_pass_running_seconds 0.0\n")
            && page.contains("sriov_vf_tx_bytes{"))
        .then_some(())
    });

    let deaf = Trace::new("deaf").only("sendto").inject("sendto:delay_enter=8000000");
    let deaf = deaf.attach(daemon.pid());
    for _ in 0..2 {
        let page = scrape();
        assert!(!page.contains("sriov_vf_tx_bytes{"), "{page}");
        assert_told(
            &page,
            &[
                "railhead_collected{part=\"traffic\"} 0",
                "railhead_collected{part=\"holdings\"} 1",
                "railhead_vfs{pf=\"enp1s0\",state=\"free\"} 1",
            ],
        );
        assert_eq!(get("/healthz").0, 200);
    }
    deaf.signal("INT");
    deaf.finish(Duration::from_secs(60));
    wait_for("the kernel's answers", || {
        scrape().contains("railhead_collected{part=\"traffic\"} 1").then_some(())
    });
    drop_and_wait("net");
    daemon.stop().ok();
}

/// Hundreds of clients that say nothing, on the port and on both sockets, and come again when they are sent away:
/// collectors and the command line are answered all the same, and the daemon goes on with its work.
fn idle_clients_keep_nobody_out() {
    settings(&format!("nodeName: node-a\nmetrics: {{listen: \"{PORT}\"}}\n"));
    let daemon = Daemon::start();
    first_pass();
    wait_for_port();
    let socket = |name: &str| {
        UnixStream::connect(format!("/run/railhead/{name}.sock")).expect("a connection")
    };
    let crowd = || -> (Vec<TcpStream>, Vec<[UnixStream; 2]>) {
        let on_port = (0..500).map(|_| TcpStream::connect(PORT).expect("a connection"));
        let on_sockets = (0..200).map(|_| [socket("daemon"), socket("metrics")]);
        (on_port.collect(), on_sockets.collect())
    };
    for _ in 0..3 {
        let idle = crowd();
        assert_eq!(get("/healthz").0, 200);
        assert_eq!(ask(socket("metrics"), "/healthz").0, 200);
        assert_told(&railhead("metrics").ok().stdout, &["railhead_in_force 1"]);
        assert!(railhead("status -o json").ok().json()["daemon"]["passes"].is_u64());
        let files = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("its files");
        assert!(files.count() < 400, "it has no more files open than it lets clients in");
        drop(idle);
    }
    let idle = crowd();
    put_policy(1, "1500");
    railhead("apply").ok();
    assert_eq!(pf(0).vfs().len(), 1);
    drop(idle);
    drop_and_wait("net");
    daemon.stop().ok();
}
