//! `assets`: what can be paid with, and by which other names a network is known.

use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::table::{Cell, Table};
use crate::api;
use crate::domain::asset::{Asset, Currency, Network};

/// Prints the currencies with their networks.
pub(super) fn assets(context: &mut Context) -> CommandResult {
    if context.out.json {
        context.out.document(&api::assets())?;
        return Ok(ExitStatus::Done);
    }
    let mut table = Table::new(&["currency", "networks"]);
    for currency in Currency::ALL {
        let of_it = Asset::all().filter(|asset| asset.currency == *currency);
        let networks: Vec<&str> = of_it.map(|asset| asset.network.as_str()).collect();
        table.row([Cell::from(currency.as_str()), Cell::from(networks.join(", "))]);
    }
    table.print(&mut context.out, "");
    let known: Vec<String> = Network::ALL
        .iter()
        .filter_map(|network| network.other_names().first().map(|name| format!("{name} is {network}")))
        .collect();
    context.out.line(format_args!("\nOther names are taken as well: {}.", known.join(", ")));
    Ok(ExitStatus::Done)
}
