//! Which functions of the hook table a kernel has. Pure.

use super::{
    hooks::{self, HOOKS},
    plan::Offer,
};

/// Where a function was found, and so how it can be hooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In BTF.
    Btf,
    /// Only among the symbols.
    Symbols,
    /// In a module that is loaded.
    Module,
    /// It is a tracepoint: whether it is there, attaching tells.
    Tracepoint,
}

impl Place {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btf => "btf",
            Self::Symbols => "symbols",
            Self::Module => "module",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// Every function that is asked for, in the order of the table, and where it is; `None` for one that was not found.
pub fn found(offer: &Offer<'_>) -> Vec<(&'static str, Option<Place>)> {
    let mut all: Vec<(&'static str, Option<Place>)> = Vec::new();
    for function in hooks::functions() {
        if all.iter().any(|(known, _)| *known == function) {
            continue;
        }
        let hook = HOOKS.iter().find(|hook| hook.functions.contains(&function));
        let module = hook.and_then(|hook| hook.module);
        let place = if hook.is_some_and(|hook| hook.is_tracepoint) {
            Some(Place::Tracepoint)
        } else if (offer.parameters)(function).is_some() {
            Some(Place::Btf)
        } else if (offer.has_symbol)(function) {
            Some(module.map_or(Place::Symbols, |_| Place::Module))
        } else {
            // Symbols may be hidden.
            module.filter(|module| (offer.has_module)(module)).map(|_| Place::Module)
        };
        all.push((function, place));
    }
    all
}
