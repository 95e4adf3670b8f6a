//! What the page for accountants asks: every query of it runs, and answers.

use depositd::domain::period::Month;
use depositd::flow;

use super::story;

const PAGE: &str = include_str!("../../docs/accounting.md");

/// Nothing is open, locked, untold, unmatched or accepted at the end of the story.
const MAY_BE_EMPTY: &[&str] = &[
    "HAVING sum(amount_usd_micros) <> 0",
    "closed_at IS NULL",
    "taken_back_at IS NULL",
    "reconciled IS NOT 'matched'",
    "'requested', 'awaiting_payment'",
];

#[tokio::test]
async fn every_query_of_the_page_answers() {
    let lived = story::march().await;
    flow_to_april(&lived).await;
    story::april(&lived).await;
    let mut asked = 0;
    for block in PAGE.split("```sql\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for query in block.split(';').map(str::trim).filter(|query| !query.is_empty()) {
            let answer = lived.house.sql(query);
            let may_be_empty = MAY_BE_EMPTY.iter().any(|part| query.contains(part));
            assert!(may_be_empty || !answer.is_empty(), "no answer to\n{query}");
            asked += 1;
        }
    }
    assert!(asked >= 24, "{asked}");
}

/// What a ledger with one credited deposit and two runs has nothing of: differences, refunds, flags, top-ups by others, and
/// the like.
const OF_LATER_DAYS: &[&str] = &[
    "accounting_periods",
    "e.refers_to",
    "equity:difference:%",
    "flag IS NOT NULL",
    "equity:held%",
    "late = 1",
    "amount_booked_micros <> amount_usd_micros",
    "top-up refunded%",
    "accounting_discrepancies",
    "accounting_elsewhere",
    "state = 'refunded'",
];

/// No query is about a month that a reader has to know: each answers on any ledger that has what it asks for.
#[tokio::test]
async fn every_query_answers_on_a_young_ledger_too() {
    let house = crate::support::house::House::new().await;
    let deposit = house.wallet("25").await;
    let paid = depositd::sandbox::upstream::Action::Pay { amount_usd: None };
    house.simulator.act(&house.order(&deposit), paid).unwrap();
    house.poll().await;
    house.baseline().await;
    let mut answered = 0;
    for block in PAGE.split("```sql\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for query in block.split(';').map(str::trim).filter(|query| !query.is_empty()) {
            let answer = house.sql(query);
            let may_be_empty = MAY_BE_EMPTY.iter().chain(OF_LATER_DAYS).any(|part| query.contains(part));
            assert!(may_be_empty || !answer.is_empty(), "no answer to\n{query}");
            answered += usize::from(!answer.is_empty());
        }
    }
    assert!(answered >= 18, "{answered}");
}

/// March is closed before April begins to be told.
async fn flow_to_april(lived: &story::Lived) {
    while !lived.house.sql_now().starts_with("2026-04") {
        lived.house.clock.advance(std::time::Duration::from_hours(24));
    }
    flow::close_month(&lived.house.flow, &Month::parse("2026-03").unwrap(), "an accountant").await.unwrap();
}

/// Every view and every column that it has is on the page.
#[tokio::test]
async fn every_column_of_every_view_is_on_the_page() {
    let lived = story::march().await;
    let views = lived.house.sql("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name");
    for view in views.lines() {
        let heading = format!("### {view}");
        let part = PAGE.split(&heading).nth(1).unwrap_or_else(|| panic!("{view} is not on the page"));
        let part = part.split("\n#").next().unwrap();
        for column in lived.house.sql(&format!("SELECT name FROM pragma_table_info('{view}')")).lines() {
            let same = view == "accounting_history" || part.contains(&format!("`{column}`"));
            assert!(same, "{view}.{column} is not on the page");
        }
    }
}
