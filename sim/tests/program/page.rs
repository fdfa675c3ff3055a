//! The page of a trace, in a real browser.
//!
//! A page that no browser has seen is a guess. These tests open it in headless Chromium and read back what the script
//! wrote into the document: what it counted, what it drew, and the chain of a verdict that was chosen. Without a
//! Chromium each says by its name that it was skipped.

use tidings_sim::page::html;

use crate::browser::{Dom, open};
use crate::sample_trace::sample;

/// Puts a script behind the page's own; what it passes to `say` is read back by [`Dom::said`].
fn driven_by(page: &str, script: &str) -> String {
    let say = "const say = (what) => { document.getElementById('said').textContent += `${what}\\n`; };";
    // The browser runs in virtual time, in which timers are sure to come and pictures are not.
    let frame = "globalThis.requestAnimationFrame = (deed) => setTimeout(() => deed(performance.now()), 16);\
        const frame = () => new Promise((done) => requestAnimationFrame(done));";
    let driver = format!("<pre id=\"said\"></pre><script type=\"module\">{say}{frame}{script}</script></body>");
    page.replace("</body>", &driver)
}

fn thousands(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}

fn check_counts(dom: &Dom, hosts: usize, sample: &crate::sample_trace::Sample) {
    assert_eq!(dom.errors(), "");
    assert_eq!(dom.number("hosts"), hosts);
    assert_eq!(dom.number("events"), sample.events);
    assert_eq!(dom.number("shown"), sample.events);
    assert_eq!(dom.number("datagrams"), sample.datagrams);
    assert!(dom.text.contains(&format!(" datagrams ({} lost)", thousands(sample.lost))));
    assert_eq!(dom.number("violations"), 1);
}

#[test]
fn five_hosts_are_drawn_and_the_verdict_behind_the_violation_is_open() {
    let sample = sample(5, 30);
    let Some(dom) = open("five", &html(&sample.text), "") else { return };
    check_counts(&dom, 5, &sample);
    assert_eq!(dom.number("drawnrows"), 5);
    assert!(dom.number("drawnlines") > 20, "datagrams in view: {}", dom.number("drawnlines"));
    assert!(dom.number("drawnmarks") > 5, "marks in view: {}", dom.number("drawnmarks"));
    assert_eq!((dom.number("steps"), dom.number("drawnsteps")), (10, 10));
    for seen in
        ["18446744073709551557", "cargo run --release -p tidings-sim -- run", "S3 no-false-death", "! 1 violation"]
    {
        assert!(dom.text.contains(seen), "{seen}");
    }
}

#[test]
fn fifty_hosts_are_drawn() {
    let sample = sample(50, 30);
    let Some(dom) = open("fifty", &html(&sample.text), "") else { return };
    check_counts(&dom, 50, &sample);
    assert!(dom.number("drawnrows") >= 40, "rows in view: {}", dom.number("drawnrows"));
    assert!(dom.number("drawnlines") > 200);
    let listed = dom.text.matches("class=\"tv-row ").count();
    assert!((5..100).contains(&listed), "only the rows in view exist: {listed}");
}

#[test]
fn a_fragment_chooses_a_verdict_and_shows_its_chain() {
    for hosts in [5, 50] {
        let sample = sample(hosts, 30);
        let (number, steps) = sample.verdict;
        let Some(dom) = open("fragment", &html(&sample.text), &format!("#event={number}&t=9000000")) else { return };
        assert_eq!(dom.errors(), "");
        assert_eq!((dom.number("chosen"), dom.number("steps")), (number, steps));
        assert_eq!(dom.number("drawnsteps"), steps, "each step is marked in the diagram");
        assert_eq!(dom.text.matches("<li>").count(), steps, "each step is listed");
        assert!(dom.text.contains("4 pings of ours went unanswered") && dom.text.contains("at 11."));
        assert!(dom.text.contains("aria-valuetext=\"9.000 s\""), "the moment is the fragment's");
    }
}

#[test]
fn the_matrix_holds_what_is_believed_at_the_moment() {
    let page = html(&sample(5, 30).text);
    // (before anything, n2 is down and n1 paused, a restarted n2 knows all again, n4 has left)
    for (t, opinions) in [
        (0, "0 alive, 0 suspect, 0 dead, 0 left"),
        (5_000_000, "20 alive, 0 suspect, 0 dead, 0 left"),
        (22_900_000, "9 alive, 3 suspect, 4 dead, 0 left"),
        (27_000_000, "20 alive, 0 suspect, 0 dead, 0 left"),
        (29_000_000, "12 alive, 0 suspect, 0 dead, 4 left"),
    ] {
        let Some(dom) = open("matrix", &page, &format!("#t={t}")) else { return };
        assert!(dom.text.contains(&format!("\"Opinions: {opinions}\"")), "at {t}: not {opinions}");
    }
}

#[test]
fn a_reader_can_click_filter_zoom_step_and_play() {
    let sample = sample(5, 30);
    let script = include_str!("browser/reader.js");
    let Some(dom) = open("driven", &driven_by(&html(&sample.text), script), "") else { return };
    assert_eq!(dom.errors(), "");
    let said = dom.said();
    assert_eq!(said.lines().count(), 16, "{said}");
    assert!(!said.contains("false"), "{said}");
}

#[test]
fn a_live_page_appends_and_arrives_at_the_same() {
    let sample = sample(5, 30);
    let lines: Vec<&str> = sample.text.lines().collect();
    let (now, later) = lines.split_at(lines.len() / 2);
    let later = serde_json::to_string(later).unwrap();
    // A live trace does not know its end.
    let now = now.join("\n").replace("\"end_us\":30000000,", "");
    let script = format!("viewer.append({later}); viewer.select({});", sample.verdict.0);
    let Some(dom) = open("live", &driven_by(&html(&now), &script), "") else { return };
    check_counts(&dom, 5, &sample);
    assert_eq!((dom.number("chosen"), dom.number("steps")), sample.verdict);
}

#[test]
fn a_long_trace_is_drawn_as_bars_from_afar() {
    let sample = sample(50, 120);
    let page = driven_by(&html(&sample.text), "document.querySelector('[data-do=all]').click();");
    let Some(dom) = open("long", &page, "") else { return };
    check_counts(&dom, 50, &sample);
    assert_eq!(dom.number("drawnlines"), 0);
    assert!(dom.number("drawnbars") > 1000, "{}", dom.number("drawnbars"));
}

#[test]
fn what_is_no_trace_is_said_and_not_run() {
    let Some(dom) = open("none", &html("{\"hello\":1}\n"), "") else { return };
    assert_eq!(dom.errors(), "");
    assert!(dom.text.contains("This is no trace"));

    let header =
        r#"{"trace":"tidings","version":1,"hosts":[{"host":0,"name":"<img src=x onerror=no()>"}],"states":["a"]}"#;
    let rows = [
        r#"{"t_us":5,"kind":"note","host":0,"text":"</script><img src=x onerror=no()>"}"#,
        r#"{"t_us":6,"kind":"constellation","stars":7}"#,
        r#"{"t_us":"#,
        r#"{"kind":"note","text":"no time"}"#,
        r#"{"t_us":3,"kind":"event","host":9,"about":0,"what":"odd","state":"new","text":"earlier than the note"}"#,
    ];
    let Some(dom) = open("odd", &html(&format!("{header}\n{}", rows.join("\n"))), "#event=2") else { return };
    assert_eq!(dom.errors(), "");
    assert_eq!((dom.number("hosts"), dom.number("events"), dom.number("chosen")), (2, 2, 2));
    assert!(dom.text.contains("2 lines could not be read, first line 4"));
    assert!(dom.text.contains("host 9 odd") && !dom.text.contains("<img"));
    assert!(dom.text.contains("at 0.000006 s"), "a line from the past is shown when it was written");
}

/// Else an empty `errors` would prove nothing.
#[test]
fn an_error_in_the_script_is_seen() {
    let page = html(&sample(5, 30).text).replace("tidingsViewer.show(", "tidingsViewer.shew(");
    let Some(dom) = open("broken", &page, "") else { return };
    assert!(dom.errors().contains("shew is not a function"), "{:?}", dom.errors());
}
