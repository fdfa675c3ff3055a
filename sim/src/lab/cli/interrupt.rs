//! Ctrl-C: the first asks for an end at the next good moment, the second does not wait.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::trouble::Trouble;

static ASKED: AtomicBool = AtomicBool::new(false);
static IS_PATIENT: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is a request, which [`is_asked`] tells.
pub(crate) fn watch() -> Result<(), Trouble> {
    IS_PATIENT.store(true, Ordering::Relaxed);
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) || !IS_PATIENT.load(Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|error| Trouble::say(format!("cannot listen for Ctrl-C: {error}")))
}

/// From now on Ctrl-C ends the program at once: what follows has no good moment.
pub(crate) fn end_at_once() {
    IS_PATIENT.store(false, Ordering::Relaxed);
}

/// Whether Ctrl-C was pressed.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
