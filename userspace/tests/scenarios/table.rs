//! The table of causes and kernels: what `cargo xtask test --scenarios` collects, and what the book has of it.

use std::collections::BTreeSet;

use zcdiag::model::cause::CauseId;

use crate::{
    recipes::SCENARIOS,
    scenario::{Expected, Scenario, Sends},
    world::{Kernel, kernel},
};

/// docs/src/scenarios.md
const PAGE: &str = include_str!("../../../docs/src/scenarios.md");
const BEGIN: &str = "<!-- table of scenarios, written by `cargo xtask test --scenarios --write-table` -->";
const END: &str = "<!-- end of the table of scenarios -->";

/// In the order of the table's columns.
const KERNELS: [Kernel; 4] = [Kernel::V5_10, Kernel::V6_1, Kernel::V6_12, Kernel::Newest];

/// Causes that no scenario makes the kernel have, and why.
const WITHOUT_A_SCENARIO: [(CauseId, &str); 5] = [
    (CauseId::UargConflict, "only read in the kernel's source, never seen"),
    (CauseId::UpfrontVsock, "which of its sends are copied is up to how fast the receiver reads"),
    (CauseId::UpfrontFastopen, "the probe connects before it sends; a guest test does not"),
    (CauseId::UpfrontExtension, "the probe sets no IPv6 options; a guest test does"),
    (CauseId::Unknown, "what is known how to make is not unknown"),
];

/// Tells xtask what was seen on this kernel, which is what was expected.
pub(crate) fn show(scenario: &Scenario, sends: &Sends) {
    println!("scenario: {} | {}", row(scenario, sends).join(" | "), sends.expected(kernel()).cell());
}

/// What a row begins with: the cause, of what it is an example, and how much of it `zcdiag check` foresees.
fn row(scenario: &Scenario, sends: &Sends) -> [String; 3] {
    let cause = sends.cause().map_or("none".to_owned(), |cause| format!("`{cause}`"));
    let what = match (scenario.what, sends.what) {
        ("", what) | (what, "") => what.to_owned(),
        (world, sends) => format!("{world}: {sends}"),
    };
    [cause, what, sends.foresight().cell().to_owned()]
}

/// Whether the book has the table that the scenarios' data make.
pub(crate) fn check() -> Result<(), String> {
    let rewrite = "run `cargo xtask test --scenarios --write-table`";
    let table = PAGE.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (table, _) = table.ok_or_else(|| format!("docs/src/scenarios.md has no table: {rewrite}"))?;
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    // The first two lines are the head.
    let found: BTreeSet<Vec<String>> =
        table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect();
    let rows = SCENARIOS.iter().flat_map(|scenario| {
        scenario.sends.iter().map(|sends| {
            let cells = KERNELS.map(|kernel| sends.expected(kernel).cell());
            row(scenario, sends).into_iter().chain(cells).collect::<Vec<_>>()
        })
    });
    let expected: BTreeSet<Vec<String>> = rows.collect();
    if found == expected {
        return Ok(());
    }
    let (missing, extra) = (expected.difference(&found), found.difference(&expected));
    Err(format!(
        "the table of docs/src/scenarios.md is not that of the scenarios: {rewrite}\nmissing: {:#?}\nwrong: {:#?}",
        missing.collect::<Vec<_>>(),
        extra.collect::<Vec<_>>()
    ))
}

/// Whether scenarios can be told apart by their names, and rows by what they say.
pub(crate) fn check_names() -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut rows = BTreeSet::new();
    for scenario in SCENARIOS {
        if !names.insert(scenario.name) {
            return Err(format!("two scenarios {}", scenario.name));
        }
        for sends in scenario.sends {
            let row = row(scenario, sends);
            if !rows.insert(row.clone()) {
                return Err(format!("two rows {row:?}"));
            }
        }
    }
    Ok(())
}

/// Whether every cause has a scenario, but for those that cannot, and scenarios are of causes that there are.
pub(crate) fn check_causes() -> Result<(), String> {
    let expected = SCENARIOS.iter().flat_map(|scenario| scenario.sends).flat_map(|sends| &sends.on);
    let played: BTreeSet<&str> = expected.flat_map(Expected::causes).collect();
    let excused = |cause: &CauseId| WITHOUT_A_SCENARIO.iter().any(|(excused, _)| excused == cause);
    for cause in CauseId::ALL {
        match (played.contains(cause.name()), excused(cause)) {
            (true, false) | (false, true) => {}
            (false, false) => return Err(format!("no scenario makes the kernel copy for {cause}")),
            (true, true) => return Err(format!("{cause} has a scenario and needs no excuse")),
        }
    }
    match played.iter().find(|name| CauseId::named(name).is_none()) {
        Some(name) => Err(format!("a scenario is of {name}, which is no cause")),
        None => Ok(()),
    }
}
