//! Whether the daemon's books and the simulator's own are the same to the cent, and every letter went out once.

mod compare;
mod differences;
mod letters;
mod pairs;
mod tables;

use self::differences::Differences;
use super::context::{Opens, ScenarioContext};
use super::error::Error;
use super::summary_view::Summary;
use crate::domain::time::Timestamp;
use crate::flow::{self, Flow, Report};

/// Reconciles twice, verifies, and compares everything.
pub(super) async fn audit(
    context: &ScenarioContext,
    flow: &Flow,
    opens: &Opens,
    unfinished: Vec<String>,
) -> Result<Summary, Error> {
    let mut found = Differences::default();
    for name in unfinished {
        found.add(format!("deposit {name} has not come to its end in time"));
    }
    let report = reconciled(context, flow).await?;
    letters::letters_out(context, flow).await?;
    let books = context.upstream.books();
    let pairs = pairs::pairs(context, flow, opens).await?;
    compare::compare_orders(context, &pairs, &mut found);
    let waiting = compare::waiting(context, opens, &pairs, &report, &mut found);
    compare::compare_credits(&pairs, &books, waiting.as_ref(), &mut found);
    let waiting = waiting.map(|(_, waiting)| waiting);
    compare::compare_totals(context, &pairs, &books, &report, waiting.as_ref(), &mut found);
    let letters = letters::letters(context, flow, &mut found).await?;
    let proof = flow.ledger.verify(|_, _| {}).await?;
    for finding in &proof.findings {
        found.add(format!("verify: {} {}: {}", finding.table, finding.row, finding.what));
    }
    let plan = &context.folder.plan;
    let example = tables::example(&pairs).map(|deposit| deposit.id.to_string());
    Ok(Summary {
        folder: context.folder.path.clone(),
        program: context.program.clone(),
        seed: plan.seed,
        speed: plan.speed,
        month: ended_month(plan.origin, context.clock.now()),
        resumed: context.folder.resumed,
        deposits: pairs.len(),
        story_minutes: context.clock.now().since(plan.origin).as_secs().div_euclid(60),
        seconds: context.taken().as_secs_f64(),
        fates: tables::fates(&pairs, &books),
        trial_balance: tables::trial_balance(&pairs),
        identity: report.figures,
        refunded_micros: tables::refunded(&pairs),
        invoices: report.invoices,
        letters,
        events: proof.events,
        transactions: proof.transactions,
        head_seq: proof.head_seq,
        head_hash: proof.head_hash,
        for_review: pairs.iter().filter(|pair| pair.deposit.facts.review.is_some()).count(),
        example,
        waiting,
        mismatches: found.0,
    })
}

/// The month of `began`, unless it is that of `now` as well.
fn ended_month(began: Timestamp, now: Timestamp) -> Option<String> {
    let month = |at: Timestamp| at.to_date_text().get(..7).map(str::to_owned);
    month(began).filter(|_| month(began) != month(now))
}

/// Reconciles until there is a baseline and nothing is on its way any more, for some hours of the story at most.
async fn reconciled(context: &ScenarioContext, flow: &Flow) -> Result<Report, Error> {
    let until = context.clock.now().plus(flow.settings.lag.saturating_mul(4));
    loop {
        let report = flow::reconcile(flow).await?;
        let baseline = report.figures.as_ref().is_some_and(|figures| figures.baseline_cents.is_some());
        let told = report.cases.iter().all(|case| case.told_at.is_some());
        let rests = report.on_their_way == 0 && report.on_its_way_cents.is_none();
        let done = (baseline && rests && told) || context.script.members.is_empty();
        if done || context.stop.is_cancelled() || context.clock.now() >= until {
            return Ok(report);
        }
        tokio::select! {
            () = context.stop.cancelled() => {}
            () = context.clock.sleep(flow.settings.lag.div_f64(6.0)) => {}
        }
    }
}
