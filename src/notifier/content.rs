//! The words of a letter before any layout: what every letter is composed into, and what the templates lay out.

/// How serious a letter looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Calm,
    Act,
    Warn,
    Bad,
}

impl Tone {
    /// The word that templates use; what is none is calm.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "good" => Self::Good,
            "act" => Self::Act,
            "warn" => Self::Warn,
            "bad" => Self::Bad,
            _ => Self::Calm,
        }
    }

    /// The stripe's colour: dark enough on white, light enough on black.
    pub(super) const fn color(self) -> &'static str {
        match self {
            Self::Good => "#2e8b57",
            Self::Calm => "#7a8594",
            Self::Act => "#2f7de1",
            Self::Warn => "#c98a00",
            Self::Bad => "#d64545",
        }
    }
}

/// One line of the table of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// What it is.
    pub(super) label: String,
    /// One harmless line.
    pub(super) value: String,
    /// True for names that are copied rather than read.
    pub(super) mono: bool,
}

impl Field {
    pub(super) fn new(label: &str, value: impl Into<String>) -> Self {
        Self { label: label.to_owned(), value: value.into(), mono: false }
    }

    pub(super) fn mono(label: &str, value: impl Into<String>) -> Self {
        Self { mono: true, ..Self::new(label, value) }
    }
}

/// A link that has passed [`super::text::safe_link`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) label: String,
    pub(super) url: String,
}

/// A list under a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) items: Vec<String>,
}

/// A letter's words, before any layout. Every text in it is one harmless line already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) tone: Tone,
    pub(super) subject: String,
    /// The important fact in one sentence.
    pub(super) lead: String,
    /// Said before everything else.
    pub(super) warning: Option<String>,
    pub(super) fields: Vec<Field>,
    /// What it means and what to do.
    pub(super) next: Vec<String>,
    /// What to type for it: shown whole, to be copied.
    pub(super) commands: Vec<String>,
    pub(super) link: Option<Link>,
    /// What the QR code says.
    pub(super) qr: Option<String>,
    pub(super) sections: Vec<Section>,
}
