//! What every part of the scenario needs: the folder, the script, the clock, the simulator and the options.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::options::Options;
use super::script::Script;
use super::workspace::Workspace;
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::domain::deposit::Deposit;
use crate::domain::ids::DepositId;
use crate::sandbox::upstream::{OrderView, SimulatedUpstream};

/// The scenario's deposits by number.
pub(super) type Opens = BTreeMap<u32, DepositId>;

/// What every part of the scenario needs.
pub(super) struct ScenarioContext {
    pub(super) folder: Workspace,
    pub(super) script: Script,
    pub(super) clock: SharedClock,
    pub(super) upstream: SimulatedUpstream,
    pub(super) stop: CancellationToken,
    pub(super) options: Options,
    pub(super) program: String,
    /// Where programs reach the daemon's API, `http://..`; empty where nothing but a socket is configured.
    pub(super) api: String,
    /// Where the pages for browsers are; empty where there are none.
    pub(super) page: String,
    /// Real time, and when this run began by it.
    pub(super) real: SystemClock,
    pub(super) started: Duration,
}

impl ScenarioContext {
    /// How long this run has taken so far, in real time.
    pub(super) fn taken(&self) -> Duration {
        self.real.monotonic().saturating_sub(self.started)
    }

    /// The upstream's order of a deposit: by its name, or by its link.
    pub(super) fn order_of(&self, deposit: &Deposit) -> Option<OrderView> {
        let wallet = deposit.facts.wallet.as_ref()?;
        let by_link =
            || self.upstream.orders().into_iter().find(|order| Some(&order.url) == wallet.url.as_ref());
        if wallet.is_link() { by_link() } else { self.upstream.order(wallet.order_id.as_deref()?) }
    }
}
