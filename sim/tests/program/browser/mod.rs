//! A page opened in headless Chromium, and the document as it then was.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The document after its scripts ran.
#[derive(Debug)]
pub struct Dom {
    /// All of it, as markup.
    pub text: String,
}

impl Dom {
    /// What the page wrote down of uncaught errors.
    pub fn errors(&self) -> &str {
        self.inside("<pre id=\"errors\"", "</pre>")
    }

    /// What a test's own script said.
    pub fn said(&self) -> &str {
        self.inside("<pre id=\"said\"", "</pre>")
    }

    /// A number that the viewer shows on its element.
    pub fn number(&self, name: &str) -> usize {
        let value = self.inside(&format!("data-{name}=\""), "\"");
        value.parse().unwrap_or_else(|_| panic!("data-{name} is {value:?}"))
    }

    fn inside(&self, start: &str, end: &str) -> &str {
        let Some((_, rest)) = self.text.split_once(start) else { panic!("no {start} in the document") };
        let rest = if start.starts_with('<') { rest.split_once('>').map_or("", |(_, rest)| rest) } else { rest };
        rest.split_once(end).map_or("", |(inside, _)| inside)
    }
}

/// Opens a page at a fragment of its address; `None` without a Chromium, which is then said.
pub fn open(name: &str, page: &str, fragment: &str) -> Option<Dom> {
    let Some(chromium) = chromium() else {
        let test = std::thread::current().name().unwrap_or(name).to_owned();
        // Not by a macro: what a passing test prints so is kept from view.
        let mut terminal = std::io::stderr();
        writeln!(terminal, "SKIPPED: no chromium, so {test} saw no page").unwrap();
        return None;
    };

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("page-{name}.html"));
    std::fs::write(&file, page).unwrap();
    let profile = format!("--user-data-dir={}", folder.join(format!("chromium-{name}")).display());

    let mut browser = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1400,900",
            "--virtual-time-budget=10000",
        ])
        .args([&profile, "--dump-dom", &format!("file://{}{fragment}", file.display())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    let mut output = browser.stdout.take().unwrap();
    let (done, dumped) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        done.send(read.map(|_| text))
    });

    let text = dumped.recv_timeout(Duration::from_secs(120));
    if text.is_err() {
        browser.kill().unwrap();
    }
    browser.wait().unwrap();

    let text = text.expect("the browser answers in time").unwrap();
    assert!(text.contains("</html>"), "the browser dumped no document: {text:?}");
    Some(Dom { text })
}

/// The one that `CHROMIUM` names, else the first known name in the path.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}
