//! Planted faults, so that the tests can show that each mechanism is needed.
//!
//! In a build with `--cfg tidings_sabotage` the environment variable `TIDINGS_SABOTAGE` names one mechanism to switch
//! off; `tests/sabotage.rs` lists them with the test that must then fail. In every other build this is a constant and
//! costs nothing.

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
