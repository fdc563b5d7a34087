//! `bundle`.

use std::{io, path::PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::attach::AttachArgs;
use crate::{
    app::{
        bundle::{self, BundleOptions},
        outcome::Outcome,
    },
    model::bundle::Part,
};

#[derive(Debug, clap::Args)]
pub(super) struct BundleArgs {
    /// Write it here; without this a file in the working directory, named by the time. No file is overwritten
    #[arg(short, long, value_name = "FILE", conflicts_with = "list")]
    output: Option<PathBuf>,

    /// Only say what would be in it, and what of that is private
    #[arg(long)]
    list: bool,

    /// Leave this part out; can be repeated
    #[arg(long, value_name = "NAME", value_parser = part())]
    without: Vec<Part>,

    /// The daemon's configuration; without one /etc/zcdiag/zcdiag.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    attach: AttachArgs,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn part() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::name))
        .try_map(|name| Part::ALL.into_iter().find(|part| part.name() == name).ok_or("there is no such part"))
}

pub(super) fn run_bundle(bundle: &BundleArgs) -> Outcome {
    let options = BundleOptions {
        file: bundle.output.clone(),
        list: bundle.list,
        without: bundle.without.clone(),
        config: bundle.config.clone(),
        session: bundle.attach.session(),
        json: bundle.json,
    };
    bundle::run(&options, &mut io::stdout(), &mut io::stderr())
}
