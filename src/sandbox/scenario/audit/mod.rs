//! Whether the daemon's books and the simulator's own are the same to the cent, and every letter went out once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use rust_decimal::Decimal;

use super::runner::{Opens, state_of};
use super::summary_view::{BalanceLine, FateRow, Summary, WaitingDeposit};
use super::{Error, Stage, script};
use crate::clock::Clock as _;
use crate::domain::deposit::{Booked, Deposit, State};
use crate::domain::ids::DepositId;
use crate::domain::journal::PREPAID;
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::CaseKind;
use crate::flow::{self, Flow, Report};
use crate::ledger::{DepositFilter, HistoryPosting};
use crate::sandbox::upstream::{Books, Fate, OrderView};

/// The longest wait for the last letters, in real time.
const LETTERS: Duration = Duration::from_secs(30);
const PAGE: u32 = 500;
/// What cannot be listed cannot be compared: far more letters than the largest cast is owed.
const MOST_MAILS: u32 = 1_000_000;

/// A deposit as both sides have it.
struct Pair {
    deposit: Deposit,
    postings: Vec<HistoryPosting>,
    order: Option<OrderView>,
    fate: Option<Fate>,
}

/// What does not agree, in words.
#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    fn unless(&mut self, same: bool, what: impl FnOnce() -> String) {
        if !same {
            self.0.push(what());
        }
    }
}

/// Reconciles twice, verifies, and compares everything.
pub(super) async fn audit(
    stage: &Stage,
    flow: &Flow,
    opens: &Opens,
    unfinished: Vec<String>,
) -> Result<Summary, Error> {
    let mut found = Differences::default();
    for name in unfinished {
        found.add(format!("deposit {name} has not come to its end in time"));
    }
    let report = reconciled(stage, flow).await?;
    letters_out(stage, flow).await?;
    let books = stage.upstream.books();
    let pairs = pairs(stage, flow, opens).await?;
    compare_orders(stage, &pairs, &mut found);
    let waiting = waiting(stage, opens, &pairs, &report, &mut found);
    compare_credits(&pairs, &books, waiting.as_ref(), &mut found);
    let waiting = waiting.map(|(_, waiting)| waiting);
    compare_totals(stage, &pairs, &books, &report, waiting.as_ref(), &mut found);
    let letters = letters(stage, flow, &mut found).await?;
    let proof = flow.ledger.verify(|_, _| {}).await?;
    for finding in &proof.findings {
        found.add(format!("verify: {} {}: {}", finding.table, finding.row, finding.what));
    }
    let plan = &stage.folder.plan;
    let example = example(&pairs).map(|deposit| deposit.id.to_string());
    Ok(Summary {
        folder: stage.folder.path.clone(),
        program: stage.program.clone(),
        seed: plan.seed,
        speed: plan.speed,
        resumed: stage.folder.resumed,
        deposits: pairs.len(),
        story_minutes: stage.clock.now().since(plan.origin).as_secs().div_euclid(60),
        seconds: stage.taken().as_secs_f64(),
        fates: fates(&pairs, &books),
        trial_balance: trial_balance(&pairs),
        identity: report.figures,
        refunded_micros: refunded(&pairs),
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

/// The deposit whose page is worth a look.
fn example(pairs: &[Pair]) -> Option<&Deposit> {
    let by = |fate| pairs.iter().find(|pair| pair.fate == Some(fate));
    let pair = by(Fate::LostAnswer).or_else(|| by(Fate::Late)).or_else(|| pairs.first())?;
    Some(&pair.deposit)
}

/// Reconciles until there is a baseline and nothing is on its way any more, for some hours of the story at most.
async fn reconciled(stage: &Stage, flow: &Flow) -> Result<Report, Error> {
    let until = stage.clock.now().plus(flow.settings.lag.saturating_mul(4));
    loop {
        let report = flow::reconcile(flow).await?;
        let baseline = report.figures.as_ref().is_some_and(|figures| figures.baseline_cents.is_some());
        let told = report.cases.iter().all(|case| case.told_at.is_some());
        let rests = report.on_their_way == 0 && report.on_its_way_cents.is_none();
        let done = (baseline && rests && told) || stage.script.members.is_empty();
        if done || stage.stop.is_cancelled() || stage.clock.now() >= until {
            return Ok(report);
        }
        tokio::select! {
            () = stage.stop.cancelled() => {}
            () = stage.clock.sleep(flow.settings.lag.div_f64(6.0)) => {}
        }
    }
}

/// The one case that the story leaves to a person: the list credits another figure than the looks said. Nothing waits
/// any more where somebody has corrected it.
fn waiting(
    stage: &Stage,
    opens: &Opens,
    pairs: &[Pair],
    report: &Report,
    found: &mut Differences,
) -> Option<(DepositId, WaitingDeposit)> {
    let members = stage.script.members.iter();
    let (member, cents) = members.filter_map(|member| Some((member, member.credits_cents?))).next()?;
    let id = *opens.get(&member.number)?;
    let pair = pairs.iter().find(|pair| pair.deposit.id == id)?;
    let (booked, listed) = (pair.deposit.facts.booked.as_ref()?.total(), UsdMicros::from_cents(cents)?);
    if booked == listed {
        return None;
    }
    let said = pair.order.as_ref().map(|order| order.arrived);
    found.unless(said == Some(booked), || format!("deposit {id} is booked at {booked} USD"));
    let (kind, name) = (CaseKind::AmountMismatch.as_str(), id.to_string());
    let mut about = report.cases.iter().filter(|case| case.deposit_id.as_ref() == Some(&name));
    match (about.next(), about.next()) {
        (Some(case), None)
            if case.kind == kind
                && case.expected == booked.to_string()
                && case.found == listed.to_string() =>
        {
            let (looks_say, list_credits) = (case.expected.clone(), case.found.clone());
            let called = format!("#{:02}", member.number);
            Some((id, WaitingDeposit { case: case.id, deposit: name, called, looks_say, list_credits }))
        }
        _ => {
            found.add(format!("deposit {id} is booked at {booked} USD, listed at {listed}, and has no case"));
            None
        }
    }
}

async fn letters_out(stage: &Stage, flow: &Flow) -> Result<(), Error> {
    let until = stage.taken().saturating_add(LETTERS);
    while stage.taken() < until && !stage.stop.is_cancelled() {
        if flow.ledger.mail_counts().await?.iter().all(|(state, _)| state != "owed") {
            break;
        }
        stage.real.sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn pairs(stage: &Stage, flow: &Flow, opens: &Opens) -> Result<Vec<Pair>, Error> {
    let fates: HashMap<_, _> = stage
        .script
        .members
        .iter()
        .filter_map(|member| opens.get(&member.number).map(|id| (*id, member.fate)))
        .collect();
    let mut pairs = Vec::new();
    let mut listing = DepositFilter { limit: PAGE, ..DepositFilter::default() };
    loop {
        let (deposits, next) = flow.ledger.list(&listing).await?;
        for deposit in deposits {
            let order = deposit.facts.wallet.as_ref().and_then(|w| stage.upstream.order(&w.order_id));
            let fate = fates.get(&deposit.id).copied();
            let story = flow.ledger.story(deposit).await?;
            pairs.push(Pair { deposit: story.deposit, postings: story.postings, order, fate });
        }
        if next.is_none() {
            return Ok(pairs);
        }
        listing.cursor = next;
    }
}

/// One deposit a request, one order a deposit, and where each ended.
fn compare_orders(stage: &Stage, pairs: &[Pair], found: &mut Differences) {
    let asked = pairs.iter().filter(|pair| pair.fate.is_some()).count();
    let cast = stage.script.members.len();
    found.unless(asked == cast, || format!("{cast} deposits were asked for, the ledger has {asked} of them"));
    let mut owners: HashMap<&str, u32> = HashMap::new();
    for pair in pairs {
        let (id, facts) = (pair.deposit.id, &pair.deposit.facts);
        match (&facts.wallet, &pair.order) {
            (Some(wallet), None) => {
                found.add(format!("deposit {id}: nobody made its order {}", wallet.order_id))
            }
            (Some(wallet), Some(order)) => {
                let owned = owners.entry(&wallet.order_id).or_default();
                *owned = owned.saturating_add(1);
                let state = state_of(&order.status).filter(|_| pair.fate.is_some());
                found.unless(state.is_none_or(|state| state == facts.state), || {
                    format!("deposit {id} is {}, its order {}", facts.state, order.status)
                });
                found.unless(order.address == wallet.address, || {
                    format!("deposit {id} shows another address")
                });
            }
            (None, _) => {
                let refused = pair.fate.is_none() || facts.state == State::Rejected;
                found.unless(refused, || format!("deposit {id} is {} without a wallet", facts.state));
            }
        }
    }
    for order in stage.upstream.orders() {
        match owners.get(order.order_id.as_str()).copied().unwrap_or(0) {
            1 => {}
            // The work of an attempt whose answer was lost: nobody was shown it, so nobody has paid it.
            0 if order.credited_cents.is_none() => {}
            owners => found.add(format!("order {} belongs to {owners} deposits", order.order_id)),
        }
    }
}

/// Every credit is journaled exactly once, and nothing else is.
fn compare_credits(
    pairs: &[Pair],
    books: &Books,
    waiting: Option<&(DepositId, WaitingDeposit)>,
    found: &mut Differences,
) {
    for pair in pairs {
        let id = pair.deposit.id;
        if waiting.is_some_and(|(waiting, _)| *waiting == id) {
            continue;
        }
        let credit = pair.order.as_ref().and_then(|order| books.credited.get(&order.order_id));
        let prepaid = || pair.postings.iter().filter(|posting| posting.account == PREPAID);
        let sum = |wanted: fn(i64) -> bool| {
            let micros = prepaid().map(|posting| posting.amount_usd_micros);
            micros.filter(|micros| wanted(*micros)).fold(0_i64, i64::saturating_add)
        };
        let (into, out) = (sum(i64::is_positive), sum(i64::is_negative));
        let credited = credit.map_or(0, |credit| credit.micros.get());
        let refunded = credit.map_or(0, |credit| credit.refunded_cents.saturating_mul(10_000));
        if pair.fate.is_some() {
            let entries = prepaid().filter(|posting| posting.amount_usd_micros > 0).count();
            let said = pair.deposit.facts.booked.as_ref().is_some_and(Booked::is_said);
            found.unless(said || entries == usize::from(credit.is_some()), || {
                format!(
                    "deposit {id} was credited by {entries} entries, and upstream {}",
                    times(credit.is_some())
                )
            });
            found.unless(said || into == credited, || differ(&format!("credits of {id}"), credited, into));
        }
        let net = credited.saturating_sub(refunded);
        let ours = into.saturating_add(out);
        found.unless(ours == net, || differ(&format!("the net of {id}"), net, ours));
    }
}

fn times(once: bool) -> &'static str {
    if once { "once" } else { "never" }
}

fn differ(what: &str, theirs: i64, ours: i64) -> String {
    format!("{what}: {theirs} millionths of a dollar upstream, {ours} in the journal")
}

/// The account's figures, the identity, and the cases that are left.
fn compare_totals(
    stage: &Stage,
    pairs: &[Pair],
    books: &Books,
    report: &Report,
    waiting: Option<&WaitingDeposit>,
    found: &mut Differences,
) {
    let owned = pairs.iter().filter_map(|pair| pair.order.as_ref());
    let credited = owned.filter_map(|order| books.credited.get(&order.order_id));
    let here = credited.fold(0_i64, |sum, credit| sum.saturating_add(credit.cents));
    let Some(figures) = &report.figures else { return found.add("the reconciliation has no figures") };
    let mut same = |what: &str, theirs: i64, ours: i64| {
        found.unless(theirs == ours, || format!("{what}: {theirs} cents upstream, {ours} in the report"));
    };
    same("total charges", books.total_charges_cents, figures.total_charges_cents);
    same("balance", books.balance_cents, figures.balance_cents);
    same("credited here", here, figures.credited_here_cents);
    let elsewhere = books.total_charges_cents.saturating_sub(here);
    match (figures.baseline_cents, figures.difference_cents) {
        (Some(baseline), Some(difference)) => {
            same("credited elsewhere", elsewhere, figures.credited_elsewhere_cents);
            same("the difference", 0, difference);
            if !stage.script.members.is_empty() {
                same("the baseline", script::BEFORE.0, baseline);
            }
        }
        // In a sandbox without a cast nobody waits for two runs that agree.
        _ if stage.script.members.is_empty() => {}
        _ => found.add("there is no baseline"),
    }
    for case in report.cases.iter().filter(|case| waiting.is_none_or(|waiting| waiting.case != case.id)) {
        found.add(format!(
            "case {} stands: {}, expected {}, found {}",
            case.id, case.kind, case.expected, case.found
        ));
    }
}

/// Letters by event: each owed one is out, and lies in the folder exactly once.
async fn letters(
    stage: &Stage,
    flow: &Flow,
    found: &mut Differences,
) -> Result<BTreeMap<String, u64>, Error> {
    let mails = flow.ledger.mails(&["owed", "dead", "sent"], MOST_MAILS).await?;
    let folder = stage.folder.file("mail");
    let mut files = message_ids(&folder).map_err(Error::io("cannot read", &folder))?;
    let mut letters: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for mail in &mails {
        let count = letters.entry(mail.event.clone()).or_default();
        *count = count.saturating_add(1);
        found.unless(mail.state == "sent", || format!("mail {} ({}) is {}", mail.id, mail.event, mail.state));
        found.unless(seen.insert(&mail.message_id), || format!("two mails are called {}", mail.message_id));
        let copies = files.remove(&mail.message_id).unwrap_or(0);
        found.unless(copies == 1, || format!("mail {} lies in the folder {copies} times", mail.id));
    }
    for (id, _) in files {
        found.add(format!("a letter that nobody owed lies in the folder: {id}"));
    }
    Ok(letters)
}

/// The Message-IDs of all letters in the folder, and how often each is there.
fn message_ids(folder: &Path) -> std::io::Result<BTreeMap<String, u32>> {
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ids),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            let unfolded = text.replace("\r\n ", " ");
            let id = unfolded
                .lines()
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix("Message-ID:"))
                .map_or_else(
                    || path.display().to_string(),
                    |id| id.trim().trim_matches(['<', '>']).to_owned(),
                );
            let count = ids.entry(id).or_default();
            *count = count.saturating_add(1);
        }
    }
    Ok(ids)
}

fn fates(pairs: &[Pair], books: &Books) -> Vec<FateRow> {
    let mut rows: BTreeMap<(usize, String), FateRow> = BTreeMap::new();
    for pair in pairs {
        let fate = pair.fate.map_or_else(|| "by hand".to_owned(), |fate| format!("{fate:?}"));
        let facts = &pair.deposit.facts;
        let outcome = facts.outcome.map(|outcome| outcome.as_str().to_owned());
        let late = facts.late.then(|| "late".to_owned());
        let more: Vec<String> = outcome.into_iter().chain(late).collect();
        let state = facts.state.as_str().replace('_', " ");
        let ended = if more.is_empty() { state } else { format!("{state} ({})", more.join(", ")) };
        let credit = pair.order.as_ref().and_then(|order| books.credited.get(&order.order_id));
        let place = pair.fate.and_then(|fate| Fate::ALL.iter().position(|known| *known == fate));
        let key = (place.unwrap_or(usize::MAX), ended.clone());
        let row = rows.entry(key).or_insert_with(|| FateRow { fate, ended, ..FateRow::default() });
        row.deposits = row.deposits.saturating_add(1);
        let net = credit.map_or(0, |credit| credit.cents.saturating_sub(credit.refunded_cents));
        row.upstream_micros = row.upstream_micros.saturating_add(net.saturating_mul(10_000));
        let booked = pair.postings.iter().filter(|posting| posting.account == PREPAID);
        let booked = booked.fold(0_i64, |sum, posting| sum.saturating_add(posting.amount_usd_micros));
        row.booked_micros = row.booked_micros.saturating_add(booked);
    }
    rows.into_values().collect()
}

fn refunded(pairs: &[Pair]) -> i64 {
    let facts = pairs.iter().map(|pair| &pair.deposit.facts).filter(|facts| facts.refunded_at.is_some());
    let booked = facts.filter_map(|facts| facts.booked.as_ref());
    booked.fold(0, |sum, booked| sum.saturating_add(booked.total().get()))
}

fn trial_balance(pairs: &[Pair]) -> Vec<BalanceLine> {
    let mut sums: BTreeMap<(String, String), (Decimal, i64)> = BTreeMap::new();
    for posting in pairs.iter().flat_map(|pair| &pair.postings) {
        let key = (posting.account.clone(), posting.commodity.clone());
        let sum = sums.entry(key).or_default();
        let amount = Decimal::from_str_exact(&posting.amount).unwrap_or_default();
        sum.0 = sum.0.saturating_add(amount);
        sum.1 = sum.1.saturating_add(posting.amount_usd_micros);
    }
    let rows = sums.into_iter();
    rows.map(|((account, commodity), (amount, usd_micros))| BalanceLine {
        account,
        commodity,
        balance: amount.normalize().to_string(),
        usd_micros,
    })
    .collect()
}
