//! What holds for any rows and any figures.

use proptest::prelude::*;

use super::matching::claim;
use super::*;
use crate::domain::status::Status;

fn pairs() -> impl Strategy<Value = DepositRows> {
    let words = prop::collection::vec(
        prop::sample::select(Status::WORDS).prop_map(|(word, _)| word.to_owned()),
        0..4,
    );
    let state = prop::sample::select(State::ALL);
    let micros = prop::option::of(0..20_000_000_i64);
    let accepted = prop::option::of((0..2_000_i64, 0..2_000_i64));
    (words, state, micros, 0..2_000_i64, any::<bool>(), accepted).prop_map(
        |(words, state, micros, cents, provisional, accepted)| {
            let weights: Vec<Weight> = words.iter().map(|word| Weight::of(Some(word))).collect();
            DepositRows {
                state,
                booked: micros.map(UsdMicros::new),
                provisional: provisional && micros.is_some(),
                rows: i64::try_from(words.len()).unwrap(),
                paid_cents: if weights.contains(&Weight::Amount) { cents } else { 0 },
                follows: weights.contains(&Weight::Follows),
                words,
                accepted: accepted
                    .map(|(listed_cents, counted_cents)| Accepted { listed_cents, counted_cents }),
                ..pair()
            }
        },
    )
}

proptest! {
    /// Where a comparison says that both sides agree, they do: what the rows count is what is booked, to the cent.
    #[test]
    fn what_agrees_counts_what_is_booked(pair in pairs()) {
        match compare(&pair, 0) {
            Verdict::Agrees => {
                let apart = pair.booked.map_or(0, UsdMicros::get).abs_diff(pair.counted_cents() * 10_000);
                prop_assert!(apart < 10_000, "{pair:?}");
            }
            Verdict::StatesFigure(figure) => {
                // It is booked, and agrees then.
                prop_assert_eq!(figure, cents(pair.listed_cents()));
                let booked = DepositRows { booked: Some(figure), provisional: false, ..pair };
                prop_assert_eq!(kind_of(&compare(&booked, 0)), "agrees");
            }
            Verdict::Differs(difference) => {
                prop_assert_eq!(difference.expected_cents, Some(pair.booked_cents()));
                // One acceptance of a person ends it, whatever it is.
                let accepted = Some(Accepted { listed_cents: pair.listed_cents(), counted_cents: pair.booked_cents() });
                let after = DepositRows { accepted, ..pair };
                prop_assert_eq!(kind_of(&compare(&after, 0)), "agrees", "{:?}", after);
                prop_assert_eq!(after.counted_cents(), after.booked_cents());
            }
        }
    }

    #[test]
    fn tolerance_only_ever_forgives(pair in pairs(), tolerance in 0..500_i64) {
        if compare(&pair, 0) == Verdict::Agrees {
            prop_assert_eq!(compare(&pair, tolerance), Verdict::Agrees);
        }
    }

    /// The identity holds whatever the figures are, and what is told of a drift lag cannot explain.
    #[test]
    fn a_drift_that_is_mailed_is_not_the_lags(
        base in 0..1_000_i64, accepted in -500..500_i64, old in 0..1_000_i64, new in 0..1_000_i64, late in 0..1_000_i64,
        in_total in 0..=1_000_i64,
    ) {
        // Honest: the total holds the old rows and some part of what is new or booked.
        let on_its_way = new + late;
        let total = base + accepted + old + on_its_way * in_total / 1_000;
        let account = AccountFigures {
            total, total_before: Some(base + accepted + old), baseline: Some(base), accepted, listed: old + new, listed_before: old, not_listed: late,
        };
        prop_assert_eq!(account.drift_cents(), Some(total - base - accepted - old - new));
        prop_assert!(!matches!(account.drift(0), Drift::Stands { .. }), "{:?}", account);
        // A cent that no row and no lag explains is told.
        let gone = AccountFigures { total: base + accepted + old - 1, ..account };
        let told = matches!(gone.drift(0), Drift::Stands { beyond_lag: true, .. });
        prop_assert!(told, "{:?}", gone);
    }

    /// The order in which a list and its claims come changes nothing.
    #[test]
    fn the_order_of_claims_changes_nothing(
        mut claims in prop::collection::vec((0..30_i64, 0..4_i64, prop::sample::select(MatchRule::CERTAIN)), 0..80),
        turn in 0..80_usize,
    ) {
        claims.sort_unstable();
        claims.dedup();
        let of = |claims: &[(i64, i64, MatchRule)]| {
            let mut matches = decide(claims.iter().map(|(row, deposit, rule)| claim(*row, *deposit, *rule)).collect());
            matches.sort_by_key(|one| match one { Match::Of(claim) => claim.row, Match::Unread { row, .. } => *row });
            matches
        };
        let first = of(&claims);
        let turn = turn.min(claims.len());
        claims.rotate_left(turn);
        prop_assert_eq!(&of(&claims), &first);
        let mut rows: Vec<i64> = claims.iter().map(|claim| claim.0).collect();
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!(first.len(), rows.len(), "each row once");
    }
}
