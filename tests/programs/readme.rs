//! The README and the pages of `docs/` show what is there: programs, commands, files and headings that exist.

use std::fs;
use std::path::{Path, PathBuf};

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
fn the_readme_is_short() {
    let lines = README.lines().count();
    assert!(lines <= 200, "README.md has {lines} lines: what is long belongs in docs/");
}

#[test]
fn every_command_names_a_target_that_exists() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let targets = targets(&text);
        let missing: Vec<&Target> = targets.iter().filter(|target| !target.exists()).collect();
        assert!(missing.is_empty(), "{} names {missing:?}", page.display());
        checked += targets.len();
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let links = relative_links(&text);
        let broken: Vec<&&str> = links.iter().filter(|link| !leads_somewhere(&page, &text, link)).collect();
        assert!(broken.is_empty(), "{} links to {broken:?}", page.display());
        checked += links.len();
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn what_leads_nowhere_is_found() {
    let found = targets("`cargo test --test programs readme` and\n$ cargo bench -p tidings-sim --bench no_such_bench");
    let exist: Vec<bool> = found.iter().map(Target::exists).collect();
    assert_eq!(exist, [true, false], "{found:?}");

    let page = root().join("docs/wire.md");
    let text = "# One, of two\n[a](no-such-page.md) [b](../README.md#no-such-heading) [c](../README.md#licence)\n\
        [d](#one-of-two) [e](#one) [f](https://example.org/no-such-page.md)\n```\n[g](code.md)\n```\n[h](protocol.md)";
    let links = relative_links(text);
    let broken: Vec<&str> = links.into_iter().filter(|link| !leads_somewhere(&page, text, link)).collect();
    assert_eq!(broken, ["no-such-page.md", "../README.md#no-such-heading", "#one"]);
}

/// The folder of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is read by people: the two pages of the root, and all of `docs/`.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.extend([root().join("README.md"), root().join("CONTRIBUTING.md")]);
    pages
}

/// A bench, an example or a test that a command names.
#[derive(Debug)]
struct Target {
    package: &'static str,
    folder: &'static str,
    name: String,
}

impl Target {
    fn exists(&self) -> bool {
        let folder = root().join(self.package).join(self.folder);
        folder.join(format!("{}.rs", self.name)).exists() || folder.join(&self.name).join("main.rs").exists()
    }
}

/// All targets that the commands of a page name.
fn targets(text: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for command in text.split("cargo ").skip(1).filter_map(|rest| rest.split(['`', '\n']).next()) {
        let package = if command.contains("-p tidings-sim") { "sim" } else { "." };
        for (flag, folder) in [("--bench ", "benches"), ("--example ", "examples"), ("--test ", "tests")] {
            let Some((_, named)) = command.split_once(flag) else { continue };
            let name: String = named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            targets.push(Target { package, folder, name });
        }
    }
    targets
}

/// The lines of a page that are outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        if is_fence {
            is_code = !is_code;
        }
        !is_code && !is_fence
    })
}

/// Where the links of a page lead, but for those to other sites.
fn relative_links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for line in prose(text) {
        let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.extend(ends.filter(|link| !link.contains("://")));
    }
    links
}

/// Whether a link of a page leads to a file that exists, and to a heading of it if the link names one.
fn leads_somewhere(page: &Path, text: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return has_heading(text, heading);
    }
    let file = page.parent().unwrap().join(path);
    file.exists() && (heading.is_empty() || has_heading(&fs::read_to_string(file).unwrap(), heading))
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text).filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

/// What a link calls a heading: small letters and digits, a hyphen for each space, no other punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}
