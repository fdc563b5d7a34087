//! Manual pages and completions, for `cargo xtask manuals`: all from the definitions that the program
//! itself goes by.

use std::{fs, io, path::Path};

use clap_complete::{Shell, generate_to};
use clap_mangen::roff::{Roff, bold, roman};

use crate::diagnose::causes::CAUSES;

/// Writes those of `program` below `dir`.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(program: &clap::Command, dir: &Path) -> io::Result<()> {
    let (commands, causes, completions) =
        (dir.join("man/man1"), dir.join("man/man7"), dir.join("completions"));
    for dir in [&commands, &causes, &completions] {
        fs::create_dir_all(dir)?;
    }
    clap_mangen::generate_to(program.clone(), &commands)?;
    fs::write(causes.join("zcdiag-causes.7"), causes_page())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut program.clone(), "zcdiag", &completions)?;
    }
    Ok(())
}

/// `zcdiag-causes(7)`.
fn causes_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["zcdiag-causes", "7", "", env!("CARGO_PKG_VERSION"), "zcdiag"]);
    page.control("SH", ["NAME"]);
    page.text([roman("zcdiag-causes - why MSG_ZEROCOPY sends are copied")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "The causes that zcdiag tells apart, in the order in which they are asked, each with what is to be done \
         about it, best first.",
    )]);
    for cause in CAUSES {
        page.control("SS", [cause.id.name()]);
        page.text([bold(cause.summary)]);
        page.control("PP", []);
        page.text([roman(cause.meaning)]);
        for (title, lines) in [("By hand:", cause.by_hand), ("Cures, best first:", cause.general_remedies())]
        {
            page.control("PP", []);
            page.text([roman(title)]);
            for line in lines {
                page.control("IP", ["-", "2"]);
                page.text([roman(*line)]);
            }
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("zcdiag"), roman("(1), "), bold("zcdiag-watch"), roman("(1)")]);
    page.render()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Args;

    fn tree(dir: &Path) -> Vec<String> {
        let below = |dir: &str, base: &Path| -> Vec<String> {
            let entries = fs::read_dir(base.join(dir)).expect("a directory");
            entries
                .map(|entry| format!("{dir}/{}", entry.expect("a file").file_name().to_string_lossy()))
                .collect()
        };
        ["man/man1", "man/man7", "completions"].iter().flat_map(|part| below(part, dir)).collect()
    }

    #[test]
    fn every_command_has_a_page_and_every_cause_a_section() {
        let dir = tempfile::tempdir().expect("a directory");
        write(&Args::command(), dir.path()).expect("write the manuals");
        let files = tree(dir.path());
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = format!("man/man1/zcdiag-{}.1", command.get_name());
            assert!(files.contains(&page), "{page} among {files:?}");
        }
        for file in
            ["man/man1/zcdiag.1", "completions/zcdiag.bash", "completions/_zcdiag", "completions/zcdiag.fish"]
        {
            assert!(files.contains(&file.to_owned()), "{file} among {files:?}");
        }
        assert!(
            !files.iter().any(|file| file.contains("manuals")),
            "nobody but the project needs that: {files:?}"
        );
        let causes = fs::read_to_string(dir.path().join("man/man7/zcdiag-causes.7")).expect("the page");
        for cause in CAUSES {
            assert!(causes.contains(&format!(".SS {}\n", cause.id)), "{} in {causes}", cause.id);
        }
    }
}
