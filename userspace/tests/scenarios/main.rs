//! Ways in which the kernel copies what was sent with zero copy, or does not: each made to happen in a guest, and
//! what `zcdiag watch` says of it compared with what the sender's error queue says, and with what is expected of
//! that kernel.
//!
//! A scenario is a file in `recipes/`: the world it takes, the sends in it, and for every kernel what becomes of
//! them. `cargo xtask test --scenarios [NAME..]` runs them; what they show is the table of README.md. Outside of a
//! guest only the table is compared.

#[path = "../guest/probe.rs"]
#[allow(dead_code, reason = "shared with the guest tests")]
mod probe;
#[path = "../taps/socket.rs"]
#[allow(dead_code, reason = "shared with the tests of taps")]
mod socket;
#[path = "../guest/watch.rs"]
#[allow(dead_code, reason = "shared with the guest tests")]
mod watch;
#[path = "../guest/world.rs"]
#[allow(dead_code, reason = "shared with the guest tests")]
mod world;
#[path = "../guest/xdp.rs"]
#[allow(dead_code, reason = "shared with the guest tests")]
mod xdp;

mod recipes;
mod run;
mod scenario;
mod stage;
mod table;

use libtest_mimic::{Arguments, Trial};

use crate::recipes::SCENARIOS;

fn main() {
    let in_guest = std::env::var_os("ZCDIAG_GUEST").is_some();
    let scenarios = SCENARIOS.iter().map(|scenario| {
        let trial = Trial::test(scenario.name, || {
            run::run(scenario);
            Ok(())
        });
        trial.with_ignored_flag(!in_guest)
    });
    let mut trials: Vec<Trial> = scenarios.collect();
    if !in_guest {
        trials.push(Trial::test("readme_has_the_table", || table::check().map_err(Into::into)));
        trials.push(Trial::test("names_are_unique", || table::check_names().map_err(Into::into)));
    }
    // Several names can be given, of which libtest_mimic takes but one.
    let (options, names): (Vec<_>, Vec<_>) = std::env::args().partition(|word| word.starts_with('-'));
    let named = |trial: &Trial| names.len() < 2 || names[1..].iter().any(|name| trial.name().contains(name));
    trials.retain(named);
    libtest_mimic::run(&Arguments::from_iter(names.first().into_iter().chain(&options)), trials).exit();
}
