//! The causes of copies, by name.

use std::{cmp::Ordering, fmt};

use schemars::JsonSchema;
use serde::Serialize;

/// Hands all causes to the macro `$then`, in the order in which they are asked: the first that recognises a copy
/// wins. Each is the name that it has in every output, which is also that of its file in `diagnose/causes/`, and its
/// [`CauseId`].
macro_rules! every_cause {
    ($then:ident) => {
        $then! {
            tap_tx TapTx,
            tap_rx TapRx,
            mirred_ingress MirredIngress,
            mcast_loop McastLoop,
            broadcast_loop BroadcastLoop,
            rx_forward RxForward,
            rx_dropped RxDropped,
            local_delivery LocalDelivery,
            tun Tun,
            tx_timestamp TxTimestamp,
            uarg_conflict UargConflict,
            netem_corrupt NetemCorrupt,
            nfqueue Nfqueue,
            ovs_upcall OvsUpcall,
            wireguard Wireguard,
            ipsec Ipsec,
            generic_xdp GenericXdp,
            native_xdp NativeXdp,
            ip_fragment IpFragment,
            sw_checksum SwChecksum,
            sw_gso_no_csum SwGsoNoCsum,
            no_sg NoSg,
            driver_linearize DriverLinearize,
            filter_pull FilterPull,
            upfront_fastopen UpfrontFastopen,
            upfront_extension UpfrontExtension,
            upfront_frag UpfrontFrag,
            upfront_cork UpfrontCork,
            upfront_dev UpfrontDev,
            upfront_ipsec UpfrontIpsec,
            upfront_tcp UpfrontTcp,
            upfront_vsock UpfrontVsock,
            unknown Unknown,
        }
    };
}
pub(crate) use every_cause;

macro_rules! ids {
    ($($name:ident $id:ident,)+) => {
        /// A cause of copies. `zcdiag causes` says what each is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
        #[serde(into = "&'static str")]
        #[schemars(inline)]
        #[expect(missing_docs, reason = "each has a file that says what it is")]
        pub enum CauseId {
            $($id,)+
        }

        impl CauseId {
            /// All, in the order in which they are asked.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// Its name in every output.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$id => stringify!($name),)+
                }
            }
        }
    };
}
every_cause!(ids);

impl CauseId {
    /// That of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }
}

/// Nothing is known of it yet.
impl Default for CauseId {
    fn default() -> Self {
        Self::Unknown
    }
}

/// By name.
impl Ord for CauseId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for CauseId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for CauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<CauseId> for &'static str {
    fn from(cause: CauseId) -> Self {
        cause.name()
    }
}
