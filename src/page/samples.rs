//! What an operator's templates are tried with: each page as it might be, with much and with little on it.

use minijinja::Value;

use super::shown::shown;

/// Values of each page, by the name of its template.
const SAMPLES: &str = include_str!("samples.json");

/// A page's name and its values, several times for most.
pub(super) fn samples() -> Vec<(String, Value)> {
    let pages: Vec<(String, serde_json::Value)> = serde_json::from_str(SAMPLES).unwrap_or_default();
    pages.into_iter().map(|(name, values)| (format!("{name}.html"), shown(values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::pages::PageTemplates;

    #[test]
    fn every_page_is_tried_and_is_written_whole() {
        let (pages, samples) = (PageTemplates::builtin().unwrap(), samples());
        for name in PageTemplates::names() {
            assert!(samples.iter().any(|(sample, _)| sample == name), "{name} has no sample");
        }
        for (name, values) in samples {
            let text = pages.write(&name, &values).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(text.trim_end().ends_with("</html>") && !text.contains("none<"), "{name}");
        }
    }
}
