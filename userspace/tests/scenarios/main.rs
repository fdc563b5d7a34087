//! Ways in which the kernel copies what was sent with zero copy, or does not: each made to happen in a guest, and
//! what `zcdiag watch` says of it compared with what the sender's error queue says, and with what is expected of
//! that kernel.
//!
//! A scenario is a file in `recipes/`: the world it takes, the sends in it, and for every kernel what becomes of
//! them. `cargo xtask test --scenarios [NAME..]` runs them; what they show is the table of docs/src/scenarios.md. Outside of a
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

mod evidence;
mod foreseen;
mod recipes;
mod run;
mod scenario;
mod stage;
mod table;

use std::{panic::catch_unwind, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::{
    recipes::SCENARIOS,
    run::Played,
    scenario::Scenario,
    watch::{Report, Watch},
    world::{run as run_program, trampolines},
};

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

/// The table can be compared, and the verdict be made again on what was recorded in guests.
fn on_host() -> Vec<Trial> {
    let scenarios =
        SCENARIOS.iter().map(|scenario| Trial::test(scenario.name, || Ok(())).with_ignored_flag(true));
    let table = [
        Trial::test("the_book_has_the_table", || table::check().map_err(Into::into)),
        Trial::test("names_are_unique", || table::check_names().map_err(Into::into)),
        Trial::test("every_cause_has_a_scenario", || table::check_causes().map_err(Into::into)),
    ];
    scenarios.chain(table).chain(evidence::trials()).collect()
}

/// Scenarios that have been played under one watch.
struct Show {
    good: Vec<Played>,
    /// Whose sends went otherwise than expected.
    bad: Vec<&'static str>,
    report: Report,
    recording: NamedTempFile,
}

fn play(scenarios: &[&'static Scenario]) -> Show {
    let watch = Watch::start(&[]);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        println!("\n{}", scenario.name);
        match catch_unwind(|| run::play(scenario)) {
            Ok(played) => good.push(played),
            Err(_) => bad.push(scenario.name),
        }
    }
    let (report, recording) = watch.stop_recorded(Signal::INT);
    Show { good, bad, report, recording }
}

/// Whether the kernel did not run a program because one was running already.
fn has_missed_events(report: &Report) -> bool {
    let losses = report.0["losses"].as_object();
    losses.is_some_and(|losses| losses.contains_key("missed_events"))
}

/// They take what send calls return, which only trampolines see, or cards that only guests of amd64 have: where there are
/// trampolines in all guests.
const OF_AMD64: [&str; 6] =
    ["device_without_checksum", "full", "io_uring", "nic", "nic_tapped", "driver_linearize"];

/// Plays all of them, and makes a trial of each.
fn in_guest_trials(scenarios: &[&'static Scenario]) -> Vec<Trial> {
    run_program("modprobe", MODULES);
    let seen = |scenario: &&&Scenario| trampolines() || !OF_AMD64.contains(&scenario.name);
    let scenarios: Vec<&'static Scenario> = scenarios.iter().filter(seen).copied().collect();
    let scenarios = scenarios.as_slice();
    let mut show = play(scenarios);
    // A preemptible kernel may skip programs while a map is read; then the watch says "at least", and is no judge.
    if has_missed_events(&show.report) {
        println!("\nevents were missed, and the watch says so; once more");
        show = play(scenarios);
    }
    evidence::show(show.recording.path(), &show.good);
    println!("\nforeseen by check: {}", foreseen::tally(show.good.iter().flat_map(Played::sends)));
    let failed =
        |name| Trial::test(name, || Err(Failed::from("its sends went otherwise than expected, see above")));
    let mut trials: Vec<Trial> = show.bad.iter().copied().map(failed).collect();
    let all_good = show.bad.is_empty();
    let show = Arc::new(show);
    for index in 0..show.good.len() {
        let played = Arc::clone(&show);
        trials.push(Trial::test(show.good[index].name(), move || {
            played.good[index].judge(&played.report);
            played.good[index].show();
            Ok(())
        }));
    }
    if all_good {
        trials.push(Trial::test("the_watch_is_exact", move || {
            run::judge_all(&show.good, &show.report);
            Ok(())
        }));
    }
    trials
}
