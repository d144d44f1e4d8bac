use super::*;

#[test]
fn a_script_that_writes_is_told_from_one_that_reads() {
    for writes in [
        "echo 4 > /sys/class/net/ens2f0/device/sriov_numvfs",
        "  echo 4 | tee /sys/class/net/ens2f0/device/sriov_numvfs",
        "[ -d /sys/class/net/a ] && echo 2 >/sys/class/net/a/device/sriov_numvfs",
        "echo '0 # none' >\"/sys/class/net/$PF/device/sriov_numvfs\"",
        "F=/sys/class/net/ens2f0/device/sriov_numvfs; echo 4 >$F",
        "@reboot root cat /etc/vfs > /sys/class/net/a/device/sriov_numvfs 2>/dev/null",
    ] {
        assert_eq!(by_script(writes), Some(NUMVFS), "{writes}");
    }
    for reads in [
        "# echo 4 > /sys/class/net/ens2f0/device/sriov_numvfs",
        "true # echo 4 > /sys/class/net/ens2f0/device/sriov_numvfs",
        "cat /sys/class/net/ens2f0/device/sriov_numvfs",
        "n=$(cat /sys/class/net/ens2f0/device/sriov_numvfs 2>/dev/null)",
        "[ -e /sys/class/net/ens2f0/device/sriov_numvfs ] || exit 0",
        "echo 4 > /sys/class/net/ens2f0/mtu",
    ] {
        assert_eq!(by_script(reads), None, "{reads}");
    }
}

#[test]
fn of_a_unit_counts_what_it_executes() {
    let unit = |line: &str| format!("[Unit]\nDescription=sets sriov_numvfs\n[Service]\n{line}\n");
    for line in [
        "ExecStart=/bin/sh -c 'echo 4 > /sys/class/net/a/device/sriov_numvfs'",
        "ExecStartPre=-/bin/bash -c \\\n  \"echo 4 >/sys/class/net/a/device/sriov_numvfs\"",
    ] {
        assert_eq!(by_unit(&unit(line)), Some(NUMVFS), "{line}");
    }
    for line in [
        "ConditionPathExists=/sys/class/net/a/device/sriov_numvfs",
        "#ExecStart=/bin/sh -c 'echo 4 > /sys/class/net/a/device/sriov_numvfs'",
    ] {
        assert_eq!(by_unit(&unit(line)), None, "{line}");
    }
}

#[test]
fn of_a_rule_counts_what_is_no_condition() {
    for rule in [
        "ACTION==\"add\", ATTR{device/sriov_numvfs}=\"4\"",
        "ACTION==\"add\", RUN+=\"/bin/sh -c 'test 1 == 1 && echo 4 > /sys/…/sriov_numvfs'\"",
        "ACTION==\"add\", \\\n ATTR{device/sriov_numvfs}=\"4\"",
    ] {
        assert_eq!(by_rule(rule), Some(NUMVFS), "{rule}");
    }
    for rule in [
        "ATTR{device/sriov_numvfs}==\"0\", ENV{ID_NET_NAME}=\"a\"",
        "TEST!=\"device/sriov_numvfs\", GOTO=\"end\"",
        "# ATTR{device/sriov_numvfs}=\"4\"",
    ] {
        assert_eq!(by_rule(rule), None, "{rule}");
    }
}

#[test]
fn settings_of_network_managers_and_drivers() {
    type Mark = fn(&str) -> Option<&'static str>;
    let cases: [(Mark, &str, Option<&str>); 14] = [
        (by_networkd, "[Match]\nName=a\n[SR-IOV]\nVirtualFunction=3\n", Some("[SR-IOV]")),
        (by_networkd, "[Link]\nSR-IOVVirtualFunctions = 4\n", Some("SR-IOVVirtualFunctions")),
        (by_networkd, "[Link]\n#SR-IOVVirtualFunctions=4\n;[SR-IOV]\n", None),
        (by_connection, "[sriov]\ntotal-vfs=4\n", Some("total-vfs")),
        (by_connection, "[connection]\nid=sriov\n", None),
        (by_ifcfg, "DEVICE=a\nSRIOV_TOTAL_VFS=4\n", Some("SRIOV_TOTAL_VFS")),
        (by_nmstate, "ethernet:\n  sr-iov:\n    total-vfs: 4\n", Some("total-vfs")),
        (by_netplan, "network:\n  ethernets:\n    v0: {link: a}\n    a: {}\n", Some("link:")),
        (by_netplan, "network:\n  vlans:\n    a.5: {id: 5, link: a}\n", None),
        (
            by_netplan,
            "network: {ethernets: {a: {virtual-function-count: 2}}}",
            Some("virtual-function-count"),
        ),
        (by_modprobe, "options igb max_vfs=7\n", Some("max_vfs=")),
        (by_modprobe, "options mlx4_core port_type_array=2 num_vfs=4\n", Some("num_vfs=")),
        (by_modprobe, "# options igb max_vfs=7\noptions igb debug=1\n", None),
        (by_any_line, "w /sys/class/net/a/device/sriov_numvfs - - - - 4\n", Some(NUMVFS)),
    ];
    for (mark, text, expected) in cases {
        assert_eq!(mark(text), expected, "{text}");
    }
}

#[test]
fn programs_that_a_line_starts() {
    let found = |text| programs(text).collect::<Vec<_>>();
    assert_eq!(found("ExecStart=-/usr/local/sbin/vfs.sh ens2f0"), ["/usr/local/sbin/vfs.sh"]);
    assert_eq!(found("PROGRAM=\"/opt/a b\", RUN+=\"/etc/vfs\""), ["/opt/a", "/etc/vfs"]);
    assert_eq!(found("# /usr/local/sbin/vfs.sh"), [""; 0]);
    assert_eq!(found("cat /sys/class/net/a/mtu"), [""; 0]);
}
