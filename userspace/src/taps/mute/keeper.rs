//! Mutes the taps of listed programs whenever they open, and gives back what it has muted.

use std::collections::BTreeSet;

use super::{Wish, apply, carry_out_all, list::List, notes::Notes};
use crate::{
    model::{
        kernel::TapListScope,
        mute::{MuteAction, MuteOutcome, MuteRequest, MuteResult, MuteTarget, Refusal},
        program::KnownProgram,
        tap::{JudgedTap, Tap, TapVerdict},
    },
    process::ProcRoot,
    taps::{
        inventory::Inventory,
        programs,
        verdict::{grounds, judge},
    },
};

/// So many sockets are remembered before those are forgotten that are not seen any more.
const MOST: usize = 1024;

/// Who looks at all taps again and again, and remembers what was done about them.
#[derive(Debug)]
pub struct Keeper {
    scope: TapListScope,
    proc: ProcRoot,
    notes: Notes,
    /// Inodes of the taps that were muted here.
    muted: BTreeSet<u64>,
    /// Those of them that the last look saw.
    seen: BTreeSet<u64>,
    /// Inodes of those of which it was said that they cannot be.
    refused: BTreeSet<u64>,
}

impl Keeper {
    /// One that has muted nothing yet.
    pub fn new(scope: TapListScope, proc: ProcRoot, notes: Notes) -> Self {
        Self { scope, proc, notes, muted: BTreeSet::new(), seen: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// Mutes what is listed and makes sends copy; gives what was done, and, once for each tap, what could not be.
    pub fn look(&mut self, list: &List, inventory: &Inventory) -> Vec<MuteResult> {
        let open: BTreeSet<u64> = inventory.taps.iter().map(|tap| tap.inode).collect();
        self.refused.retain(|inode| open.contains(inode));
        self.seen = self.muted.intersection(&open).copied().collect();
        if self.muted.len() >= MOST {
            self.muted.retain(|inode| open.contains(inode));
        }
        let copies = |tap: &&Tap| grounds(tap, self.scope).0 != TapVerdict::Harmless;
        let listed: Vec<&Tap> = inventory.taps.iter().filter(|tap| list.has(tap)).filter(copies).collect();
        let mut results = Vec::new();
        for tap in listed {
            let result = match inventory.programs.harmed(tap) {
                Some(program) => vec![self.harmed(tap, program, inventory)],
                None => apply(
                    MuteTarget::Inode(tap.inode),
                    self.request(MuteAction::Mute),
                    inventory,
                    &self.proc,
                    &self.notes,
                ),
            };
            results.extend(result.into_iter().filter(|result| match result.outcome {
                MuteOutcome::Done { .. } => {
                    self.refused.remove(&tap.inode);
                    self.muted.insert(tap.inode);
                    self.seen.insert(tap.inode);
                    true
                }
                MuteOutcome::Refused(_) => self.refused.insert(tap.inode),
                _ => false,
            }));
        }
        results
    }

    /// Unmutes what was muted here and is not listed; nothing else, be it that another socket has got the inode. Gives
    /// what was done, and what could not be.
    pub fn give_back(&mut self, list: &List, inventory: &Inventory) -> Vec<MuteResult> {
        let ours = inventory.taps.iter().filter(|tap| self.muted.contains(&tap.inode) && !list.has(tap));
        let ours: Vec<u64> = ours.map(|tap| tap.inode).collect();
        let request = self.request(MuteAction::Unmute);
        let wish = Wish { request, as_told: false, inventory, notes: &self.notes };
        let results: Vec<_> = ours
            .iter()
            .flat_map(|inode| carry_out_all(MuteTarget::Inode(*inode), wish, &self.proc))
            .filter(|result| !matches!(result.outcome, MuteOutcome::Already))
            .collect();
        self.muted.retain(|inode| !ours.contains(inode));
        results
    }

    /// Inodes of those that were muted here, were there at the last look, and have not been given back.
    pub fn left(&self) -> impl Iterator<Item = u64> {
        self.muted.intersection(&self.seen).copied()
    }

    fn request(&self, action: MuteAction) -> MuteRequest {
        MuteRequest { action, dry_run: false, scope: self.scope }
    }

    fn harmed(&self, tap: &Tap, program: &KnownProgram, inventory: &Inventory) -> MuteResult {
        let judgement = judge(tap, self.scope, &inventory.programs);
        MuteResult {
            target: MuteTarget::Inode(tap.inode),
            tap: Some(JudgedTap { judgement, tap: tap.clone() }),
            before: tap.ignore_outgoing,
            outcome: MuteOutcome::Refused(refusal(program)),
            notes: Vec::new(),
        }
    }
}

/// Why a program is not muted that would be harmed.
pub fn refusal(program: &KnownProgram) -> Refusal {
    let harm = program.harm().unwrap_or("it loses nothing that is known of");
    Refusal::new(
        format!("muting harms {}: once muted, {harm}", program.name),
        format!(
            "{}; or, if you know that yours reads received packets only, say so in {}: an entry with needs = \"received\"",
            program.cures.first().map_or("leave it out", String::as_str),
            programs::DIRECTORY
        ),
    )
}
