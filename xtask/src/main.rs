//! Build, test and demo commands of zcdiag.

mod bench;
#[cfg(test)]
mod circles;
mod demo;
mod dist;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod links;
mod manuals;
mod pictures;
mod project;
mod setup;
mod test;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// Build, test and demo commands of zcdiag.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Run a command in a guest with a Debian kernel.
    Vm(vm::Options),
    /// Measure what zcdiag costs, beside what people use without it
    Bench(bench::Options),
    /// Show what zcdiag does, in a guest
    Demo(demo::Options),
    /// Write manual pages and completions to target/manuals
    Manuals,
    /// Make the book's pictures of the live view and of a report, and compare the page in a browser with its numbers
    Pictures(pictures::Options),
    /// Build packages into target/packages: deb, rpm, and static archives for x86_64 and aarch64
    Dist(dist::Options),
    /// Check and test everything, on the host and on every guest kernel.
    Test(test::Options),
}

fn main() -> ExitCode {
    let (result, failure) = match Command::parse() {
        Command::Vm(options) => (vm::command(&options), vm::FAILURE),
        Command::Bench(options) => (bench::command(&options), 1),
        Command::Demo(options) => (demo::command(&options), 1),
        Command::Manuals => (manuals::command(), 1),
        Command::Pictures(options) => (pictures::command(&options), 1),
        Command::Dist(options) => (dist::command(&options), 1),
        Command::Test(options) => (test::command(&options), 1),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.chain().skip(1).for_each(|cause| eprintln!("  because: {cause}"));
        ExitCode::from(failure)
    })
}
