//! Which connections of a process are zero-copy, and which are not.

use std::{
    io::Read as _,
    net::TcpListener,
    process::{self, Command},
};

use rustix::{
    net::{AddressFamily, SocketType},
    process::Signal,
};
use serde_json::Value;

use crate::{
    own::Sender,
    socket::{self, ETH_P_ALL},
    watch::Watch,
    world::{BEHIND_D0, BEHIND_D1, Kernel, ZCDIAG, ifindex, in_world, kernel},
};

fn to<'a>(connections: &'a [Value], remote: &str) -> &'a Value {
    connections
        .iter()
        .find(|row| row["remote"] == remote)
        .unwrap_or_else(|| panic!("{remote} of {connections:#?}"))
}

#[test]
fn sends_are_told_by_connection() {
    // Before 5.12 counts are not kept with the socket.
    if kernel() == Kernel::V5_10 {
        return;
    }
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let local = listener.local_addr().expect("its address").to_string();
        let watch = Watch::start(&[]);
        let [tapped, free] = [BEHIND_D0, BEHIND_D1].map(|remote| {
            let sender = Sender::new(AddressFamily::INET, SocketType::DGRAM);
            sender.connect(remote);
            sender
        });
        let unconnected = Sender::new(AddressFamily::INET, SocketType::DGRAM);
        let stream = Sender::new(AddressFamily::INET, SocketType::STREAM);
        stream.connect(&local);
        let (mut peer, _) = listener.accept().expect("accept");
        for _ in 0..5 {
            tapped.send(BEHIND_D0, 1000, 0);
            unconnected.send(BEHIND_D1, 1000, 0);
        }
        for _ in 0..7 {
            free.send(BEHIND_D1, 1200, 0);
        }
        // Last, so that copied packets which are not seen to go on stay so until the end.
        for _ in 0..5 {
            stream.send(&local, 4000, 0);
            peer.read_exact(&mut [0; 4000]).expect("read");
        }
        let told = [tapped.told(5), free.told(7), unconnected.told(5), stream.told(5)];
        assert_eq!(told, [(0, 5), (7, 0), (5, 0), (0, 5)], "by the error queues");
        let (report, recording) = watch.stop_recorded(Signal::INT);
        report.is_exact();
        let rows: Vec<&Value> =
            report.list("senders").iter().filter(|row| row["pid"] == process::id()).collect();
        let of = |protocol: &str| {
            let row = rows.iter().find(|row| row["protocol"] == protocol).expect("a sender");
            let rest = &row["connections_rest"];
            assert_eq!((&rest["zerocopied"], &rest["copied"]), (&0.into(), &0.into()), "{row:#}");
            row["connections"].as_array().expect("a list").clone()
        };
        let (udp, tcp) = (of("udp"), of("tcp"));
        let row = to(&udp, BEHIND_D0);
        assert_eq!((&row["sends"]["copied"], &row["sends"]["zerocopied"]), (&5.into(), &0.into()), "{row:#}");
        assert_eq!((&row["cause"], &row["device"]["name"]), (&"tap_tx".into(), &"d0".into()), "{row:#}");
        let row = to(&udp, BEHIND_D1);
        assert_eq!((&row["sends"]["zerocopied"], &row["bytes"]["zerocopied"]), (&7.into(), &8_400.into()));
        assert_eq!((&row["cause"], &row["device"]["name"]), (&Value::Null, &"d1".into()), "{row:#}");
        let row = udp.iter().find(|row| row["remote"].is_null()).expect("the one that is not connected");
        assert_eq!(row["sends"]["zerocopied"], 5, "{row:#}");
        let row = to(&tcp, &local);
        assert_eq!(row["sends"]["copied"], 5, "{row:#}");
        assert_eq!(row["cause"], "local_delivery", "{row:#}");
        let text = |by: &str| {
            let mut command = Command::new(ZCDIAG);
            command.args(["report", "--by", by]).arg(recording.path());
            String::from_utf8_lossy(&command.output().expect("run zcdiag report").stdout).into_owned()
        };
        let by = text("connection");
        assert!(by.contains(&format!("> {BEHIND_D0}: zc=y 0, zc=n 5, tap_tx on d0")), "{by}");
        assert!(
            text("destination").contains(&format!("    {BEHIND_D1}: zc=y 7, zc=n 0\n")),
            "{}",
            text("destination")
        );
        assert!(text("device").contains("    d0: zc=y 0, zc=n 5, tap_tx\n"), "{}", text("device"));
    });
}
