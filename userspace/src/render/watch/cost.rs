//! What zcdiag itself has cost, as text and as JSON.

use std::{
    io::{self, Write},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::{
        cost::{Cost, StartTimes},
        fleet::ProgramRow,
    },
    render::json::line,
};

/// What a watch with `-v` or `--budget` has cost: the line before the last one. Times are in seconds.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CostJson<'a> {
    #[schemars(extend("const" = "cost"))]
    r#type: &'static str,
    elapsed_seconds: f64,
    /// CPU time of the process until it was attached.
    attach_cpu_seconds: f64,
    /// The same by the clock.
    start: StartJson,
    /// CPU time of the process since then.
    own_cpu_seconds: f64,
    /// CPU time of all BPF programs; zero if it is not measured.
    bpf_cpu_seconds: f64,
    /// Whether the kernel measured the programs.
    measured: bool,
    /// What was left out to keep to the budget, and what came back, in order.
    left_out: &'a [String],
    programs: Vec<ProgramJson<'a>>,
}

/// How long it took until everything was attached, and where that time went.
#[derive(Serialize, JsonSchema)]
struct StartJson {
    seconds: f64,
    /// Reading what the kernel offers, and deciding what to attach.
    plan_seconds: f64,
    /// Reading the kernel's type information for the loader.
    types_seconds: f64,
    maps_seconds: f64,
    /// Loading programs: the kernel's verifier.
    load_seconds: f64,
    attach_seconds: f64,
}

impl From<StartTimes> for StartJson {
    fn from(start: StartTimes) -> Self {
        Self {
            seconds: start.total.as_secs_f64(),
            plan_seconds: start.plan.as_secs_f64(),
            types_seconds: start.types.as_secs_f64(),
            maps_seconds: start.maps.as_secs_f64(),
            load_seconds: start.load.as_secs_f64(),
            attach_seconds: start.attach.as_secs_f64(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct ProgramJson<'a> {
    program: &'a str,
    runs: u64,
    run_seconds: f64,
    misses: u64,
}

impl<'a> From<&'a ProgramRow> for ProgramJson<'a> {
    fn from(row: &'a ProgramRow) -> Self {
        Self { program: &row.program, runs: row.runs, run_seconds: row.run_seconds, misses: row.misses }
    }
}

pub(super) fn json(out: &mut dyn Write, cost: &Cost, left_out: &[String]) -> io::Result<()> {
    let json = CostJson {
        r#type: "cost",
        elapsed_seconds: cost.elapsed.as_secs_f64(),
        attach_cpu_seconds: cost.attaching.as_secs_f64(),
        start: cost.start.into(),
        own_cpu_seconds: cost.own.as_secs_f64(),
        bpf_cpu_seconds: cost.programs_time().as_secs_f64(),
        measured: cost.measured,
        left_out,
        programs: cost.programs.iter().map(ProgramJson::from).collect(),
    };
    line(out, &json)
}

/// The programs that ran, those that took the most first.
pub(super) fn text(out: &mut dyn Write, cost: &Cost) -> io::Result<()> {
    let StartTimes { total, plan, types, maps, load, attach } = cost.start;
    let seconds = [total, plan, types, maps, load, attach].map(|time| time.as_secs_f64());
    let [total, plan, types, maps, load, attach] = seconds;
    writeln!(
        out,
        "attached in {total:.2} s: {plan:.2} s for the plan, {types:.2} s reading types for the loader, {maps:.2} s making \
         maps, {load:.2} s loading programs, {attach:.2} s attaching them"
    )?;
    let programs = cost.programs_time();
    let percent = 100.0 * cost.spent().as_secs_f64() / cost.elapsed.as_secs_f64().max(1e-9);
    write!(
        out,
        "zcdiag itself took {:.2} s of CPU time to attach, and {percent:.2} % of a CPU in {:.1} s: {:.3} s",
        cost.attaching.as_secs_f64(),
        cost.elapsed.as_secs_f64(),
        cost.own.as_secs_f64()
    )?;
    if !cost.measured {
        return writeln!(out, "; the kernel does not measure BPF programs for it (CAP_SYS_ADMIN)");
    }
    writeln!(out, ", and {:.3} s in BPF programs", programs.as_secs_f64())?;
    let mut rows: Vec<&ProgramRow> = cost.programs.iter().filter(|row| row.runs > 0).collect();
    rows.sort_by(|one, other| other.run_seconds.total_cmp(&one.run_seconds));
    for row in rows {
        let each = Duration::from_secs_f64(row.run_seconds).as_nanos() / u128::from(row.runs);
        writeln!(out, "  {:<24} {:>10} runs {each:>8} ns each", row.program, row.runs)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(measured: bool) -> Cost {
        let row = |program: &str, runs, run_seconds| ProgramRow {
            program: program.to_owned(),
            runs,
            run_seconds,
            misses: 0,
        };
        Cost {
            elapsed: Duration::from_secs(10),
            attaching: Duration::from_millis(300),
            start: StartTimes {
                total: Duration::from_millis(900),
                load: Duration::from_millis(500),
                ..StartTimes::default()
            },
            own: Duration::from_millis(50),
            programs: vec![row("idle", 0, 0.0), row("small", 10, 0.01), row("large", 20, 0.04)],
            measured,
        }
    }

    #[test]
    fn the_dearest_program_comes_first_and_those_that_never_ran_not_at_all() {
        let mut out = Vec::new();
        text(&mut out, &cost(true)).expect("write to memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(
            text.starts_with("attached in 0.90 s: 0.00 s for the plan,")
                && text.contains(" 0.50 s loading programs"),
            "{text}"
        );
        let (_, text) = text.split_once('\n').expect("a second line");
        assert!(
            text.starts_with("zcdiag itself took 0.30 s of CPU time to attach, and 1.00 % of a CPU in 10.0 s: 0.050 s, and 0.050 s in BPF"),
            "{text}"
        );
        let lines: Vec<&str> = text.lines().skip(1).map(str::trim_start).collect();
        assert!(lines[0].starts_with("large") && lines[0].ends_with("2000000 ns each"), "{text}");
        assert!(lines[1].starts_with("small") && lines.len() == 2, "{text}");
    }

    #[test]
    fn what_is_not_measured_is_not_called_nothing() {
        let mut out = Vec::new();
        text(&mut out, &cost(false)).expect("write to memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.contains("does not measure BPF programs") && text.lines().count() == 2, "{text}");
    }
}
