//! The README shows what is there: its program is the example, its commands name targets that exist.

const README: &str = include_str!("../../README.md");

#[test]
fn the_program_shown_is_the_example() {
    let hello = include_str!("../../examples/hello.rs");
    assert!(README.contains(hello), "README.md and examples/hello.rs differ");
    assert!(hello.lines().count() <= 20);
}

#[test]
fn the_election_shown_is_the_example_that_three_hosts_run() {
    let lead = include_str!("../../examples/lead.rs");
    assert!(README.contains(&format!("```rust\n{lead}```")), "README.md and examples/lead.rs differ");
}

#[test]
fn every_command_names_a_target_that_exists() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for command in README.split("cargo ").skip(1).filter_map(|rest| rest.split(['`', '\n']).next()) {
        let package = manifest.join(if command.contains("-p tidings-sim") { "sim" } else { "." });
        for (flag, folder) in [("--bench ", "benches"), ("--example ", "examples"), ("--test ", "tests")] {
            let Some((_, named)) = command.split_once(flag) else { continue };
            let name: String = named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let exists = [format!("{name}.rs"), format!("{name}/main.rs")]
                .iter()
                .any(|file| package.join(folder).join(file).exists());
            assert!(exists, "README.md names {flag}{name} in {command:?}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}
