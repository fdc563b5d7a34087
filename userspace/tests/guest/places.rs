//! The kernel side keeps counts with the sockets, in as many places as it has. Whatever becomes of the sockets, each sender
//! is charged with what it reads from its error queues.
#![expect(unsafe_code, reason = "another process sends on the same socket between fork and exec")]

use std::{
    io::Read as _,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{self, Command},
    sync::Arc,
    thread,
};

use rustix::{
    net::{AddressFamily, SocketType},
    process::{Resource, Rlimit, setrlimit},
};
use zcdiag_wire::rooms;

use crate::{
    own::Sender,
    socket::{self, ETH_P_ALL},
    watch::{Report, Watch},
    world::{BEHIND_D0, BEHIND_D1, Kernel, ifindex, in_world, kernel},
};

const SIZE: usize = 1000;
const TO: [&str; 2] = [BEHIND_D0, BEHIND_D1];

fn udp() -> Sender {
    Sender::new(AddressFamily::INET, SocketType::DGRAM)
}

/// Zerocopied and copied sends.
type Sends = (u64, u64);

fn sum(all: impl IntoIterator<Item = (u32, u32)>) -> Sends {
    all.into_iter().fold((0, 0), |sum, told| (sum.0 + u64::from(told.0), sum.1 + u64::from(told.1)))
}

/// What the report says of a process.
fn counted(report: &Report, pid: u32) -> Sends {
    let rows = report.list("senders").iter().filter(|row| row["pid"] == pid);
    let number = |row: &serde_json::Value, how: &str| row["sends"][how].as_u64().expect("a number");
    rows.fold((0, 0), |sum, row| (sum.0 + number(row, "zerocopied"), sum.1 + number(row, "copied")))
}

/// Where the kernel may skip a program, which the report then says, fewer may be counted.
#[track_caller]
fn agrees(report: &Report, pid: u32, told: Sends) {
    let counted = counted(report, pid);
    let skips = kernel() == Kernel::Newest || thread::available_parallelism().map_or(1, usize::from) > 1;
    if report.0["exact"] == true || !skips {
        assert_eq!(counted, told, "{:#}", report.0["losses"]);
    } else {
        assert!(
            counted.0 <= told.0 && counted.1 <= told.1,
            "{counted:?} of {told:?}: {:#}",
            report.0["losses"]
        );
    }
}

fn tapped(mut test: impl FnMut() + Send) {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        test();
    });
}

#[test]
fn more_sockets_than_there_are_places() {
    tapped(|| {
        let files = Some(u64::from(rooms::CONNECTIONS) * 2);
        setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).expect("open many sockets");
        let watch = Watch::start(&[]);
        let senders: Vec<Sender> = (0..rooms::CONNECTIONS + 500).map(|_| udp()).collect();
        // Some come back after their place was another's, on the other device.
        let again = 1000;
        let all = senders.iter().zip(TO.iter().cycle());
        let some = senders[..again].iter().zip(TO.iter().cycle().skip(1));
        all.chain(some).for_each(|(sender, to)| sender.send(to, SIZE, 0));
        let told = senders.iter().enumerate();
        let told = sum(told.map(|(number, sender)| sender.told(1 + u32::from(number < again))));
        agrees(&watch.stop(), process::id(), told);
    });
}

/// A new socket lies where one was that is closed, and begins to count anew.
#[test]
fn sockets_that_come_and_go_on_all_cpus() {
    tapped(|| {
        let watch = Watch::start(&[]);
        let one = |number: u32| {
            let (sender, sends) = (udp(), number % 3 + 1);
            (0..sends).for_each(|send| sender.send(TO[((number + send) % 2) as usize], SIZE, 0));
            sender.told(sends)
        };
        let told = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| sum((0..300).map(one)))).collect();
            let sums = threads.into_iter().map(|thread| thread.join().expect("it sends"));
            sums.fold((0, 0), |sum: Sends, sends| (sum.0 + sends.0, sum.1 + sends.1))
        });
        agrees(&watch.stop(), process::id(), told);
    });
}

/// What the kernel joins to one notification may be of several processes.
#[test]
fn processes_that_share_a_stream_are_charged_for_their_own_sends() {
    in_world(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let to = listener.local_addr().expect("its address").to_string();
        let watch = Watch::start(&[]);
        let stream = Arc::new(Sender::new(AddressFamily::INET, SocketType::STREAM));
        let cork = |on: i32| stream.set(libc::IPPROTO_TCP, libc::TCP_CORK, &on.to_ne_bytes());
        stream.connect(&to);
        let (mut peer, _) = listener.accept().expect("accept");
        cork(1);
        let child = |sends: u32| {
            let (stream, to, mut command) = (Arc::clone(&stream), to.clone(), Command::new("true"));
            let send = move || {
                (0..sends).for_each(|_| stream.send(&to, 1000, 0));
                Ok(())
            };
            // SAFETY: it makes system calls on a socket, and asks for no memory.
            unsafe { command.pre_exec(send) };
            let mut child = command.spawn().expect("run true");
            child.wait().expect("it ends");
            child.id()
        };
        stream.send(&to, 1000, 0);
        let two = child(2);
        (0..3).for_each(|_| stream.send(&to, 1000, 0));
        let four = child(4);
        cork(0);
        peer.read_exact(&mut vec![0; 10_000]).expect("read");
        let told = stream.told(10);
        assert_eq!(told, (0, 10), "the receiver is on this machine");
        let report = watch.stop();
        for (pid, sends) in [(process::id(), 4), (two, 2), (four, 4)] {
            agrees(&report, pid, (0, sends));
            let row = report.list("senders").iter().find(|row| row["pid"] == pid).expect("a sender");
            assert!(report.0["exact"] != true || row["bytes"]["copied"] == sends * 1000, "{row:#}");
        }
    });
}

/// Each send is charged to who has made it, also while several do at a time.
#[test]
fn processes_that_share_a_socket_on_all_cpus() {
    tapped(|| {
        let watch = Watch::start(&[]);
        let sender = Arc::new(udp());
        let child = |sends: u32| {
            let (sender, mut command) = (Arc::clone(&sender), Command::new("true"));
            let send = move || {
                (0..sends).for_each(|_| sender.send(BEHIND_D0, SIZE, 0));
                Ok(())
            };
            // SAFETY: it makes system calls on a socket, and asks for no memory.
            unsafe { command.pre_exec(send) };
            let mut child = command.spawn().expect("run true");
            child.wait().expect("it ends");
            child.id()
        };
        let children = thread::scope(|scope| {
            let children: Vec<_> =
                (1..=4).map(|number| scope.spawn(move || (child(number * 5), number * 5))).collect();
            (0..20).for_each(|_| sender.send(BEHIND_D0, SIZE, 0));
            children.into_iter().map(|child| child.join().expect("it sends")).collect::<Vec<_>>()
        });
        let told = sum([sender.told(20 + 5 + 10 + 15 + 20)]);
        assert_eq!(told, (0, 70), "a tap has all of them copied");
        let report = watch.stop();
        agrees(&report, process::id(), (0, 20));
        for (pid, sends) in children {
            agrees(&report, pid, (0, u64::from(sends)));
        }
    });
}
