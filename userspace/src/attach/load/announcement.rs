//! What the kernel side announces through its ring buffer.

use bytemuck::pod_read_unaligned;
use zcdiag_wire::{Rare, TapEvent};

/// What comes out of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A sender or a site that is new.
    Rare(Rare),
    /// Something happened to a packet socket.
    Tap(TapEvent),
}

/// They are told apart by their length.
const _: () = assert!(size_of::<Rare>() != size_of::<TapEvent>());

impl Announcement {
    /// An announcement as it came out of the ring buffer; `None` if it is none of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() == size_of::<Rare>() {
            Some(Self::Rare(pod_read_unaligned(bytes)))
        } else if bytes.len() == size_of::<TapEvent>() {
            Some(Self::Tap(pod_read_unaligned(bytes)))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_of_another_size_is_refused() {
        let rare = Rare { kind: 1, ..Rare::default() };
        let event = TapEvent { kind: 1, ..TapEvent::default() };
        let bytes = bytemuck::bytes_of(&rare);
        assert_eq!(Announcement::decode(bytes), Some(Announcement::Rare(rare)));
        assert_eq!(Announcement::decode(bytemuck::bytes_of(&event)), Some(Announcement::Tap(event)));
        assert_eq!(Announcement::decode(&bytes[1..]), None);
        assert_eq!(Announcement::decode(&[]), None);
    }
}
