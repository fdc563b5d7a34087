//! Functions of modules, which come and go while zcdiag is attached.

use std::path::Path;

use super::Loaded;
use crate::attach::plan::Step;

/// Whether a module is loaded, or built in.
pub fn is_loaded(module: &str) -> bool {
    Path::new("/sys/module").join(module).exists()
}

impl Loaded {
    /// Attaches what belongs to modules that have been loaded since; says what could not be.
    pub fn hook_new_modules(&mut self) -> Vec<String> {
        let gone = |step: &Step| step.module.is_some_and(|module| !is_loaded(module));
        // With a module its probes go as well.
        self.later.extend(self.steps.extract_if(.., |step| gone(step)));
        let come: Vec<Step> = self.later.extract_if(.., |step| !gone(step)).collect();
        if come.is_empty() {
            return Vec::new();
        }
        let told = self.degraded.len();
        for step in come {
            // Its types are in no BTF that is read here, so it is probed.
            if let Err(refused) = self.attach(&step, None) {
                let lost = step.lost.unwrap_or("what it tells");
                self.degraded.push(format!(
                    "{refused}, for which a module has been loaded just now; lost until zcdiag is started again: {lost}"
                ));
            }
        }
        self.trust_hooks();
        self.choose_what_rests();
        self.degraded[told..].to_vec()
    }
}
