//! The story itself. Every output is real, and an output that contradicts the story ends it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use super::shell::{heading, run, say};
use super::stage::{self, DEVICE, Tapper};

/// The directory a user would be in.
const HOME: &str = "/tmp/demo";
const SENDER_FILE: &str = "send.py";
const SENDER: &str = include_str!("send.py");
const SEND: &str = "python3 send.py 10.0.0.2 9000";
/// Bytes of sends to compare.
const SIZES: &str = "1024,16384,65536,262144";
const RECEIVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 9000);

/// What the sender reports when all went well, and when nothing did.
const ALL_ZEROCOPIED: &str = "zc=y 100, zc=n 0";
const ALL_COPIED: &str = "zc=y 0, zc=n 100";

/// Tells it, in the guest.
pub(super) fn tell() -> Result<()> {
    std::fs::create_dir_all(HOME).with_context(|| format!("create {HOME}"))?;
    std::env::set_current_dir(HOME).with_context(|| format!("enter {HOME}"))?;
    std::fs::write(SENDER_FILE, SENDER).with_context(|| format!("write {SENDER_FILE}"))?;
    stage::lay_cable()?;
    stage::receive(RECEIVER)?;

    let kernel = rustix::system::uname();
    let kernel = kernel.release().to_string_lossy();
    say(&format!("This is a guest with Linux {kernel}; {DEVICE} is its cable to another host."))?;

    heading("1. Zero copy works")?;
    say("A Python program sends to the other host with MSG_ZEROCOPY, and is told by the\n\
         kernel of every send whether its data was copied after all (zc=n) or not (zc=y).")?;
    sends(SEND, ALL_ZEROCOPIED)?;

    let (dhclient, _lldpd) = taps_appear()?;

    heading("3. The cure, and nothing is stopped")?;
    say("zcdiag sets one flag of dhclient's socket, reads it back and says how to undo it.")?;
    let muted = run(&format!("zcdiag mute {}", dhclient.pid))?;
    expect(&muted, "unmute")?;
    let watched = sends(&format!("zcdiag watch -- {SEND}"), ALL_ZEROCOPIED)?;
    expect(&watched, "zc=y: 100 sends of python3")?;
    say("All sends are zero-copy again, and dhclient still holds its lease.")?;

    heading("4. What it brings")?;
    say("Copying and zero copy by turns to the same receiver. A small send costs more with\n\
         zero copy than without: whether and from where on it pays, only this way can tell.")?;
    let compared = run(&format!("zcdiag probe {RECEIVER} --compare --size {SIZES}"))?;
    expect(&compared, "SPEED")
}

fn taps_appear() -> Result<(Tapper, Tapper)> {
    heading("2. Two daemons start, and every send is copied")?;
    say("A DHCP client and an LLDP daemon, as on many servers.")?;
    run(&format!("dhclient -q -nw {DEVICE}"))?;
    let dhclient = Tapper::appear("dhclient")?;
    run(&format!("lldpd -I {DEVICE}"))?;
    let mut lldpd = Tapper::appear("lldpd")?;
    let dhclient_name = format!("dhclient (pid {})", dhclient.pid);

    sends(SEND, ALL_COPIED)?;
    say("The program is told that the kernel copied (zc=n), but not why. zcdiag says it:")?;
    let watched = sends(&format!("zcdiag watch -- {SEND}"), ALL_COPIED)?;
    lldpd.look_again("lldpd")?;
    let lldpd_name = format!("lldpd (pid {})", lldpd.pid);
    expect(&watched, "zc=n: all 100 sends of python3")?;
    expect(&watched, &format!("{dhclient_name} taps {DEVICE}"))?;
    expect(&watched, &format!("tap_tx on {DEVICE}: 100 sends"))?;
    ensure!(!watched.contains(&lldpd_name), "it blames {lldpd_name}, which ignores outgoing packets");

    say("zcdiag taps needs no traffic, and knows the harmful daemon from the harmless:")?;
    let taps = run("zcdiag taps --all")?;
    let (offending, harmless) =
        taps.split_once("Harmless packet sockets").context("zcdiag taps lists no harmless packet socket")?;
    expect(offending, &format!("{dhclient_name} on {DEVICE}"))?;
    ensure!(!offending.contains(&lldpd_name), "it blames {lldpd_name}, which ignores outgoing packets");
    expect(harmless, &format!("{lldpd_name} on {DEVICE}"))?;
    Ok((dhclient, lldpd))
}

/// Runs a command that runs the sender, which must report `result`.
fn sends(line: &str, result: &str) -> Result<String> {
    let output = run(line)?;
    expect(&output, &format!("100 sends of 16384 bytes: {result}"))?;
    Ok(output)
}

fn expect(output: &str, words: &str) -> Result<()> {
    ensure!(output.contains(words), "the story did not come out: the last output should say \"{words}\"");
    Ok(())
}
