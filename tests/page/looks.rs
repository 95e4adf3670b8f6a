//! What every page is like: bound by its headers, without anything inline, small, and deaf to the tricks of foreign words.

use depositd::page::PageTemplates;

use crate::scene::{FOREIGN, Scene};

/// The most that a page may weigh with all its parts.
const MOST_BYTES: usize = 60 * 1024;

#[tokio::test]
async fn every_page_is_bound_small_and_without_anything_inline() {
    let scene = Scene::with_links().await;
    let browser = scene.operator().await;
    let mut parts = 0;
    for (path, kind) in
        [("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")]
    {
        let asset = browser.get(path).await;
        assert!(asset.status == 200 && asset.header("content-type").starts_with(kind));
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
        parts += asset.text.len();
    }
    for path in scene.addresses().await {
        let shown = browser.get(&path).await;
        let expected = if path == "/nowhere" { 404 } else { 200 };
        assert_eq!(shown.status, expected, "{path}: {}", shown.text);
        assert_eq!(shown.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = shown.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(shown.header(name), value, "{path}");
        }
        nothing_inline(&path, &shown.text);
        let all = shown.text.len() + parts;
        assert!(all <= MOST_BYTES, "{path}: {all} bytes with all its parts");
        assert!(
            !shown.text.contains("none</") && !shown.text.contains("undefined"),
            "{path}: {}",
            shown.text
        );
    }
}

/// No script but ours, no style but ours, no handler in an attribute, no address that runs.
fn nothing_inline(path: &str, text: &str) {
    for script in text.split("<script").skip(1) {
        assert!(
            script.starts_with(" src=\"/page.js?v=") && script.contains("defer></script>"),
            "{path}: {script}"
        );
    }
    for element in text.split('<').skip(1) {
        let tag = element.split('>').next().unwrap();
        assert!(!tag.starts_with("style") && !tag.contains(" style="), "{path}: {tag}");
        let handler = tag.split(' ').any(|part| part.starts_with("on") && part.contains('='));
        assert!(!handler && !tag.contains("javascript:"), "{path}: {tag}");
    }
}

#[tokio::test]
async fn foreign_words_are_words_on_every_page() {
    let scene = Scene::with_links().await;
    let browser = scene.operator().await;
    let mut seen = 0;
    for path in scene.addresses().await {
        let text = browser.get(&path).await.text;
        assert!(!text.contains("<script>alert"), "{path}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{path}");
        seen += usize::from(
            text.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;gnp.eciovni&quot;&#x27;&amp;"),
        );
    }
    assert!(seen >= 3, "{seen} pages show {FOREIGN:?}");
    let found = browser.page("/deposits?q=%3Cscript%3E%22%3E%E2%80%AE").await;
    assert!(found.contains("value=\"&lt;script&gt;&quot;&gt;\""), "{found}");
    let nothing = browser.get("/%3Cscript%3Ealert(1)").await;
    assert!(nothing.status == 404 && !nothing.text.contains("<script>alert"), "{}", nothing.text);
    let unknown = browser.get("/deposits/%3Cimg%20src=x%20onerror=alert(1)%3E").await;
    assert!(unknown.status == 404 && !unknown.text.contains("<img"), "{}", unknown.text);
}

#[test]
fn an_operators_template_takes_a_pages_place_and_a_broken_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("README.md"), "no template").unwrap();
    let good = "{% extends 'builtin/now.html' %}{% block title %}Jetzt{% endblock %}";
    std::fs::write(folder.path().join("now.html"), good).unwrap();
    PageTemplates::load(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("now.html")).unwrap();
    for (name, text, part) in [
        ("now.html", "{{ nobody.knows }}", "now.html, line 1"),
        ("now.html", "{% if %}", "now.html"),
        ("cases.html", "{% include '_missing.html' %}", "_missing.html"),
        ("today.html", "x", "no page is called so: expected layout.html or one of book.html"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = PageTemplates::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
