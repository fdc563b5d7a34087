//! The causes of copies, one file each: how it is recognised, the sentences for the user, the remedies. They are
//! listed in `every_cause`.

use super::{cause::Cause, evidence::Evidence};
use crate::model::cause::{CauseId, every_cause};

macro_rules! files {
    ($($file:ident $id:ident,)+) => {
        $(pub(crate) mod $file;)+

        /// In the order in which they are asked.
        pub const CAUSES: &[&Cause] = &[$(&$file::CAUSE),+];

        $(const _: () = assert!(matches!($file::CAUSE.id, CauseId::$id), concat!("of another cause: ", stringify!($file)));)+
    };
}
every_cause!(files);

/// What is known of a cause.
pub fn of(id: CauseId) -> &'static Cause {
    CAUSES[id as usize]
}

/// The cause of a copy.
pub fn classify(evidence: &Evidence<'_>) -> &'static Cause {
    CAUSES.iter().find(|cause| (cause.recognises)(evidence)).copied().unwrap_or(&unknown::CAUSE)
}

#[cfg(test)]
mod tests {
    use zcdiag_wire::SiteKind;

    use super::*;
    use crate::{
        diagnose::{cause::Example, evidence::copy_path},
        model::socket::{INET, TCP},
    };

    #[test]
    fn every_example_has_its_cause() {
        for cause in CAUSES {
            assert_eq!(of(cause.id).id, cause.id);
            assert!(!cause.examples.is_empty(), "{}", cause.id);
            for example in cause.examples {
                let Example { kind, family, protocol, stack } = *example;
                let stack: Vec<String> = stack.iter().map(|frame| (*frame).to_owned()).collect();
                let found = classify(&Evidence { kind, family, protocol, path: &copy_path(&stack) });
                assert_eq!(found.id, cause.id, "{example:?}");
            }
        }
    }

    #[test]
    fn the_receive_path_is_told_by_where_the_packet_went_next() {
        let path = &["skb_copy_ubufs", "__netif_receive_skb_core", "__netif_receive_skb_one_core"];
        let evidence = Evidence { kind: SiteKind::STACK, family: INET, protocol: TCP, path };
        assert_eq!(classify(&evidence).id, CauseId::Unknown, "it went nowhere known: no guess");
    }
}
