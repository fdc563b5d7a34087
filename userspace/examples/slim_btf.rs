//! Cuts a kernel's BTF down to what zcdiag looks at, for the tests: `slim_btf < vmlinux > slim`.
//!
//! Keeps the structs, enums and functions that zcdiag asks for, with all their members and parameters and with the
//! structs that lie within them; every other type becomes an `int`.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read as _, Write as _},
};

use zcdiag::{attach::hooks, kernel::offsets};

const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
/// typedef, volatile, const, restrict, type tag: they only name another type.
const ALIASES: [u32; 5] = [8, 9, 10, 11, 18];
/// Number of the one `int` in the result.
const INT: u32 = 1;

fn word(data: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(data[at..at + 4].try_into().expect("four bytes"))
}

struct Source {
    data: Vec<u8>,
    types: Vec<usize>,
    strings: usize,
}

impl Source {
    fn parse(data: Vec<u8>) -> Self {
        let header = word(&data, 4) as usize;
        let (mut at, end) = (header, header + word(&data, 12) as usize);
        let strings = header + word(&data, 16) as usize;
        let mut types = vec![0];
        while at < end {
            types.push(at);
            let info = word(&data, at + 4);
            let vlen = (info & 0xffff) as usize;
            at += 12
                + match info >> 24 & 0x1f {
                    1 | 14 | 17 => 4,
                    3 => 12,
                    4 | 5 | 15 | 19 => vlen * 12,
                    6 | 13 => vlen * 8,
                    _ => 0,
                };
        }
        Self { data, types, strings }
    }

    fn kind(&self, id: u32) -> u32 {
        word(&self.data, self.types[id as usize] + 4) >> 24 & 0x1f
    }

    fn name(&self, offset: u32) -> &[u8] {
        let name = &self.data[self.strings + offset as usize..];
        &name[..name.iter().position(|byte| *byte == 0).expect("terminated")]
    }

    /// The struct or union that a member's type is, behind its aliases.
    fn aggregate(&self, mut id: u32) -> Option<u32> {
        while id != 0 && ALIASES.contains(&self.kind(id)) {
            id = word(&self.data, self.types[id as usize] + 8);
        }
        (id != 0 && matches!(self.kind(id), STRUCT | UNION)).then_some(id)
    }

    fn members(&self, id: u32) -> impl Iterator<Item = usize> {
        let at = self.types[id as usize];
        (0..(word(&self.data, at + 4) & 0xffff) as usize).map(move |index| at + 12 + index * 12)
    }
}

fn main() -> io::Result<()> {
    let mut data = Vec::new();
    io::stdin().read_to_end(&mut data)?;
    let source = Source::parse(data);
    let functions: Vec<&str> = hooks::functions().collect();
    let types = offsets::types();

    // New numbers, in the order in which types are found.
    let mut new: BTreeMap<u32, u32> = BTreeMap::new();
    let mut queue: VecDeque<u32> = (1..source.types.len())
        .filter_map(|id| u32::try_from(id).ok())
        .filter(|id| {
            let name = source.name(word(&source.data, source.types[*id as usize]));
            let wanted = |names: &[&str]| names.iter().any(|wanted| wanted.as_bytes() == name);
            match source.kind(*id) {
                STRUCT | ENUM => wanted(&types),
                FUNC => wanted(&functions),
                _ => false,
            }
        })
        .collect();
    let mut order = Vec::new();
    while let Some(id) = queue.pop_front() {
        let number = INT + 1 + u32::try_from(order.len()).expect("few types");
        if new.contains_key(&id) {
            continue;
        }
        new.insert(id, number);
        order.push(id);
        match source.kind(id) {
            FUNC => queue.push_back(word(&source.data, source.types[id as usize] + 8)),
            STRUCT | UNION => {
                let types = source.members(id).map(|at| word(&source.data, at + 4));
                queue.extend(types.filter_map(|member| source.aggregate(member)));
            }
            _ => {}
        }
    }

    let mut strings = vec![0_u8];
    let mut types: Vec<u32> = vec![0, 1 << 24, 4, 32];
    let mut intern = |name: &[u8]| {
        if name.is_empty() {
            return 0;
        }
        let offset = u32::try_from(strings.len()).expect("short names");
        strings.extend(name);
        strings.push(0);
        offset
    };
    for id in order {
        let at = source.types[id as usize];
        let word = |offset: usize| word(&source.data, at + offset);
        types.extend([intern(source.name(word(0))), word(4)]);
        match source.kind(id) {
            FUNC => types.push(new[&word(8)]),
            ENUM => {
                types.push(word(8));
                for entry in (0..(word(4) & 0xffff) as usize).map(|index| 12 + index * 8) {
                    let name = intern(source.name(word(entry)));
                    types.extend([name, word(entry + 4)]);
                }
            }
            FUNC_PROTO => {
                types.push(0);
                types.extend((0..word(4) & 0xffff).flat_map(|_| [0, INT]));
            }
            _ => {
                types.push(word(8));
                for member in source.members(id) {
                    let at = |offset| self::word(&source.data, member + offset);
                    let target = source.aggregate(at(4)).map_or(INT, |aggregate| new[&aggregate]);
                    types.extend([intern(source.name(at(0))), target, at(8)]);
                }
            }
        }
    }
    let length = u32::try_from(types.len() * 4).expect("small");
    let mut out = Vec::new();
    out.extend(0xeb9f_u16.to_ne_bytes());
    out.extend([1, 0]);
    for field in [24, 0, length, length, u32::try_from(strings.len()).expect("small")] {
        out.extend(field.to_ne_bytes());
    }
    out.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
    out.extend(&strings);
    io::stdout().write_all(&out)
}
