//! The places where the API listens: each is taken as the daemon would take it, and given back.

use std::sync::Arc;

use super::account::{Account, Want};
use super::finding::{Check, Findings};
use super::unit::Unit;
use crate::api::{self, TriedPlace};
use crate::cli::client::{Client, ClientError};
use crate::clock::SharedClock;
use crate::config::{Config, Listen};
use crate::domain::causes;

/// Ports below this one are root's, unless the system says otherwise.
const PORTS_FROM: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Tries each place. Where somebody has it already, that must be the daemon of this very ledger.
pub(super) async fn listeners(
    config: &Config,
    clock: &SharedClock,
    ledger: Option<&str>,
    unit: Option<&Unit>,
    daemon: &Account,
) -> Check {
    let client = Client::new(config.api.clone(), Arc::clone(clock));
    let (mut found, mut runs) = (Findings::default(), false);
    for place in &config.api.listen {
        let foreign = |why: String| format!("{place}: {why}");
        match not_allowed(place, unit, daemon) {
            Some(Ok(words)) => {
                found.good(foreign(words));
                continue;
            }
            Some(Err(why)) => {
                found.wrong(foreign(why));
                continue;
            }
            None => {}
        }
        match api::try_place(place).await {
            Ok(TriedPlace::Free) => found.good(foreign("free".to_owned())),
            Ok(TriedPlace::LeftBehind) => {
                found
                    .good(foreign("a socket that a daemon left behind; the next one replaces it".to_owned()));
            }
            Err(error) if error.is_taken() => match client.ledger_at(place).await {
                Ok(Some(held)) if Some(held.as_str()) == ledger => {
                    runs = true;
                    found.good(foreign("held by the daemon of this ledger".to_owned()));
                }
                Ok(Some(_)) if ledger.is_some() => {
                    found.wrong(foreign("taken by the daemon of another ledger".to_owned()));
                }
                Ok(Some(_)) => {
                    found.warn(foreign("a daemon answers there, perhaps of another ledger".to_owned()))
                }
                Ok(None) => found.wrong(foreign("taken by another program".to_owned())),
                Err(ClientError::Unreachable(why) | ClientError::Broken(why)) => {
                    found.wrong(foreign(format!("taken by another program ({why})")));
                }
                Err(_) => found.wrong(foreign("taken by another program".to_owned())),
            },
            Err(error) => found.wrong(causes::chain(&error)),
        }
    }
    if let Some(address) = config.page.listen {
        page(&mut found, &Listen::Tcp(address), runs, daemon).await;
    }
    found.check("listeners")
}

/// The place of the pages for browsers; where the daemon runs, it has it.
async fn page(found: &mut Findings, place: &Listen, daemon_runs: bool, daemon: &Account) {
    let of_page = |why: String| format!("page {place}: {why}");
    match not_allowed(place, None, daemon) {
        Some(Ok(words)) => return found.good(of_page(words)),
        Some(Err(why)) => return found.wrong(of_page(why)),
        None => {}
    }
    match api::try_place(place).await {
        Ok(_) => found.good(of_page("free".to_owned())),
        Err(error) if error.is_taken() && daemon_runs => {
            found.good(of_page("held, and the daemon runs".to_owned()))
        }
        Err(error) if error.is_taken() => found.wrong(of_page("taken by another program".to_owned())),
        Err(error) => found.wrong(of_page(causes::chain(&error))),
    }
}

/// What can be said of a place without taking it: that it is in order or is not. `None` where it has to be taken.
fn not_allowed(place: &Listen, unit: Option<&Unit>, daemon: &Account) -> Option<Result<String, String>> {
    let path = match place {
        Listen::Tcp(address) => {
            let from = std::fs::read_to_string(PORTS_FROM).ok().and_then(|text| text.trim().parse().ok());
            let from: u16 = from.unwrap_or(1024);
            let is_roots = (1..from).contains(&address.port()) && !daemon.is_root();
            let who = daemon.name();
            return is_roots.then(|| Err(format!("{who} may not listen on a port below {from}")));
        }
        Listen::Unix(path) => path,
    };
    if let Some(unit) = unit.filter(|unit| !unit.lets_write(path)) {
        let name = &unit.name;
        return Some(Err(format!(
            "{name} lets the daemon make nothing there: use a folder of RuntimeDirectory=, such as /run/depositd"
        )));
    }
    let folder = path.parent()?;
    match folder.metadata() {
        Ok(met) if met.is_dir() => daemon.may(folder, Want::Write).err().map(Err),
        Ok(_) => Some(Err(format!("{} is no folder", folder.display()))),
        Err(_) if unit.is_some_and(|unit| unit.makes(path)) => {
            Some(Ok(format!("{} is made by systemd", folder.display())))
        }
        Err(error) => Some(Err(format!("its folder {}: {error}", folder.display()))),
    }
}
