//! Damage for tests of what reads bytes that somebody else made: what a hostile author would try, and what chance does.

use proptest::{prelude::*, sample::Index};

/// Numbers that lengths, offsets and types are fooled by.
const TELLING: [u32; 10] = [0, 1, 3, 4, 15, 16, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX];

/// One thing done to a byte string.
#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    /// A number of 16 or 32 bits, at a multiple of its size.
    Half(Index, u16),
    Word(Index, u32),
    Cut(Index),
    Drop(Index, u8),
    Repeat(Index, u8),
}

/// The bytes of one of `originals`, damaged in one to four places.
pub(crate) fn damaged(originals: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let word = || prop_oneof![prop::sample::select(&TELLING[..]), 0..200_u32, any::<u32>()];
    let damage = prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, to)| Damage::Byte(at, to)),
        3 => (any::<Index>(), word()).prop_map(|(at, to)| Damage::Half(at, (to & 0xffff) as u16)),
        6 => (any::<Index>(), word()).prop_map(|(at, to)| Damage::Word(at, to)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Drop(at, count)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Repeat(at, count)),
    ];
    (prop::sample::select(originals), prop::collection::vec(damage, 1..5)).prop_map(|(mut bytes, damages)| {
        for damage in &damages {
            inflict(damage, &mut bytes);
        }
        bytes
    })
}

fn inflict(damage: &Damage, bytes: &mut Vec<u8>) {
    if bytes.len() < 4 {
        return;
    }
    let range = |at: &Index, count: u8| {
        let from = at.index(bytes.len());
        from..bytes.len().min(from + usize::from(count))
    };
    match damage {
        Damage::Byte(at, to) => {
            let at = at.index(bytes.len());
            bytes[at] = *to;
        }
        Damage::Half(at, to) => {
            let at = at.index(bytes.len() / 2) * 2;
            bytes[at..at + 2].copy_from_slice(&to.to_ne_bytes());
        }
        Damage::Word(at, to) => {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&to.to_ne_bytes());
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Drop(at, count) => drop(bytes.drain(range(at, *count))),
        Damage::Repeat(at, count) => {
            let copy = bytes[range(at, *count)].to_vec();
            bytes.splice(range(at, 0), copy);
        }
    }
}
