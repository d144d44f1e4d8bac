//! A short number that stands for a long text: equal texts have equal ones.

/// FNV-1a, 32 bits, of all parts with their lengths.
pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let mix = |print: u32, octets: &[u8]| {
        octets.iter().fold(print, |print, octet| (print ^ u32::from(*octet)).wrapping_mul(PRIME))
    };
    parts.into_iter().fold(BASIS, |print, part| mix(mix(print, &part.len().to_ne_bytes()), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_run_together() {
        assert_eq!(of([&b"ab"[..], b"c"]), of([&b"ab"[..], b"c"]));
        assert_ne!(of([&b"ab"[..], b"c"]), of([&b"a"[..], b"bc"]));
        assert_ne!(of([]), of([&b""[..]]));
    }
}
