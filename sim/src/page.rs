//! Makes one self-contained page out of a trace.
//!
//! The page holds the viewer (markup, style, script) and the trace, and asks the network for nothing, so that it can
//! be attached to a ticket and opened years later. The viewer knows the format of `docs/trace.md` and no protocol; the
//! three parts are public so that a live page can hold the same viewer.

/// The markup that the script fills; it goes into an element of class `tidings-viewer`.
pub const VIEWER_HTML: &str = include_str!("page/viewer.html");
/// How the viewer looks, in light and dark.
pub const VIEWER_CSS: &str = include_str!("page/viewer.css");
/// The script: `tidingsViewer.show(element, lines)` draws the lines of a trace.
pub const VIEWER_JS: &str = include_str!("page/viewer.js");

const PAGE: &str = include_str!("page/page.html");

/// The page of a trace, given as its JSON lines (`docs/trace.md`).
///
/// The same trace gives the same bytes. A line that is no JSON does no harm: the page says which it skipped.
pub fn html(trace_jsonl: &str) -> String {
    let mut page = String::with_capacity(trace_jsonl.len() + VIEWER_JS.len() + VIEWER_CSS.len() + 16 * 1024);
    for (nth, piece) in PAGE.split("{{").enumerate() {
        let (slot, rest) = if nth == 0 { ("", piece) } else { piece.split_once("}}").unwrap_or(("", piece)) };
        match slot {
            "title" => escape_text(&mut page, &title(trace_jsonl)),
            "style" => page.push_str(VIEWER_CSS),
            "parts" => page.push_str(VIEWER_HTML),
            "script" => page.push_str(VIEWER_JS),
            "trace" => escape_json(&mut page, trace_jsonl),
            other => debug_assert!(other.is_empty(), "the page has no such slot: {other}"),
        }
        page.push_str(rest);
    }
    page
}

/// The title that the trace's header gives, or a plain one.
fn title(trace_jsonl: &str) -> String {
    let header = trace_jsonl.lines().next().unwrap_or_default();
    let header: serde_json::Value = serde_json::from_str(header).unwrap_or_default();
    header["title"].as_str().unwrap_or("a trace").to_owned()
}

fn escape_text(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => page.push_str("&lt;"),
            '&' => page.push_str("&amp;"),
            _ => page.push(c),
        }
    }
}

/// JSON that cannot end or change the script element around it: in valid JSON these stand in strings alone, where an
/// escape means the same.
fn escape_json(page: &mut String, json: &str) {
    for c in json.chars() {
        match c {
            '<' => page.push_str("\\u003c"),
            '\u{2028}' => page.push_str("\\u2028"),
            '\u{2029}' => page.push_str("\\u2029"),
            _ => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = concat!(
        r#"{"trace":"tidings","version":1,"title":"</title><b>&","hosts":[],"states":[],"end_us":0}"#,
        "\n",
        r#"{"t_us":0,"kind":"note","text":"</script><!-- <script>"#,
        "\u{2028}{{title}}\"}\n",
    );

    #[test]
    fn nothing_in_a_trace_ends_its_element() {
        let page = html(HOSTILE);
        let opened = html("").matches("<script").count();
        assert_eq!(page.matches("<script").count(), opened);
        assert_eq!(page.matches("</script").count(), opened);
        assert!(!page.contains("<!--") && !page.contains('\u{2028}'));
        assert!(page.contains(r"\u003c/script>\u003c!-- \u003cscript>\u2028{{title}}"));
        assert!(page.contains("<title>&lt;/title>&lt;b>&amp;</title>"));
    }

    #[test]
    fn what_is_embedded_means_the_same() {
        let page = html(HOSTILE);
        let (_, rest) = page.split_once("id=\"trace\">\n").unwrap();
        let (trace, _) = rest.split_once("\n</script>").unwrap();
        let read = |text: &str| -> Vec<serde_json::Value> {
            text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(read(trace), read(HOSTILE));
        assert_eq!(read(trace).len(), 2);
    }

    #[test]
    fn every_slot_is_filled_once_and_the_same_trace_gives_the_same_bytes() {
        let page = html("");
        assert!(!page.contains("{{"), "a slot was left");
        for part in [VIEWER_CSS, VIEWER_HTML, VIEWER_JS] {
            assert_eq!(page.matches(part).count(), 1);
        }
        assert_eq!(html(HOSTILE), html(HOSTILE));
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        let page = html("");
        for outward in ["http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "import(", "fetch(", "XMLHttp"]
        {
            assert!(!page.contains(outward), "{outward}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn the_script_stays_small_and_whole() {
        assert!(VIEWER_JS.lines().count() < 800, "{} lines", VIEWER_JS.lines().count());
        assert!(VIEWER_JS.lines().all(|line| line.chars().count() <= 120), "a line is wider than 120 columns");
        assert!(!VIEWER_JS.contains("</script") && !VIEWER_JS.contains("<!--"));
    }
}
