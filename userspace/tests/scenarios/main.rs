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

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{recipes::SCENARIOS, run::Played, scenario::Scenario, watch::Watch, world::run as run_program};

/// What is hooked only where it is there when a watch starts.
const MODULES: &str = "--all act_mirred veth";

fn main() {
    // Several names can be given, of which libtest_mimic takes but one.
    let (options, names): (Vec<_>, Vec<_>) = std::env::args().partition(|word| word.starts_with('-'));
    let arguments = Arguments::from_iter(names.first().into_iter().chain(&options));
    let named = |name: &str| names.len() < 2 || names[1..].iter().any(|part| name.contains(part));
    let in_guest = std::env::var_os("ZCDIAG_GUEST").is_some();
    let trials = if arguments.list || !in_guest {
        on_host().into_iter().filter(|trial| named(trial.name())).collect()
    } else {
        let scenarios: Vec<_> = SCENARIOS.iter().copied().filter(|scenario| named(scenario.name)).collect();
        if scenarios.is_empty() { Vec::new() } else { in_guest_trials(&scenarios) }
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// Nothing but the table can be compared.
fn on_host() -> Vec<Trial> {
    let scenarios =
        SCENARIOS.iter().map(|scenario| Trial::test(scenario.name, || Ok(())).with_ignored_flag(true));
    let table = [
        Trial::test("readme_has_the_table", || table::check().map_err(Into::into)),
        Trial::test("names_are_unique", || table::check_names().map_err(Into::into)),
    ];
    scenarios.chain(table).collect()
}

/// Plays all of them under one watch, and makes a trial of each.
fn in_guest_trials(scenarios: &[&'static Scenario]) -> Vec<Trial> {
    run_program("modprobe", MODULES);
    let watch = Watch::start(&[]);
    let played = scenarios.iter().map(|scenario| {
        println!("\n{}", scenario.name);
        (scenario.name, catch_unwind(AssertUnwindSafe(|| run::play(scenario))))
    });
    let (good, bad): (Vec<_>, Vec<_>) =
        played.collect::<Vec<_>>().into_iter().partition(|(_, played)| played.is_ok());
    let report = Arc::new(watch.stop());
    let mut trials = Vec::new();
    for (name, _) in &bad {
        trials.push(Trial::test(*name, || {
            Err(Failed::from("its sends went otherwise than expected, see above"))
        }));
    }
    let good: Arc<Vec<Played>> = Arc::new(good.into_iter().filter_map(|(_, played)| played.ok()).collect());
    for index in 0..good.len() {
        let (good, report) = (Arc::clone(&good), Arc::clone(&report));
        trials.push(Trial::test(good[index].name(), move || {
            good[index].judge(&report);
            Ok(())
        }));
    }
    if bad.is_empty() {
        trials.push(Trial::test("the_watch_is_exact", move || {
            run::judge_all(&good, &report);
            Ok(())
        }));
    }
    trials
}
