//! The mirror of a packet socket and the verdict on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::process::ProcessIdentityMirror;
use crate::model::{
    device::DeviceId,
    netns::Netns,
    path::{Hop, Passage},
    process::ProcessIdentity,
    program::KnownProgram,
    remedy::Remedy,
    tap::{
        Binding, Fanout, FanoutGroup, Harm, Holder, JudgedTap, PacketProtocol, PacketSocketType, Tap,
        TapJudgement, TapVerdict,
    },
};

#[derive(Serialize, Deserialize)]
#[serde(remote = "JudgedTap")]
pub(super) struct JudgedTapMirror {
    #[serde(with = "TapMirror")]
    tap: Tap,
    #[serde(with = "TapJudgementMirror")]
    judgement: TapJudgement,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tap")]
struct TapMirror {
    inode: u64,
    #[serde(with = "holders")]
    holders: Vec<Holder>,
    #[serde(with = "NetnsMirror")]
    netns: Netns,
    #[serde(with = "BindingMirror")]
    binding: Binding,
    #[serde(with = "PacketProtocolMirror")]
    protocol: PacketProtocol,
    #[serde(with = "PacketSocketTypeMirror")]
    socket_type: PacketSocketType,
    running: bool,
    ignore_outgoing: Option<bool>,
    #[serde(with = "FanoutMirror")]
    fanout: Fanout,
    ring: Option<bool>,
    filter: Option<bool>,
    promiscuous: Option<bool>,
    uid: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct HolderMirror(#[serde(with = "HolderFields")] Holder);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Holder")]
struct HolderFields {
    #[serde(with = "ProcessIdentityMirror")]
    process: ProcessIdentity,
    fd: Option<u32>,
    age: Option<Duration>,
}

/// Lists of what has a mirror: serde takes the mirror of an item only within a type of its own.
macro_rules! list_of {
    ($module:ident, $type:ident, $mirror:ident) => {
        mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer};

            use super::{$mirror, $type};

            pub(super) fn serialize<S: Serializer>(list: &[$type], serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(list.iter().cloned().map($mirror))
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<$type>, D::Error> {
                let list = Vec::<$mirror>::deserialize(from)?;
                Ok(list.into_iter().map(|mirror| mirror.0).collect())
            }
        }
    };
}

list_of!(holders, Holder, HolderMirror);
list_of!(harms, Harm, HarmMirror);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Netns")]
struct NetnsMirror {
    inum: u32,
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Binding", rename_all = "snake_case")]
enum BindingMirror {
    Any,
    Device { ifindex: u32, name: Option<String> },
    Gone,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PacketProtocol")]
struct PacketProtocolMirror(u16);

#[derive(Serialize, Deserialize)]
#[serde(remote = "PacketSocketType", rename_all = "snake_case")]
enum PacketSocketTypeMirror {
    Raw,
    Dgram,
    Packet,
    Other(u8),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Fanout", rename_all = "snake_case")]
enum FanoutMirror {
    None,
    Member(#[serde(with = "FanoutGroupMirror")] FanoutGroup),
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FanoutGroup")]
struct FanoutGroupMirror {
    id: u16,
    mode: u8,
    flag: Option<bool>,
    ignores_outgoing: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TapJudgement")]
struct TapJudgementMirror {
    #[serde(with = "TapVerdictMirror")]
    verdict: TapVerdict,
    reason: String,
    remedies: Vec<Remedy>,
    notes: Vec<String>,
    program: Option<KnownProgram>,
    #[serde(with = "harms")]
    harms: Vec<Harm>,
}

#[derive(Serialize, Deserialize)]
struct HarmMirror(#[serde(with = "HarmFields")] Harm);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Harm")]
struct HarmFields {
    #[serde(with = "DeviceIdMirror")]
    from: DeviceId,
    #[serde(with = "HopMirror")]
    at: Hop,
    #[serde(with = "TapVerdictMirror")]
    verdict: TapVerdict,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Hop")]
struct HopMirror {
    #[serde(with = "DeviceIdMirror")]
    device: DeviceId,
    #[serde(with = "PassageMirror")]
    passage: Passage,
    certain: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Passage", rename_all = "snake_case")]
enum PassageMirror {
    Out,
    In { taken: bool },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "DeviceId")]
struct DeviceIdMirror {
    netns: u32,
    ifindex: u32,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TapVerdict", rename_all = "snake_case")]
enum TapVerdictMirror {
    Offending,
    Unknown,
    Harmless,
}
