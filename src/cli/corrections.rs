//! `cases correct` and `uncorrect`: shows what will be booked, then books it. `cases match` and `unmatch`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{CorrectArgs, MatchArgs, UncorrectArgs};
use super::client::{ApiCall, ApiReply, segment};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::names::id_of;
use super::output::Output;
use super::review::said;
use super::table::plain;
use crate::api_types::{CaseAfter, Correction, CorrectionList, Matched};

/// Books what the rows of a case's deposit credit, or the amount that is given.
pub(super) async fn correct(context: &mut Context, args: CorrectArgs) -> CommandResult {
    let note = said(&args.note)?.to_owned();
    let (path, mut body) = match (&args.all, &args.id) {
        (Some(kind), _) => ("/v1/corrections".to_owned(), json!({ "kind": kind, "note": note })),
        (None, Some(id)) => (path_of(context, id, "correct").await?, json!({ "note": note })),
        (None, None) => return Err(CommandFailure::usage("name a case or a deposit, or say --all KIND")),
    };
    if let (Some(amount), Some(body)) = (&args.amount, body.as_object_mut()) {
        body.insert("amount".to_owned(), json!(amount));
    }
    // Shows first what it will book, so that a person can still stop it.
    let asked = with_dry_run(&body);
    let reply = context.client()?.call(ApiCall::post(path.clone(), asked)).await?;
    if args.dry_run {
        return done(context, &reply);
    }
    if !context.out.json {
        print(&mut context.out, &reply)?;
    }
    let reply = context.client()?.call(ApiCall::post(path, body)).await?;
    done(context, &reply)
}

/// Takes a correction back.
pub(super) async fn uncorrect(context: &mut Context, args: UncorrectArgs) -> CommandResult {
    let note = said(&args.note)?;
    let call = ApiCall::post(path_of(context, &args.id, "uncorrect").await?, json!({ "note": note }));
    let reply = context.client()?.call(call).await?;
    done(context, &reply)
}

/// Says which row of the list is a deposit's.
pub(super) async fn match_row(context: &mut Context, args: MatchArgs) -> CommandResult {
    let body = json!({ "row": args.row, "note": said(&args.note)? });
    matched(context, &args.id, "match", body).await
}

/// Takes that back.
pub(super) async fn unmatch(context: &mut Context, args: UncorrectArgs) -> CommandResult {
    let body = json!({ "note": said(&args.note)? });
    matched(context, &args.id, "unmatch", body).await
}

async fn matched(context: &mut Context, id: &str, verb: &str, body: Value) -> CommandResult {
    let client = context.client()?;
    let path = format!("/v1/deposits/{}/{verb}", segment(&id_of(&client, id).await?));
    let reply = client.call(ApiCall::post(path, body)).await?;
    if context.out.json {
        context.out.document(&reply.value)?;
        return Ok(ExitStatus::Done);
    }
    let done: Matched = reply.read()?;
    let booked = dollars(done.booked.as_deref());
    context.out.line(match (done.row, &done.order_id) {
        (Some(row), Some(name)) => {
            format!("deposit {}: row {row} ({}) is its row; booked: {booked}", done.deposit_id, plain(name))
        }
        _ => format!("deposit {}: it has no row any more; booked: {booked}", done.deposit_id),
    });
    Ok(ExitStatus::Done)
}

/// A number is a case, anything else names a deposit.
async fn path_of(context: &Context, id: &str, verb: &str) -> Result<String, CommandFailure> {
    Ok(match id.parse::<i64>() {
        Ok(case) => format!("/v1/cases/{case}/{verb}"),
        Err(_) => format!("/v1/deposits/{}/{verb}", segment(&id_of(&context.client()?, id).await?)),
    })
}

fn with_dry_run(body: &Value) -> Value {
    let mut asked = body.clone();
    if let Some(fields) = asked.as_object_mut() {
        fields.insert("dry_run".to_owned(), json!(true));
    }
    asked
}

fn done(context: &mut Context, reply: &ApiReply) -> CommandResult {
    if context.out.json {
        context.out.document(&reply.value)?;
    } else {
        print(&mut context.out, reply)?;
    }
    Ok(ExitStatus::Done)
}

/// The corrections of an answer, whichever it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Corrected {
    All(CorrectionList),
    Deposit(Correction),
    Case(Box<CaseAfter>),
}

fn print(out: &mut Output, reply: &ApiReply) -> Result<(), CommandFailure> {
    let corrections = match reply.read()? {
        Corrected::All(list) => list.corrections,
        Corrected::Deposit(correction) => vec![correction],
        Corrected::Case(after) => after.correction.into_iter().collect(),
    };
    for correction in corrections {
        let verb = if correction.done { "booked" } else { "to be booked" };
        out.line(format_args!(
            "deposit {}: {verb} {}, was {}",
            correction.deposit_id,
            dollars(correction.corrected.as_deref()),
            dollars(correction.booked.as_deref())
        ));
    }
    Ok(())
}

fn dollars(amount: Option<&str>) -> String {
    amount.map_or_else(|| "nothing".to_owned(), |amount| format!("{} USD", plain(amount)))
}
