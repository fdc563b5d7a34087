//! The `zcdiag` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(zcdiag::cli::main())
}
