//! PFs for whose VFs the machine's firmware left no memory addresses.
//!
//! Lines 7 to 12 of `resource` are those of VFs (PCI_IOV_RESOURCES). What could not be assigned has
//! flags and no start, or, from kernel 6.12 on, nothing at all, just as what the card does not have;
//! there the card's own registers tell which it asks for.

use conf::PciAddress;

use crate::doctor::{Finding, Machine};
use crate::snapshot::Pf;

/// VF BARs of a PF (PCI_SRIOV_NUM_BARS).
const BARS: usize = 6;

pub(super) fn examine(machine: &Machine, pf: &Pf) -> Option<Finding> {
    if pf.total_vfs == 0 {
        return None;
    }
    let at = |file: &str| at(pf.address, file);
    let assigned = machine.text(&at("resource")).and_then(|text| resources(&text))?;
    let registers = machine.bytes(&at("config")).and_then(|config| registers(&config));
    is_lacking(assigned, registers).then(|| {
        Finding::error(
            "vf-memory",
            format!("the firmware left no memory addresses for VFs of {}", pf.label()),
            "making VFs fails with \"not enough MMIO resources for SR-IOV\"",
        )
        .mend("switch SR-IOV and \"above 4G decoding\" on in the firmware's set-up")
        .mend("or start the kernel with pci=realloc")
    })
}

fn at(function: PciAddress, file: &str) -> String {
    format!("sys/bus/pci/devices/{function}/{file}")
}

/// What the kernel has for one BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resource {
    start: u64,
    flags: u64,
}

impl Resource {
    fn is_assigned(self) -> bool {
        self.start != 0
    }
}

/// The lines of VFs; `None` where they cannot be read.
fn resources(text: &str) -> Option<[Resource; BARS]> {
    let mut lines = text.lines().skip(7);
    let mut found = [Resource { start: 0, flags: 0 }; BARS];
    for resource in &mut found {
        let mut numbers = lines
            .next()?
            .split_whitespace()
            .map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        let (start, _end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
        *resource = Resource { start, flags };
    }
    Some(found)
}

/// Whether a BAR that VFs need has no addresses. No card's VFs are without any.
fn is_lacking(resources: [Resource; BARS], registers: Option<[u32; BARS]>) -> bool {
    let is_flagged = |resource: &Resource| resource.flags != 0 && !resource.is_assigned();
    if resources.iter().any(is_flagged) || !resources.iter().any(|one| one.is_assigned()) {
        return true;
    }
    let Some(registers) = registers else { return false };
    let mut bars = resources.iter().zip(registers);
    while let Some((resource, register)) = bars.next() {
        // The type of a BAR is hardwired. One for 32 bits, not prefetchable, has none.
        if register != 0 && !resource.is_assigned() {
            return true;
        }
        if register & MEMORY_TYPE == MEMORY_64 {
            // The upper half of the address.
            bars.next();
        }
    }
    false
}

// include/uapi/linux/pci_regs.h
const MEMORY_TYPE: u32 = 0x06;
const MEMORY_64: u32 = 0x04;
const EXTENDED: usize = 0x100;
const SRIOV: u32 = 0x10;
const VF_BARS: usize = 0x24;

/// The VF BARs in a function's configuration space, of which others than root see 64 octets.
fn registers(config: &[u8]) -> Option<[u32; BARS]> {
    let word = |at: usize| {
        let octets = config.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(octets.try_into().ok()?))
    };
    let mut at = EXTENDED;
    // A list of capabilities that leads in circles is broken.
    for _ in 0..(4096 - EXTENDED) / 8 {
        let header = word(at)?;
        if header & 0xffff == SRIOV {
            let mut bars = [0; BARS];
            for (index, bar) in bars.iter_mut().enumerate() {
                *bar = word(at + VF_BARS + 4 * index)?;
            }
            return Some(bars);
        }
        at = usize::try_from(header >> 20).ok()?;
        if at < EXTENDED {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
    const GIVEN: &str = "0x00000000fe7e0000 0x00000000fe7fffff 0x000000000014220c\n";
    const FLAGGED: &str = "0x0000000000000000 0x000000000003ffff 0x0000000000140204\n";

    fn of(lines: [&str; BARS]) -> [Resource; BARS] {
        resources(&(NONE.repeat(7) + &lines.concat() + NONE)).unwrap()
    }

    /// Configuration space with the capability in the second place of the list.
    fn config(bars: [u32; BARS]) -> Vec<u8> {
        let mut config = vec![0; 4096];
        config[0x100..0x104].copy_from_slice(&0x1401_0001_u32.to_le_bytes());
        config[0x140..0x144].copy_from_slice(&0x0001_0010_u32.to_le_bytes());
        for (index, bar) in bars.iter().enumerate() {
            let at = 0x140 + 0x24 + 4 * index;
            config[at..at + 4].copy_from_slice(&bar.to_le_bytes());
        }
        config
    }

    #[test]
    fn a_bar_without_addresses_is_found_by_the_line_or_the_register() {
        // An 82576: BARs 0 and 3 for 64 bits.
        let asked = registers(&config([0xfe7e_000c, 0, 0, 0x0c, 0, 0]));
        let both = [GIVEN, NONE, NONE, GIVEN, NONE, NONE];
        let cases = [
            ([NONE; BARS], None, true),
            ([GIVEN, NONE, NONE, FLAGGED, NONE, NONE], None, true),
            ([GIVEN, NONE, NONE, NONE, NONE, NONE], None, false),
            ([GIVEN, NONE, NONE, NONE, NONE, NONE], asked, true),
            (both, asked, false),
            // The upper half of an address above 4 GiB is no BAR.
            (both, registers(&config([0x0c, 0x38, 0, 0x0c, 0x38, 0])), false),
        ];
        for (lines, registers, lacking) in cases {
            assert_eq!(is_lacking(of(lines), registers), lacking, "{lines:?} {registers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_sign() {
        assert_eq!(resources(&NONE.repeat(7)), None, "a kernel without SR-IOV has fewer lines");
        assert_eq!(resources("what\n".repeat(13).as_str()), None);
        assert_eq!(registers(&[0; 64]), None, "what an ordinary user sees");
        let mut circle = vec![0; 4096];
        circle[0x100..0x104].copy_from_slice(&0x1001_0001_u32.to_le_bytes());
        assert_eq!(registers(&circle), None);
    }
}
