//! The words of the commands about webhooks.

use clap::Subcommand;

/// `webhooks`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WebhooksCommand {
    /// How each webhook stands, and what waits or was given up, newest first
    #[command(after_help = "Examples:
  depositd webhooks list
  depositd webhooks list --webhook shop --state dead
  depositd webhooks list --state sent --limit 10
  depositd --json webhooks list | jq '.webhooks[] | select(.owed > 0)'")]
    List {
        /// Only this state; may be repeated
        #[arg(long, value_name = "S", value_parser = ["owed", "sent", "dead"])]
        state: Vec<String>,
        /// Only to this webhook
        #[arg(long, value_name = "NAME")]
        webhook: Option<String>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// One delivery: what became of it, and the body that is sent
    #[command(after_help = "Examples:
  depositd webhooks show 17
  depositd --json webhooks show 17 | jq .body")]
    Show {
        /// The delivery's number
        id: i64,
    },
    /// Send again what waits or was given up
    #[command(after_help = "Examples:
  depositd webhooks retry 17
  depositd webhooks retry --webhook shop
  depositd webhooks retry --all")]
    Retry {
        /// The delivery's number
        #[arg(required_unless_present_any = ["all", "webhook"])]
        id: Option<i64>,
        /// All to this webhook
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        webhook: Option<String>,
        /// All that are not sent
        #[arg(long, conflicts_with_all = ["id", "webhook"])]
        all: bool,
    },
    /// Send a test (webhook.test), and wait for what becomes of it
    #[command(after_help = "Example:
  depositd webhooks test shop

Exit status 1 when the receiver did not take it.")]
    Test {
        /// The webhook's name
        name: String,
    },
    /// Send again to a webhook whose receiver answered 410 Gone
    #[command(after_help = "Example:
  depositd webhooks enable shop")]
    Enable {
        /// The webhook's name
        name: String,
    },
}
