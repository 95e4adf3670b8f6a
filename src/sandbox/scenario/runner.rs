//! Runs the scenario: asks for its deposits, carries out its other actions, and sees when everything has ended.

use std::time::Duration;

use tokio::sync::mpsc;

use super::context::{Opens, ScenarioContext};
use super::endings::has_ended;
use super::error::Error;
use super::printer::{Line, Printer};
use super::script::{ScenarioDeposit, ScenarioTurn};
use super::summary_view::Summary;
use super::workspace::STORE;
use super::{audit, instructions};
use crate::domain::ids::DepositId;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::flow::{self, Flow, NewDeposit, Opened};
use crate::sandbox::upstream::Fate;

/// How often the runner checks whether everything has ended, in real time.
const GLANCE: Duration = Duration::from_millis(150);
/// A scenario that runs for longer than both of these, in its own time and in real time, will not end.
const STORY_LIMIT: Duration = Duration::from_hours(96);
const REAL_LIMIT: Duration = Duration::from_mins(2);

/// Runs and prints the scenario; `None` where it was asked to stop.
pub(super) async fn direct(
    context: &ScenarioContext,
    flow: &Flow,
    show: &mut Printer<'_>,
) -> Result<Option<Summary>, Error> {
    let before = flow.ledger.head_hash().await?.map_or(0, |(seq, _)| seq);
    let (lines, heard) = mpsc::unbounded_channel();
    let telling = async {
        // The channel closes with this block, and the printer ends with the channel.
        let told = tell(context, flow, &lines).await;
        drop(lines);
        told
    };
    let (told, shown) = tokio::join!(telling, show.follow(flow, heard, before, context));
    shown?;
    told
}

async fn tell(
    context: &ScenarioContext,
    flow: &Flow,
    lines: &mpsc::UnboundedSender<(Timestamp, Line)>,
) -> Result<Option<Summary>, Error> {
    let mut summary = None;
    // What was there before the scenario is the baseline, not a part of it.
    if flow.ledger.last_good_run().await?.is_none() {
        let _ = flow::reconcile(flow).await;
    }
    if !context.script.members.is_empty() {
        let Some((opens, unfinished)) = play(context, flow, lines).await? else { return Ok(None) };
        summary = Some(audit::audit(context, flow, &opens, unfinished).await?);
        if context.stop.is_cancelled() {
            return Ok(None);
        }
    }
    if context.options.serve {
        if let Some(summary) = &summary {
            let _ = lines.send((context.clock.now(), Line::Page(Box::new(summary.clone()))));
        }
        context.upstream.set_default_fate(Fate::Manual);
        context.upstream.set_lifetime(lifetime_by_hand(context.folder.plan.speed));
        let (text, places) = (instructions::instructions(context), instructions::places(context));
        let _ = lines.send((context.clock.now(), Line::Serving { text, places }));
        context.stop.cancelled().await;
        // Mismatches of the scenario are kept while a person plays on.
        return Ok(summary.filter(|summary| !summary.mismatches.is_empty()));
    }
    if summary.is_none() {
        summary = Some(audit::audit(context, flow, &Opens::new(), Vec::new()).await?);
    }
    Ok(summary)
}

/// Runs the script to its end. Returns the deposits, and the names of those that did not end in time.
async fn play(
    context: &ScenarioContext,
    flow: &Flow,
    lines: &mpsc::UnboundedSender<(Timestamp, Line)>,
) -> Result<Option<(Opens, Vec<String>)>, Error> {
    let (origin, started) = (context.folder.plan.origin, context.clock.now());
    let mut turns = context.script.turns.iter().peekable();
    let mut opens = Opens::new();
    let mut open: Vec<(&ScenarioDeposit, DepositId)> = Vec::new();
    loop {
        while let Some((at, turn)) = turns.next_if(|(at, _)| origin.plus(*at) <= context.clock.now()) {
            if context.stop.is_cancelled() {
                return Ok(None);
            }
            let is_outage = matches!(turn, ScenarioTurn::OutageBegins | ScenarioTurn::OutageEnds);
            if is_outage && origin.plus(*at) < started {
                // It was told in an earlier run.
                continue;
            }
            if let ScenarioTurn::Ask(place) = turn {
                let Some(member) = context.script.members.get(*place) else { continue };
                let id = ask(context, flow, member).await?;
                opens.insert(member.number, id);
                open.push((member, id));
            } else {
                take(context, turn, lines)?;
            }
        }
        open = still_open(context, flow, open).await?;
        if open.is_empty() && turns.peek().is_none() {
            return Ok(Some((opens, Vec::new())));
        }
        let too_long = context.clock.now().since(started) > STORY_LIMIT && context.taken() > REAL_LIMIT;
        if too_long {
            let names = open.iter().map(|(member, _)| format!("#{:02} ({:?})", member.number, member.fate));
            return Ok(Some((opens, names.collect())));
        }
        let glance = GLANCE.saturating_mul(context.folder.plan.speed);
        let now = context.clock.now();
        let wait = turns.peek().map_or(glance, |(at, _)| origin.plus(*at).since(now).min(glance));
        tokio::select! {
            () = context.stop.cancelled() => return Ok(None),
            () = context.clock.sleep(wait.max(Duration::from_millis(1))) => {}
        }
    }
}

/// Asks for a deposit with its key: a restart asks again, and gets the same.
async fn ask(context: &ScenarioContext, flow: &Flow, member: &ScenarioDeposit) -> Result<DepositId, Error> {
    let notify = member.notify.then(|| format!("payer{:02}@example.com", member.number));
    let asset = member.asset;
    let new = NewDeposit {
        coupon: member.coupon.map(str::to_owned),
        reference: Some(member.reference()),
        notify: notify.into_iter().collect(),
        idempotency_key: Some(format!("sandbox-{}-{}", context.folder.plan.seed, member.number)),
        ..match member.method {
            Method::Wallet => {
                NewDeposit::new(asset.currency.as_str(), asset.network.as_str(), &member.amount)
            }
            link => NewDeposit::by_link(link, &member.amount),
        }
    };
    match flow::open(flow, new).await {
        Ok(Opened::New(deposit) | Opened::Same(deposit)) => Ok(deposit.id),
        Err(source) => Err(Error::Request { name: format!("#{:02}", member.number), source }),
    }
}

/// Carries out an action of the script. What the simulator's store has from before a restart is not done again.
fn take(
    context: &ScenarioContext,
    turn: &ScenarioTurn,
    lines: &mpsc::UnboundedSender<(Timestamp, Line)>,
) -> Result<(), Error> {
    let upstream = &context.upstream;
    let store = |source| Error::io("cannot write", &context.folder.file(STORE))(source);
    let planned = |wanted: fn(&ScenarioTurn) -> Option<(usize, i64)>, before: usize| -> i64 {
        let all = context.script.turns.iter().filter_map(|(_, turn)| wanted(turn));
        all.filter(|(nth, _)| *nth < before).fold(0, |sum, (_, cents)| sum.saturating_add(cents))
    };
    let line = match turn {
        ScenarioTurn::TopUp { nth, cents, method } => {
            let done = |turn: &ScenarioTurn| match turn {
                ScenarioTurn::TopUp { nth, cents, .. } => Some((*nth, *cents)),
                _ => None,
            };
            if upstream.books().elsewhere_cents > planned(done, *nth) {
                return Ok(());
            }
            upstream.top_up_elsewhere(*cents, method).map_err(store)?;
            Line::TopUp { cents: *cents, method }
        }
        ScenarioTurn::Spend { nth, cents } => {
            let done = |turn: &ScenarioTurn| match turn {
                ScenarioTurn::Spend { nth, cents } => Some((*nth, *cents)),
                _ => None,
            };
            if upstream.books().spent_cents > planned(done, *nth) {
                return Ok(());
            }
            upstream.spend(*cents).map_err(store)?;
            Line::Spent { cents: *cents }
        }
        ScenarioTurn::OutageBegins => Line::Outage { begins: true },
        ScenarioTurn::OutageEnds => Line::Outage { begins: false },
        ScenarioTurn::Ask(_) => return Ok(()),
    };
    let _ = lines.send((context.clock.now(), line));
    Ok(())
}

/// The deposits that have not ended yet on both sides.
async fn still_open<'a>(
    context: &ScenarioContext,
    flow: &Flow,
    open: Vec<(&'a ScenarioDeposit, DepositId)>,
) -> Result<Vec<(&'a ScenarioDeposit, DepositId)>, Error> {
    let mut left = Vec::with_capacity(open.len());
    for (member, id) in open {
        let ended = match flow.ledger.find(&id.to_string()).await? {
            Some(deposit) => has_ended(&deposit, context.order_of(&deposit).as_ref()),
            None => false,
        };
        if !ended {
            left.push((member, id));
        }
    }
    Ok(left)
}

/// The lifetime of wallets for people: an hour of real time, however fast the sandbox's time runs.
fn lifetime_by_hand(speed: u32) -> Duration {
    Duration::from_hours(1).saturating_mul(speed)
}
