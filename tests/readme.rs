//! The README shows what is there: its program is the example, its commands name targets that exist.

const README: &str = include_str!("../README.md");

#[test]
fn the_program_shown_is_the_example() {
    let hello = include_str!("../examples/hello.rs");
    assert!(README.contains(hello), "README.md and examples/hello.rs differ");
    assert!(hello.lines().count() <= 20);
}

#[test]
fn every_command_names_a_target_that_exists() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let mut checked = 0;
    for (flag, folder) in [("--bench ", "benches"), ("--example ", "examples"), ("--test ", "tests")] {
        for named in README.split(flag).skip(1) {
            let name: String = named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let exists = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/main.rs")]
                .iter()
                .any(|path| std::path::Path::new(&format!("{manifest}{path}")).exists());
            assert!(exists, "README.md names {flag}{name}");
            checked += 1;
        }
    }
    assert!(checked > 10);
}
