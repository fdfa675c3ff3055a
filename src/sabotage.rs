//! Planted faults, so that tests can show that each mechanism is needed and that each check of the simulator bites.
//!
//! In a build with `--cfg tidings_sabotage` the environment variable `TIDINGS_SABOTAGE` names one fault to switch on:
//! mostly a mechanism to switch off. `sim/tests/sabotage/mechanisms_off.rs` lists mechanisms with the test that must
//! then fail, and `sim/src/lab/cli/canaries/faults.rs` mistakes with the check that must find them. In every other
//! build this is a constant and costs nothing.

/// Whether the mechanism of this name is switched off.
#[cfg(not(tidings_sabotage))]
pub(crate) const fn is_off(_mechanism: &str) -> bool {
    false
}

/// Whether the mechanism of this name is switched off.
#[cfg(tidings_sabotage)]
pub(crate) fn is_off(mechanism: &str) -> bool {
    static FAULT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    FAULT.get_or_init(|| std::env::var("TIDINGS_SABOTAGE").ok()).as_deref() == Some(mechanism)
}
