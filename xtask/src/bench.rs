//! `cargo xtask bench`: what zcdiag costs, beside what people use without it, in one run.

mod cost;
mod crowd;
mod figures;
mod guest;
mod load;
mod scale;
mod soak;
mod start;
mod taps;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `zcdiag taps` on a large machine, beside `ss -0pe` in every namespace and `lsfd`
    Taps(taps::Options),
    /// What the attached programs cost each send and packet, beside bpftrace's, in a guest
    Cost(cost::Options),
    /// How much slower saturated senders are with zcdiag attached, and whether all they send is counted, in a guest
    Load(load::Options),
    /// What each send costs with ever more senders and taps, in a guest
    Scale(scale::Options),
    /// Whether a daemon's memory stays flat under short-lived senders, taps and namespaces, in a guest
    Soak(soak::Options),
    /// How long zcdiag takes until it is attached, beside bpftrace, in a guest
    Start(start::Options),
    /// Be a part of the large machine
    #[command(hide = true)]
    Crowd(crowd::Options),
}

/// The command `cargo xtask bench`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Taps(options) => taps::command(options),
        What::Cost(options) => cost::command(options),
        What::Load(options) => load::command(options),
        What::Scale(options) => scale::command(options),
        What::Soak(options) => soak::command(options),
        What::Start(options) => start::command(options),
        What::Crowd(options) => crowd::be(options),
    }
}
