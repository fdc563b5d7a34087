//! The smallest XDP program, as an object file that `ip link set .. xdp obj` loads: no compiler is needed.

/// The section that holds the program.
pub(super) const SECTION: &str = "xdp";

/// `r0 = XDP_PASS; exit`
const PROGRAM: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// Names of sections and symbols, and where each begins.
const NAMES: &[u8] = b"\0.strtab\0.symtab\0xdp\0pass\0";
const STRTAB: u32 = 1;
const SYMTAB: u32 = 9;
const XDP: u32 = 17;
const PASS: u32 = 21;

const HEADER_SIZE: u64 = 64;
const PROGRAM_SIZE: u64 = 16;
const SYMBOL_SIZE: u64 = 24;
const SYMBOLS_AT: u64 = HEADER_SIZE + PROGRAM_SIZE;
const NAMES_AT: u64 = SYMBOLS_AT + 2 * SYMBOL_SIZE;
const SECTIONS_AT: u64 = (NAMES_AT + NAMES.len() as u64).next_multiple_of(8);

/// A section header, without what is zero in all of them.
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    at: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_size: u64,
}

#[rustfmt::skip]
const SECTIONS: [Section; 4] = [
    Section { name: 0, kind: 0, flags: 0, at: 0, size: 0, link: 0, info: 0, align: 0, entry_size: 0 },
    // PROGBITS; ALLOC and EXECINSTR
    Section { name: XDP, kind: 1, flags: 6, at: HEADER_SIZE, size: PROGRAM_SIZE, link: 0, info: 0, align: 8, entry_size: 0 },
    // SYMTAB with its names in section 3; symbols from 1 on are global
    Section { name: SYMTAB, kind: 2, flags: 0, at: SYMBOLS_AT, size: 2 * SYMBOL_SIZE, link: 3, info: 1, align: 8, entry_size: SYMBOL_SIZE },
    // STRTAB
    Section { name: STRTAB, kind: 3, flags: 0, at: NAMES_AT, size: NAMES.len() as u64, link: 0, info: 0, align: 1, entry_size: 0 },
];

/// The object file.
pub(super) fn object() -> Vec<u8> {
    let mut file = Vec::new();
    // 64 bits, little-endian, version 1; REL, BPF, version 1
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xf7\0\x01\0\0\0");
    file.extend([0; 16]); // entry point and program headers
    file.extend(SECTIONS_AT.to_le_bytes());
    file.extend(0_u32.to_le_bytes()); // flags
    for half in [64_u16, 0, 0, 64, 4, 3] {
        // sizes and numbers: this header, no program headers, four sections of which the last has the names
        file.extend(half.to_le_bytes());
    }
    file.extend(PROGRAM.concat());

    file.extend([0; 24]); // the first symbol is always empty
    file.extend(PASS.to_le_bytes());
    file.extend([0x12, 0, 1, 0]); // a global function in section 1
    file.extend(0_u64.to_le_bytes());
    file.extend(PROGRAM_SIZE.to_le_bytes());
    file.extend(NAMES);
    file.resize(file.len().next_multiple_of(8), 0);

    for section in SECTIONS {
        for word in [section.name, section.kind] {
            file.extend(word.to_le_bytes());
        }
        for long in [section.flags, 0, section.at, section.size] {
            file.extend(long.to_le_bytes());
        }
        for word in [section.link, section.info] {
            file.extend(word.to_le_bytes());
        }
        for long in [section.align, section.entry_size] {
            file.extend(long.to_le_bytes());
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_where_the_headers_say() {
        let file = object();
        let at = |from: u64, size: u64| {
            let from = usize::try_from(from).expect("small");
            &file[from..from + usize::try_from(size).expect("small")]
        };
        assert_eq!(at(HEADER_SIZE, PROGRAM_SIZE), PROGRAM.concat());
        assert_eq!(at(NAMES_AT, NAMES.len() as u64), NAMES);
        assert_eq!(file.len() as u64, SECTIONS_AT + 4 * 64);
        for (start, name) in [(STRTAB, ".strtab"), (SYMTAB, ".symtab"), (XDP, SECTION), (PASS, "pass")] {
            let rest = &NAMES[start as usize..];
            assert_eq!(rest.split(|byte| *byte == 0).next(), Some(name.as_bytes()));
        }
    }
}
