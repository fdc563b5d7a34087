//! `cargo xtask demo`: the main job on real input, told as a story on the terminal.
//!
//! This half prepares everything and boots a guest; the other half, [`story`], is this same program run in
//! it. Nothing on the host is touched.

mod shell;
pub(crate) mod stage;
mod story;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::project::{Project, run, text};
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, VmOptions};

/// A healthy demo takes a quarter of this, even where the guest is emulated on a busy machine.
const BOUND: Duration = Duration::from_mins(4);

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.12")]
    kernel: Kernel,
    /// Tell the story here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// The command `cargo xtask demo`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        if std::env::var_os(vm::IN_GUEST).is_none() {
            bail!("--inside is for the guest; start the demo with: cargo xtask demo");
        }
        story::tell()?;
        return Ok(ExitCode::SUCCESS);
    }
    options.kernel.need_arch_of_host()?;
    let start = Instant::now();
    let project = Project::find()?;
    prepare(&project, options.kernel)?;

    let programs = project.target.join("release");
    let vm = VmOptions {
        timeout: BOUND,
        tty: io::stdout().is_terminal(),
        cards: true,
        env: vec![
            (vm::IN_GUEST.into(), "1".into()),
            // Users have zcdiag on their path, and a distribution's python3.
            ("PATH".into(), format!("{}:{}", text(&programs)?, vm::SYSTEM_PATH)),
        ],
        ..VmOptions::new(options.kernel)
    };
    let this = std::env::current_exe().context("find this program")?;
    let argv = [text(&this)?, "demo", "--inside"].map(str::to_owned);
    progress("booting the guest");
    let guest = Instant::now();
    let code = vm::run(&project, &vm, &argv)?;
    let (all, guest) = (start.elapsed().as_secs_f64(), guest.elapsed().as_secs_f64());
    progress(&format!("took {all:.1} s, {guest:.1} s of it in the guest, with its boot"));
    Ok(if code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gets and builds what the demo needs. Each step is quick when it was done before.
fn prepare(project: &Project, kernel: Kernel) -> Result<()> {
    progress("building zcdiag");
    setup::ensure(project, Purpose::Build)?;
    run(project.cargo().args(["build", "--release", "--package", "zcdiag"]))?;
    progress(&format!("getting the kernel {} and the guest's programs", kernel.key()));
    setup::ensure(project, Purpose::Guest)?;
    vm::kernels::get(project, kernel)?;
    vm::sysroot::ensure(project, kernel.arch())?;
    Ok(())
}

fn progress(step: &str) {
    eprintln!("demo: {step}");
}
