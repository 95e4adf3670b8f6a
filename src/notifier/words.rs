//! The words of the built-in letters, as their folders in `emails/` have them.

use minijinja::{Environment, UndefinedBehavior, Value};

use super::content::{Content, Field, Link, Section, Tone};
use super::doubt::is_doubtful;
use super::emails::{self, Email};
use super::letter::LetterInput;
use super::notice::Notice;
use super::payer::PayerFacts;
use super::text::{one_line, safe_link};
use super::{fields, jinja, qr};
use crate::domain::event::Topic;

/// The longest sentence or paragraph.
const MAX_PARAGRAPH: usize = 2000;
/// What begins a line that is to be typed.
const INDENT: &str = "    ";

/// The templates of all words.
#[derive(Debug)]
pub(super) struct Words {
    environment: Environment<'static>,
}

impl Words {
    /// # Errors
    /// None in a program that passes its tests.
    pub(super) fn builtin() -> Result<Self, minijinja::Error> {
        // Facts that are missing are asked for by name: only to print one is a mistake.
        let mut environment = jinja::environment(UndefinedBehavior::SemiStrict)?;
        for (name, source) in emails::SHARED {
            environment.add_template(name, source)?;
        }
        for email in emails::all() {
            environment.add_template_owned(format!("{}/subject.txt", email.name), email.subject)?;
            environment.add_template_owned(format!("{}/body.txt", email.name), email.body)?;
        }
        Ok(Self { environment })
    }

    /// The content of the letter about `input`, from its `facts`. A letter that is owed goes: where its words cannot be
    /// written, it says what is left to say.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub(super) fn content(&self, input: &LetterInput, facts: &Value) -> Result<Content, minijinja::Error> {
        let email = emails::of(input);
        self.written(email, input, facts).or_else(|error| {
            tracing::error!(event = %input.event, "a letter's words failed: {error}");
            self.written(emails::left(input), input, facts)
        })
    }

    fn written(
        &self,
        email: &Email,
        input: &LetterInput,
        facts: &Value,
    ) -> Result<Content, minijinja::Error> {
        let subject = self.environment.get_template(&format!("{}/subject.txt", email.name))?.render(facts)?;
        let body =
            self.environment.get_template(&format!("{}/body.txt", email.name))?.render_captured(facts)?;
        let head = |name: &str| body.state().lookup(name).filter(|value| value.is_true());
        let (mut paragraphs, commands) = parts(body.output());
        let lead = if paragraphs.is_empty() { String::new() } else { paragraphs.remove(0) };
        let doubtful = input.payer.is_none() && is_doubtful(input);
        let mut content = Content {
            tone: Tone::of(head("tone").as_ref().and_then(Value::as_str).unwrap_or_default()),
            subject: one_line(&subject, MAX_PARAGRAPH),
            lead,
            warning: None,
            fields: match (&input.deposit, &input.payer) {
                (Some(view), Some(payer)) => PayerFacts::of(input, view, payer).fields(),
                (Some(view), None) if input.event.topic() == Topic::Deposit => {
                    fields::of_deposit_letter(input, view, doubtful)
                }
                _ => Notice::of(input).fields(&named(head("fields").as_ref())),
            },
            next: paragraphs,
            commands,
            link: head("link").and_then(|label| link(input, &label.to_string())),
            qr: head("qr").and_then(|amount| payment(input, &amount.to_string())),
            sections: sections(head("sections").as_ref()),
        };
        if doubtful && input.event.topic() == Topic::Deposit {
            let warning = self.environment.get_template("_do_not_pay.txt")?.render(facts)?;
            content.warning = Some(one_line(&warning, MAX_PARAGRAPH));
            (content.link, content.qr) = (None, None);
        }
        Ok(content)
    }
}

/// The paragraphs of a body, and the lines of it that are to be typed.
fn parts(body: &str) -> (Vec<String>, Vec<String>) {
    let (mut paragraphs, mut commands, mut open) = (Vec::<String>::new(), Vec::new(), false);
    for line in body.lines() {
        let words = one_line(line, MAX_PARAGRAPH);
        match paragraphs.last_mut() {
            _ if words.is_empty() => open = false,
            _ if line.starts_with(INDENT) => commands.push(words),
            Some(paragraph) if open => {
                paragraph.push(' ');
                paragraph.push_str(&words);
            }
            _ => {
                paragraphs.push(words);
                open = true;
            }
        }
    }
    (paragraphs, commands)
}

/// The payment page.
fn link(input: &LetterInput, label: &str) -> Option<Link> {
    let facts = input.payer.as_ref().map(|payer| &payer.latest);
    let facts = facts.or_else(|| input.deposit.as_ref().map(|view| &view.facts))?;
    let url = facts.wallet.as_ref()?.shown_url()?;
    safe_link(url).map(|url| Link { label: label.to_owned(), url })
}

/// What the QR code says for a payment of `amount`: where it is paid at a link, the link.
fn payment(input: &LetterInput, amount: &str) -> Option<String> {
    let view = input.deposit.as_ref()?;
    let latest = input.payer.as_ref().map_or(&view.facts, |payer| &payer.latest);
    let wallet = latest.wallet.as_ref()?;
    match view.request.asset() {
        Some(asset) => Some(qr::payment_uri(asset, wallet.shown_address()?, amount)),
        None => safe_link(wallet.shown_url()?),
    }
}

/// The facts of a table by their names: `["key", "Label"]`, or `["key", "Label", "what it says"]`.
fn named(list: Option<&Value>) -> Vec<(String, Field)> {
    let field = |row: &Value| {
        let key = text_of(row, 0)?;
        let mono = key.ends_with("id") || key.ends_with("hash");
        let field = Field { label: text_of(row, 1)?, value: text_of(row, 2).unwrap_or_default(), mono };
        Some((key, field))
    };
    items(list).iter().filter_map(field).collect()
}

/// The lists under their titles, but for the empty ones: `["Title", [lines]]`.
fn sections(list: Option<&Value>) -> Vec<Section> {
    let section = |row: &Value| {
        let lines = row.get_item_by_index(1).ok()?;
        let items: Vec<String> = items(Some(&lines)).iter().map(ToString::to_string).collect();
        (!items.is_empty()).then_some(Section { title: text_of(row, 0)?, items })
    };
    items(list).iter().filter_map(section).collect()
}

fn items(list: Option<&Value>) -> Vec<Value> {
    list.and_then(|list| list.try_iter().ok()).map(Iterator::collect).unwrap_or_default()
}

fn text_of(row: &Value, place: usize) -> Option<String> {
    row.get_item_by_index(place).ok()?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{mailed_events, samples};
    use super::super::values;
    use super::*;

    #[test]
    fn every_letter_has_words_of_its_own_for_much_and_for_little() {
        let words = Words::builtin().unwrap();
        for event in mailed_events() {
            for input in samples(event, false).into_iter().chain(samples(event, true)) {
                let facts = values::facts(&input, "12345");
                let content = words.written(emails::of(&input), &input, &facts).unwrap();
                assert!(!content.subject.is_empty() && !content.lead.is_empty(), "{event}");
                assert_eq!(emails::of(&input).name.starts_with("payer/"), input.payer.is_some());
            }
        }
    }

    #[test]
    fn a_body_is_a_fact_paragraphs_and_what_is_to_be_typed() {
        let body = "\nThe fact,\n  on two lines.\n \nWhat to do:\n\n    depositd  check\n    depositd run\n\nAnd more.\n";
        let (paragraphs, commands) = parts(body);
        assert_eq!(paragraphs, ["The fact, on two lines.", "What to do:", "And more."]);
        assert_eq!(commands, ["depositd check", "depositd run"]);
    }
}
