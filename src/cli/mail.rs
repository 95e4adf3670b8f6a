//! `mail`: lists the outbox, shows a mail, sends again, sends a test message.

use serde_json::json;

use super::args::{LetterFormat, MailCommand};
use super::client::ApiCall;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::names::short_of;
use super::output::{Paint, say};
use super::table::{Cell, Table, cut, plain, table_time};
use crate::api_types::{MailList, MailRow, MailsRetried};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::ledger::{Access, Ledger};
use crate::notifier::{LetterInput, Mailer, payer_sample, sample, sample_paid_by};
use crate::{daemon, flow};

/// Lists, sends again, or tries.
pub(super) async fn mail(context: &mut Context, command: MailCommand) -> CommandResult {
    match command {
        MailCommand::List { state, limit } => list(context, &state, limit).await,
        MailCommand::Show { id, format } => show(context, id, format).await,
        MailCommand::Preview { event, payer, method, format } => {
            let input = if payer { payer_sample(event) } else { Some(sample(event)) };
            let input = input.map(|input| sample_paid_by(method, input));
            preview(context, event, input, format)
        }
        MailCommand::Retry { id, .. } => retry(context, id).await,
        MailCommand::Test { to } => super::mail_test::mail_test(context, to).await,
    }
}

async fn list(context: &mut Context, states: &[String], limit: u32) -> CommandResult {
    let ledger = context.ledger().await?;
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    let mails = ledger.mails(&states, limit).await?;
    if context.out.json {
        context.out.document(&json!(MailList { mails }))?;
        return Ok(ExitStatus::Done);
    }
    if mails.is_empty() {
        say(if states.is_empty() { "no mail waits, and none was given up" } else { "no such mail" });
        return Ok(ExitStatus::Done);
    }
    let heads = [
        ">mail",
        "owed since (UTC)",
        "state",
        "?>tries",
        "event",
        "~to",
        "?as",
        "?deposit",
        "?sent (UTC)",
        "why not",
    ];
    let mut table = Table::new(&heads);
    let dead = mails.iter().filter(|mail| mail.state == "dead").count();
    let out = &mut context.out;
    for mail in mails {
        let paint = match mail.state.as_str() {
            "sent" => Paint::Good,
            "dead" => Paint::Bad,
            _ => Paint::Open,
        };
        table.row([
            Cell::from(mail.id.to_string()),
            Cell::from(table_time(out, &mail.created_at)),
            Cell::painted(&mail.state, paint),
            Cell::from(mail.attempts.to_string()),
            Cell::from(&mail.event),
            Cell::from(&mail.recipient),
            Cell::from(&mail.audience),
            Cell::from(mail.deposit_id.as_deref().map_or("-", |id| short_of(out, id))),
            Cell::from(mail.sent_at.as_deref().map(|at| table_time(out, at)).unwrap_or_default()),
            Cell::from(cut(&why_not(&mail), 80)),
        ]);
    }
    table.print(out, "");
    if dead > 0 {
        say("dead letters are sent again by hand, once it is mended why: depositd mail retry ID, or --all");
    }
    Ok(ExitStatus::Done)
}

/// Why a mail was not sent by itself, or not yet.
fn why_not(mail: &MailRow) -> String {
    match (mail.told_in, mail.last_error.as_deref()) {
        (Some(summary), None) => format!("told in mail {summary}"),
        (_, why) => why.unwrap_or_default().to_owned(),
    }
}

async fn show(context: &mut Context, id: i64, format: LetterFormat) -> CommandResult {
    let config = context.config()?;
    let ledger = Ledger::open(daemon::ledger_settings(&config), Access::Read).await?;
    let Some((row, mut tells)) = ledger.mail(id).await? else {
        return Err(CommandFailure::new(
            ExitStatus::Unknown,
            format_args!("there is no mail {id}; see `depositd mail list`"),
        ));
    };
    let mailer = daemon::previewer(&config).map_err(CommandFailure::usage)?;
    // A letter that has gone is shown as it went.
    let sent = row.sent_at.as_deref().and_then(|at| Timestamp::parse(at).ok());
    if sent.is_some() {
        tells.latest = None;
    }
    let input = flow::letter_of(&ledger, &tells, sent.unwrap_or_else(|| context.clock.now()));
    if context.out.json {
        let mut mail = serde_json::to_value(&row)?;
        if let Some(members) = mail.as_object_mut() {
            members.insert("due_at".to_owned(), json!(row.due_at()));
        }
        let letter = in_all_shapes(&mailer, &input)?;
        context.out.document(&json!({ "mail": mail, "letter": letter }))?;
        return Ok(ExitStatus::Done);
    }
    if format == LetterFormat::Text {
        let due = row.due_at().map(Timestamp::to_seconds_text);
        for (name, value) in [
            ("mail", Some(row.id.to_string())),
            ("event", Some(row.event.clone())),
            ("deposit", row.deposit_id.clone()),
            ("to", Some(row.recipient.clone())),
            ("in words for", Some(row.audience.clone())),
            ("state", Some(row.state.clone())),
            ("tries", Some(row.attempts.to_string())),
            ("owed since", Some(row.created_at.clone())),
            ("next try", due.filter(|_| row.state == "owed")),
            ("sent", row.sent_at.clone()),
            ("told in mail", row.told_in.map(|summary| summary.to_string())),
            ("why not", row.last_error.clone()),
            ("Message-ID", Some(format!("<{}>", row.message_id))),
        ] {
            if let Some(value) = value {
                context.out.line(format_args!("{name:<13} {}", plain(&value)));
            }
        }
        context.out.line("");
    }
    print(context, &mailer, &input, format)
}

fn preview(
    context: &mut Context,
    event: EventName,
    input: Option<LetterInput>,
    format: LetterFormat,
) -> CommandResult {
    let mailer = daemon::previewer(&context.config()?).map_err(CommandFailure::usage)?;
    let Some(input) = input else {
        return Err(CommandFailure::usage(format_args!("payers are not told of {event}; see docs/mail.md")));
    };
    if context.out.json {
        let letter = in_all_shapes(&mailer, &input)?;
        context.out.document(&letter)?;
        return Ok(ExitStatus::Done);
    }
    print(context, &mailer, &input, format)
}

fn in_all_shapes(mailer: &Mailer, input: &LetterInput) -> Result<serde_json::Value, CommandFailure> {
    let (letter, message) = (mailer.letter(input)?, mailer.preview(input)?);
    Ok(json!({
        "event": input.event.as_str(),
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html_alone(),
        "eml": String::from_utf8_lossy(&message),
    }))
}

fn print(context: &mut Context, mailer: &Mailer, input: &LetterInput, format: LetterFormat) -> CommandResult {
    match format {
        LetterFormat::Text => {
            let letter = mailer.letter(input)?;
            context.out.line(format_args!("Subject: {}\n", letter.subject));
            context.out.line(letter.text.trim_end());
        }
        LetterFormat::Html => context.out.line(mailer.letter(input)?.html_alone().trim_end()),
        LetterFormat::Eml => {
            let message = mailer.preview(input)?;
            context.out.text(&String::from_utf8_lossy(&message));
        }
    }
    Ok(ExitStatus::Done)
}

async fn retry(context: &mut Context, id: Option<i64>) -> CommandResult {
    let body = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    let reply = context.client()?.call(ApiCall::post("/v1/mails/retry", body)).await?;
    reply.answer(&mut context.out, |out, MailsRetried { retried }| {
        out.line(match retried {
            1 => "1 mail is sent again".to_owned(),
            count => format!("{count} mails are sent again"),
        });
    })
}
