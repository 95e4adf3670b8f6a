//! How a test makes the simulator's answers lag or lie. The truth ([`SimulatedUpstream::books`],
//! [`SimulatedUpstream::order`]) does not change by any of it.

use std::io;

use super::fate::Fate;
use super::lag::{Lag, Source};
use super::lies::{AccountLie, ListLie, TotalLie};
use super::overlay;
use super::simulator::SimulatedUpstream;
use crate::domain::asset::Asset;

impl SimulatedUpstream {
    /// From now on this source shows what was true that long ago: a look the order as it stood then (at its creation
    /// at the earliest), a list the rows that were there then as they stood then, the total what was credited,
    /// refunded and spent by then. What the source could show in its latest answer does not go back.
    pub fn set_lag(&self, source: Source, lag: Lag) {
        self.shared.set_lag(source, lag);
    }

    /// From now on every list is wrong in this way too.
    pub fn set_list_lie(&self, lie: ListLie) {
        self.shared.world().lies.tell(lie, None);
    }

    /// The next `times` lists are wrong in this way too.
    pub fn lie_for(&self, lie: ListLie, times: u32) {
        self.shared.world().lies.tell(lie, Some(times));
    }

    /// Lists are right again.
    pub fn clear_list_lies(&self) {
        self.shared.world().lies.clear_list();
    }

    /// `totalCharges` and `balance` are multiplied by `num` and divided by `den` (0 changes nothing) before they are
    /// answered; what is then no whole number shows its digits.
    pub fn set_total_factor(&self, num: i64, den: i64) {
        let lies = &mut self.shared.world().lies;
        lies.total = TotalLie { num, den, ..lies.total };
    }

    /// So many cents are added to `totalCharges` and `balance`, after the factor.
    pub fn set_total_shift(&self, cents: i64) {
        self.shared.world().lies.total.shift_cents = cents;
    }

    /// The next `times` answers show the figures so, in place of the standing factor and shift.
    pub fn total_lie_for(&self, lie: TotalLie, times: u32) {
        self.shared.world().lies.tell_total(lie, times);
    }

    /// The total is right again.
    pub fn clear_total_lies(&self) {
        self.shared.world().lies.clear_total();
    }

    /// Somebody else on the account makes an order, not through the API; answers its id. It is listed, looked at and
    /// credited like any other, and counted in `elsewhere_cents` and `credited_to_others` of the books.
    ///
    /// # Errors
    /// An amount that cannot be asked for; a store that cannot be written.
    pub fn order_elsewhere(&self, asset: Asset, amount: &str, fate: Fate) -> io::Result<String> {
        self.shared.order_elsewhere(asset, amount, fate)
    }

    /// Lays the fields of a JSON object over the `body` of every look at this order, digit for digit; `null` removes
    /// a field. A later call adds to the earlier ones.
    ///
    /// # Errors
    /// A text that is no JSON object.
    pub fn overlay(&self, order_id: &str, fields: &str) -> Result<(), serde_json::Error> {
        let fields = overlay::parse(fields)?;
        self.shared.world().lies.lay_over(order_id, fields);
        Ok(())
    }

    /// The same for the answer to the next request that makes a wallet; further calls are for those after it.
    ///
    /// # Errors
    /// A text that is no JSON object.
    pub fn overlay_next_wallet(&self, fields: &str) -> Result<(), serde_json::Error> {
        let fields = overlay::parse(fields)?;
        self.shared.world().lies.wallets.push_back(fields);
        Ok(())
    }

    /// The next request for a page or a card is answered with this text in place of the link, whatever it is; the order
    /// is made all the same. Further calls are for the requests after it.
    pub fn next_link(&self, url: &str) {
        self.shared.world().lies.links.push_back(url.to_owned());
    }

    /// Every look at this id, known or not, is answered with status 200 and this text, whatever it is.
    pub fn replace_body(&self, order_id: &str, answer: &str) {
        self.shared.world().lies.bodies.insert(order_id.to_owned(), answer.to_owned());
    }

    /// Takes back what lies over the looks at this order, and its replaced answer.
    pub fn clear_overlay(&self, order_id: &str) {
        self.shared.world().lies.uncover(order_id);
    }

    /// Changes what is wrong with the whole account.
    pub fn edit_account(&self, edit: impl FnOnce(&mut AccountLie)) {
        edit(&mut self.shared.world().lies.account);
    }

    /// From now on a new wallet has the address of the first one on its network, or has its own again.
    pub fn share_address(&self, on: bool) {
        self.shared.world().lies.share_address = on;
    }

    /// The next wallet has this address.
    pub fn next_address(&self, address: &str) {
        self.shared.world().lies.next_address = Some(address.to_owned());
    }

    /// The next order has this id. If another order has it, the new one keeps an id of its own, under which it is
    /// listed and looked at, and only the answer to its request names the other one.
    pub fn next_order_id(&self, order_id: &str) {
        self.shared.world().lies.next_order_id = Some(order_id.to_owned());
    }

    /// Takes back every lag, lie and overlay, and what was set for the whole account. Addresses and ids that were given stay.
    pub fn tell_the_truth(&self) {
        self.shared.tell_the_truth();
    }
}
