//! The README and the pages of `docs/` show what is there: programs, commands, files and headings that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../../README.md");

#[test]
fn the_program_shown_is_the_example() {
    let hello = include_str!("../../examples/hello.rs");
    assert!(README.contains(&format!("```rust\n{hello}```")), "README.md and examples/hello.rs differ");
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
fn every_command_names_a_target_a_test_and_a_scenario_that_exist() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let named = named_by_commands(&text);
        let missing: Vec<&Named> = named.iter().filter(|named| !named.exists).collect();
        assert!(missing.is_empty(), "{} names {missing:?}", page.display());
        checked += named.len();
    }
    assert!(checked > 30, "{checked}");
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
fn no_page_has_one_heading_twice() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut known = BTreeSet::new();
        let twice: Vec<String> = headings(&text).map(anchor).filter(|heading| !known.insert(heading.clone())).collect();
        assert!(twice.is_empty(), "{} has {twice:?} twice: a link leads to the first", page.display());
    }
}

#[test]
fn what_leads_nowhere_is_found() {
    // A command, what it names, and whether that exists.
    let rows = [
        ("cargo bench -p tidings-sim --bench sync", "sync", true),
        ("cargo bench -p tidings-sim --bench no_such_bench", "no_such_bench", false),
        ("cargo run -p tidings-sim --example test_your_failover", "test_your_failover", true),
        ("cargo run --example test_your_failover", "test_your_failover", false),
        ("cargo test --test programs", "programs", true),
        ("cargo test --test no_such_test -- --nocapture", "no_such_test", false),
        ("cargo run --release -p tidings-sim -- run crash --seed 3", "crash", true),
        ("cargo run --release -p tidings-sim -- run no-such-scenario", "no-such-scenario", false),
        ("cargo run --release -p tidings-sim -- measure tables --table 5", "tables", true),
        ("cargo run --release -p tidings-sim -- measure chairs", "chairs", false),
        ("cargo run --release -p tidings-sim -- sweep swarm-large --seeds 0..9", "swarm-large", true),
        ("cargo run --release -p tidings-sim -- sweep\nswarm-small --seeds 0..9", "swarm-small", false),
    ];
    for (command, name, exists) in rows {
        let expected = [Named { name: name.to_owned(), exists }];
        assert_eq!(named_by_commands(&format!("It is `{command}`.\n")), expected);
        let line = command.replace('\n', " ");
        assert_eq!(named_by_commands(&format!("```console\n$ {line}\n```\n")), expected);
    }
    let filters =
        named_by_commands("`cargo test --test election changing` `cargo test --test election no_such_filter`");
    let exist: Vec<bool> = filters.iter().map(|named| named.exists).collect();
    assert_eq!(exist, [true, true, true, false], "{filters:?}");

    let page = root().join("docs/wire.md");
    let text = "# One, of two\n[a](no-such-page.md) [b](../README.md#no-such-heading) [c](../README.md#licence)\n\
        [d](#one-of-two) [e](#one) [f](https://example.org/no-such-page.md)\n```\n[g](code.md)\n```\n[h](protocol.md)\n\
        [i](../src/wire) [j](../src/wire#one) [k](../src/lib.rs#L10) [l](../src/lib.rs#one) [m](../sim/src/lib.rs)";
    let links = relative_links(text);
    let broken: Vec<&str> = links.into_iter().filter(|link| !leads_somewhere(&page, text, link)).collect();
    let expected = [
        "no-such-page.md",
        "../README.md#no-such-heading",
        "#one",
        "../src/wire#one",
        "../src/lib.rs#one",
        "../sim/src/lib.rs",
    ];
    assert_eq!(broken, expected);
}

/// Tests in a file that no `mod` names would be lost without a word.
#[test]
fn every_file_of_tests_belongs_to_a_program() {
    let mut checked = 0;
    for tests in ["tests", "sim/tests"] {
        for folder in fs::read_dir(root().join(tests)).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(main) = fs::read_to_string(folder.join("main.rs")) else { continue };
            for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                let stem = file.file_stem().unwrap().to_str().unwrap();
                if file.extension().is_some_and(|kind| kind == "rs") && stem != "main" {
                    assert!(main.contains(&format!("mod {stem};")), "{} is compiled by nothing", file.display());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 30, "{checked}");
}

/// The folder of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is read by people: the three pages of the root, and all of `docs/`.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root().join(page)));
    pages
}

/// A bench, an example, a test or a scenario that a command names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    name: String,
    exists: bool,
}

/// All that the commands of a page name.
fn named_by_commands(text: &str) -> Vec<Named> {
    let mut all = Vec::new();
    for command in commands(text) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let is_sim = command.contains("-p tidings-sim");
        let package = if is_sim { root().join("sim") } else { root().to_path_buf() };

        for pair in words.windows(2) {
            let exists = match pair[0] {
                "--bench" => is_target(&package.join("benches"), pair[1]),
                "--example" => is_target(&package.join("examples"), pair[1]),
                "--test" => is_target(&package.join("tests"), pair[1]),
                _ => continue,
            };
            all.push(Named { name: pair[1].to_owned(), exists });
        }

        for three in words.windows(3) {
            if three[2].starts_with('-') {
                continue;
            }
            let exists = match (three[0], three[1]) {
                ("--test", test) => has_test(&package.join("tests"), test, three[2]),
                ("--", "run" | "sweep") if is_sim => is_scenario(three[2]),
                ("--", "measure") if is_sim => is_table(three[2]) || is_scenario(three[2]),
                _ => continue,
            };
            all.push(Named { name: three[2].to_owned(), exists });
        }
    }
    all
}

/// The commands of a page, from the word after `cargo` on: of the lines of blocks of code, and of what stands between
/// backticks, which may go over two lines.
fn commands(text: &str) -> Vec<String> {
    let prose: Vec<&str> = prose(text).collect();
    let prose = prose.join("\n");
    // By paragraphs: a backtick without a second one spoils no more than its own.
    let spans = prose.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
    let code = lines(text).filter(|(is_code, _)| *is_code).map(|(_, line)| line);
    let commands = code.chain(spans).filter_map(|command| command.split_once("cargo "));
    commands.map(|(_, command)| command.replace('\n', " ")).collect()
}

fn is_target(folder: &Path, name: &str) -> bool {
    folder.join(format!("{name}.rs")).exists() || folder.join(name).join("main.rs").exists()
}

/// Whether a filter picks a test: by the name of a module that its program has, or of a function.
fn has_test(tests: &Path, test: &str, wanted: &str) -> bool {
    let mut files = files(&tests.join(test));
    files.push(tests.join(format!("{test}.rs")));
    let is_named = |line: &str| {
        let line = line.trim_start();
        line == format!("mod {wanted};") || (line.starts_with("fn ") && line.contains(wanted))
    };
    let says = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|text| text.lines().any(is_named));
    files.iter().any(says)
}

/// All files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}

/// Whether `tidings-sim` knows it by name or finds it as a file.
fn is_scenario(name: &str) -> bool {
    let is_drawn = ["swarm", "swarm-large", "swarm-election"].contains(&name);
    is_drawn || root().join(format!("sim/scenarios/{name}.toml")).exists() || root().join(name).is_file()
}

/// Whether `tidings-sim measure` makes it without seeds.
fn is_table(name: &str) -> bool {
    ["tables", "metadata", "elections"].contains(&name)
}

/// The lines of a page but for the fences, each with whether it is in a block of code.
fn lines(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut is_code = false;
    text.lines().filter_map(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        if is_fence {
            is_code = !is_code;
        }
        (!is_fence).then_some((is_code, line))
    })
}

/// The lines of a page that are outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    lines(text).filter(|(is_code, _)| !*is_code).map(|(_, line)| line)
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

/// Whether a link of a page leads to what a published package has, and to a heading or a line of it if the link names
/// one.
fn leads_somewhere(page: &Path, text: &str, link: &str) -> bool {
    let (path, part) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return has_heading(text, part);
    }

    let Ok(file) = page.parent().unwrap().join(path).canonicalize() else { return false };
    if !is_published(&file) {
        return false;
    }
    if part.is_empty() {
        return true;
    }
    // A folder or a picture has no parts.
    let Ok(text) = fs::read_to_string(&file) else { return false };
    let is_page = file.extension().is_some_and(|kind| kind == "md");
    if is_page { has_heading(&text, part) } else { is_line(part) }
}

/// Whether the package that is published has it: `include` in Cargo.toml.
fn is_published(file: &Path) -> bool {
    let root = root().canonicalize().unwrap();
    let Ok(inside) = file.strip_prefix(&root) else { return false };
    let is_in_folder = ["src", "examples", "docs"].into_iter().any(|folder| inside.starts_with(folder));
    let pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE-MIT", "LICENSE-APACHE"];
    is_in_folder || pages.iter().any(|page| inside == Path::new(page))
}

/// `L10`, as a link names a line of a file.
fn is_line(part: &str) -> bool {
    part.strip_prefix('L').is_some_and(|number| number.parse::<u32>().is_ok())
}

fn has_heading(text: &str, wanted: &str) -> bool {
    headings(text).any(|heading| anchor(heading) == wanted)
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'))
}

/// What a link calls a heading: small letters and digits, a hyphen for each space, no other punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}
