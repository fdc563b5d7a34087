//! A reader of the kernel's type information (BTF): where a struct member lies, which functions there
//! are and how many parameters they take.
//!
//! Reads only what is asked for, in one pass. The loader's own parser keeps struct members to itself, the
//! other crates either take ten times as long (a second of start-up on a slow machine) or carry a licence
//! that a static binary under ours cannot.
//!
//! Types may come from a file that anybody made. They may lead in circles, so every look at them has an end.

use std::collections::HashMap;

/// What is wrong with the type information.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// Not BTF, or of the other byte order.
    #[error("not BTF: the magic number is {0:#06x}")]
    Magic(u16),
    /// Ends in the middle of something.
    #[error("BTF is cut off at byte {0}")]
    Truncated(usize),
    /// A kind that this reader does not know; what follows it cannot be found.
    #[error("BTF holds an unknown kind {kind} as type {id}")]
    Kind {
        /// The kind's number.
        kind: u32,
        /// Number of the type.
        id: u32,
    },
}

const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const TYPE_TAG: u32 = 18;

/// `struct btf_header`: its first bytes, and its length.
const MAGIC: u16 = 0xeb9f;
const HEADER: u32 = 24;

/// A name with its end (`KSYM_NAME_LEN`).
const LONGEST_NAME: usize = 512;
/// Typedefs and qualifiers one behind the other: the kernel has a handful.
const LONGEST_CHAIN: usize = 64;
/// Anonymous structs and unions in each other: the kernel has a handful, and verifies 32.
const DEEPEST: usize = 32;
/// Members that are looked at for one name: `task_struct` has a few hundred.
const MOST_MEMBERS: usize = 20_000;

/// Bytes that follow the common part of a type, `include/uapi/linux/btf.h`.
fn extra_bytes(kind: u32, vlen: usize) -> Option<usize> {
    Some(match kind {
        PTR | 7 | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | 16 | TYPE_TAG => 0,
        1 | 14 | 17 => 4,
        ARRAY => 12,
        STRUCT | UNION | 15 | 19 => vlen * 12,
        ENUM | FUNC_PROTO => vlen * 8,
        _ => return None,
    })
}

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Bits from the start of the outermost struct.
    pub bit_offset: u32,
    /// Width of a bit field, 0 for any other member.
    pub bits: u32,
}

impl Member {
    /// Byte offset of a plain member.
    pub fn byte(self) -> u32 {
        self.bit_offset / 8
    }

    /// Mask of a one-bit field within its byte.
    pub fn bit_mask(self) -> u32 {
        1 << (self.bit_offset % 8)
    }
}

/// Type information, indexed for the names that were asked for.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    /// Byte position of each type; 0 is void.
    types: Vec<usize>,
    /// Byte position of the strings, which names are relative to.
    strings: usize,
    /// Structs and enums.
    named: HashMap<String, u32>,
    functions: HashMap<String, u32>,
}

impl Btf {
    /// Reads the BTF of a kernel, keeping the structs, enums and functions in `wanted`.
    ///
    /// # Errors
    /// If the data is not complete BTF of this machine's byte order.
    pub fn parse(data: Vec<u8>, wanted: &[&str]) -> Result<Self, BtfError> {
        let magic = u16::from_ne_bytes(bytes(&data, 0)?);
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let header = u32_at(&data, 4)? as usize;
        let type_start = header + u32_at(&data, 8)? as usize;
        let type_end = type_start + u32_at(&data, 12)? as usize;
        let strings = header + u32_at(&data, 16)? as usize;
        let mut btf =
            Self { data, types: vec![0], strings, named: HashMap::new(), functions: HashMap::new() };
        let names: HashMap<&[u8], &str> = wanted.iter().map(|name| (name.as_bytes(), *name)).collect();
        let mut at = type_start;
        while at < type_end {
            let id = u32::try_from(btf.types.len()).unwrap_or(u32::MAX);
            let info = u32_at(&btf.data, at + 4)?;
            let kind = info >> 24 & 0x1f;
            if kind == STRUCT || kind == ENUM || kind == FUNC {
                let name = c_str(&btf.data, strings + u32_at(&btf.data, at)? as usize)?;
                if let Some(name) = names.get(name) {
                    let index = if kind == FUNC { &mut btf.functions } else { &mut btf.named };
                    index.entry((*name).to_owned()).or_insert(id);
                }
            }
            btf.types.push(at);
            let extra = extra_bytes(kind, (info & 0xffff) as usize).ok_or(BtfError::Kind { kind, id })?;
            at += 12 + extra;
        }
        let end = strings + u32_at(&btf.data, 20)? as usize;
        if at != type_end || type_end.max(end) > btf.data.len() {
            return Err(BtfError::Truncated(btf.data.len()));
        }
        Ok(btf)
    }

    fn word(&self, at: usize) -> Option<u32> {
        u32_at(&self.data, at).ok()
    }

    /// Whether the name at a position is this one.
    fn is_named(&self, at: usize, name: &str) -> Option<bool> {
        let rest = self.data.get(self.strings + self.word(at)? as usize..)?;
        Some(rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0)))
    }

    /// Position, kind, member count and kind flag of a type, behind typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<(usize, u32, usize, bool)> {
        for _ in 0..LONGEST_CHAIN {
            let at = *self.types.get(id as usize).filter(|at| **at != 0)?;
            let info = self.word(at + 4)?;
            match info >> 24 & 0x1f {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = self.word(at + 8)?,
                kind => return Some((at, kind, (info & 0xffff) as usize, info >> 31 == 1)),
            }
        }
        None
    }

    /// Whether the kernel has this struct. Answers only for names that were asked for.
    pub fn has_struct(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The member `path` (`"nd_net.net"`) of struct `name`; members of anonymous structs and unions count
    /// as the outer one's own, as in C.
    pub fn member(&self, name: &str, path: &str) -> Option<Member> {
        let mut id = *self.named.get(name)?;
        let mut bit_offset = 0;
        let mut bits = 0;
        let mut left = MOST_MEMBERS;
        for part in path.split('.') {
            let (found, member) = self.member_of(id, part, DEEPEST, &mut left)?;
            bit_offset = member.bit_offset.checked_add(bit_offset)?;
            bits = member.bits;
            id = found;
        }
        Some(Member { bit_offset, bits })
    }

    /// `left`: how many members may still be looked at.
    fn member_of(&self, id: u32, name: &str, depth: usize, left: &mut usize) -> Option<(u32, Member)> {
        let (at, kind, vlen, bitfields) = self.resolve(id)?;
        if kind != STRUCT && kind != UNION {
            return None;
        }
        for entry in (0..vlen).map(|index| at + 12 + index * 12) {
            *left = left.checked_sub(1)?;
            let member_type = self.word(entry + 4)?;
            let offset = self.word(entry + 8)?;
            let (bit_offset, bits) =
                if bitfields { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            if self.is_named(entry, name)? {
                return Some((member_type, Member { bit_offset, bits }));
            }
            if depth > 0
                && self.is_named(entry, "")?
                && let Some((found, inner)) = self.member_of(member_type, name, depth - 1, left)
            {
                let bit_offset = inner.bit_offset.checked_add(bit_offset)?;
                return Some((found, Member { bit_offset, bits: inner.bits }));
            }
        }
        None
    }

    /// Size of a struct in bytes. Answers only for names that were asked for.
    pub fn size_of(&self, name: &str) -> Option<u32> {
        self.word(self.types.get(*self.named.get(name)? as usize)? + 8)
    }

    /// Value of an enumerator of a named enum. Answers only for names that were asked for.
    pub fn enumerator(&self, name: &str, enumerator: &str) -> Option<u32> {
        let (at, kind, vlen, _) = self.resolve(*self.named.get(name)?)?;
        let mut entries = (0..vlen).map(|index| at + 12 + index * 8).filter(|_| kind == ENUM);
        let entry = entries.find(|entry| self.is_named(*entry, enumerator) == Some(true))?;
        self.word(entry + 4)
    }

    /// All enumerators of a named enum with their values. Answers only for names that were asked for.
    pub fn enumerators(&self, name: &str) -> Vec<(u32, String)> {
        let entries = || {
            let (at, kind, vlen, _) = self.resolve(*self.named.get(name)?)?;
            let entries = (0..vlen).map(|index| at + 12 + index * 8).filter(|_| kind == ENUM);
            let entry = |at| {
                let name = c_str(&self.data, self.strings + self.word(at)? as usize).ok()?;
                Some((self.word(at + 4)?, String::from_utf8_lossy(name).into_owned()))
            };
            Some(entries.filter_map(entry).collect())
        };
        entries().unwrap_or_default()
    }

    /// Type information for a loader that looks up nothing but the numbers of functions: those that were asked for, under
    /// their own numbers, and a nameless placeholder for every other type. A loader reads that in a fraction of the time
    /// and memory.
    pub fn functions_only(&self) -> Vec<u8> {
        // A forward declaration: kind 7, nothing follows it. Types are numbered by their place.
        let placeholder = [0, 7 << 24, 0];
        let count = self.types.len() - 1;
        let mut types: Vec<[u32; 3]> = vec![placeholder; count];
        let mut strings = vec![0];
        for (name, id) in &self.functions {
            let position = u32::try_from(strings.len()).unwrap_or_default();
            types[*id as usize - 1] = [position, FUNC << 24, 0];
            strings.extend(name.bytes().chain([0]));
        }
        let [types_len, strings_len] =
            [12 * count, strings.len()].map(|len| u32::try_from(len).unwrap_or_default());
        let mut blob = Vec::with_capacity(HEADER as usize + 12 * count + strings.len());
        blob.extend(MAGIC.to_ne_bytes());
        blob.extend([1, 0]);
        let header = [HEADER, 0, types_len, types_len, strings_len];
        blob.extend(header.into_iter().chain(types.into_iter().flatten()).flat_map(u32::to_ne_bytes));
        blob.extend(strings);
        blob
    }

    /// Number of parameters of a function, if the kernel has it. Answers only for names that were asked for.
    pub fn parameters(&self, function: &str) -> Option<usize> {
        let at = self.types.get(*self.functions.get(function)? as usize)?;
        let (_, kind, vlen, _) = self.resolve(self.word(at + 8)?)?;
        (kind == FUNC_PROTO).then_some(vlen)
    }
}

fn bytes<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], BtfError> {
    data.get(at..at + N).and_then(|slice| slice.try_into().ok()).ok_or(BtfError::Truncated(at))
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, BtfError> {
    Ok(u32::from_ne_bytes(bytes(data, at)?))
}

fn c_str(data: &[u8], at: usize) -> Result<&[u8], BtfError> {
    let rest = data.get(at..).ok_or(BtfError::Truncated(at))?;
    let rest = &rest[..rest.len().min(LONGEST_NAME)];
    let end = rest.iter().position(|byte| *byte == 0).ok_or(BtfError::Truncated(at))?;
    Ok(&rest[..end])
}

#[cfg(test)]
mod tests {
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::mutation::damaged;

    #[test]
    fn a_loader_finds_functions_under_the_numbers_that_the_kernel_has_for_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/btf/6.1.0-57-amd64.btf");
        let data = std::fs::read(path).expect("read the BTF of a kernel");
        let wanted = ["skb_copy_ubufs", "sk_buff", "msg_zerocopy_realloc", "no_such_function"];
        let btf = Btf::parse(data, &wanted).expect("BTF");
        let blob = btf.functions_only();
        let reduced = Btf::parse(blob.clone(), &wanted).expect("BTF again");
        assert_eq!(reduced.functions, btf.functions);
        assert_eq!((btf.functions.len(), reduced.has_struct("sk_buff")), (2, false));
        aya::Btf::parse(&blob, aya::Endianness::default()).expect("the loader reads it, too");
    }

    /// BTF of these types, each given as its words after the name, which is `sk_buff` for the first and empty for the
    /// others.
    fn made_of(types: &[&[u32]]) -> Vec<u8> {
        let strings = b"\0sk_buff\0len\0";
        let words = types.iter().enumerate();
        let words: Vec<u32> =
            words.flat_map(|(at, rest)| [&[u32::from(at == 0)][..], rest].concat()).collect();
        let [types_len, strings_len] =
            [4 * words.len(), strings.len()].map(|len| u32::try_from(len).expect("short"));
        let mut blob = MAGIC.to_ne_bytes().to_vec();
        blob.extend([1, 0]);
        let header = [HEADER, 0, types_len, types_len, strings_len];
        blob.extend(header.into_iter().chain(words).flat_map(u32::to_ne_bytes));
        blob.extend(strings);
        blob
    }

    const fn info(kind: u32, vlen: u32) -> u32 {
        kind << 24 | vlen
    }

    #[test]
    fn circles_have_an_end() {
        let of = |types: &[&[u32]], wanted: &str| Btf::parse(made_of(types), &[wanted]).expect("BTF");
        // A struct with an anonymous member of its own type.
        let circle = of(&[&[info(STRUCT, 1), 8, 0, 1, 0]], "sk_buff");
        assert_eq!(circle.member("sk_buff", "len"), None);
        // One in which twenty anonymous members lead to the next, and so on.
        let wide = |next: u32| [vec![info(STRUCT, 20), 8], [0, next, 0].repeat(20)].concat();
        let wide: Vec<Vec<u32>> = (2..22).map(wide).collect();
        let wide = of(&wide.iter().map(Vec::as_slice).collect::<Vec<_>>(), "sk_buff");
        assert_eq!(wide.member("sk_buff", "len"), None);
        // A function whose type is a typedef of itself.
        let typedefs = of(&[&[info(FUNC, 0), 2], &[info(TYPEDEF, 0), 2]], "sk_buff");
        assert_eq!(typedefs.parameters("sk_buff"), None);
    }

    #[test]
    fn offsets_that_are_too_large_are_none() {
        let outer: &[u32] = &[info(STRUCT, 1), 8, 0, 2, u32::MAX];
        let inner: &[u32] = &[info(STRUCT, 1), 8, 9, 2, 8];
        let btf = Btf::parse(made_of(&[outer, inner]), &["sk_buff"]).expect("BTF");
        assert_eq!(btf.member("sk_buff", "len"), None);
    }

    #[test]
    fn damaged_btf_is_read_without_harm() {
        const WANTED: [&str; 4] = ["sk_buff", "net_device", "skb_copy_ubufs", "pkt_hash_types"];
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/btf");
        let files = std::fs::read_dir(dir).expect("the fixtures").map(|file| file.expect("a fixture").path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "btf"));
        let mut originals: Vec<_> = files.map(|path| std::fs::read(path).expect("read it")).collect();
        assert_eq!(originals.len(), 4);
        // Most of the damage to a short one matters.
        originals.extend((0..16).map(|_| {
            let member = [9, 3, 64];
            let structure = [&[info(STRUCT, 2), 8, 0, 2, 0][..], &member].concat();
            made_of(&[
                &structure,
                &[info(UNION, 1), 4, 9, 3, 0],
                &[info(TYPEDEF, 0), 4],
                &[info(1, 0), 4, 32],
            ])
        }));
        let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&damaged(originals), |bytes| {
            let Ok(btf) = Btf::parse(bytes, &WANTED) else { return Ok(()) };
            for name in WANTED {
                for member in ["len", "dev", "head.no_such", "nd_net.net"] {
                    btf.member(name, member);
                }
                btf.enumerator(name, "PKT_HASH_TYPE_L4");
                btf.parameters(name);
                btf.size_of(name);
            }
            btf.functions_only();
            Ok(())
        });
        run.expect("no harm");
    }
}
