//! The words of `init`.

use std::path::PathBuf;

use clap::Args;

/// `init`
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// Where configuration and secrets go [default: as root what the installed unit reads, /etc/depositd]
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// The user id of the SMSOnline account
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) user_id: Option<String>,
    /// A file that holds the account's API key, which is copied; - reads a line of standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) api_key_file: Option<PathBuf>,
    /// Another address of the upstream than SMSOnline's own
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) base_url: Option<String>,
    /// The mail server's name
    #[arg(long, value_name = "HOST")]
    pub(in crate::cli) smtp_host: Option<String>,
    /// starttls, tls, or none, which is for a server on this machine [default: starttls]
    #[arg(long, value_name = "WORD")]
    pub(in crate::cli) smtp_security: Option<String>,
    /// The mail server's port [default: 587 for starttls, 465 for tls, 25 for none]
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) smtp_port: Option<String>,
    /// The login at the mail server [default: no login]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) smtp_username: Option<String>,
    /// A file that holds the login's password, which is copied; - reads a line of standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) smtp_password_file: Option<PathBuf>,
    /// No mail server: letters are written to files
    #[arg(
        long,
        conflicts_with_all = ["smtp_host", "smtp_security", "smtp_port", "smtp_username", "smtp_password_file"]
    )]
    pub(in crate::cli) mail_to_files: bool,
    /// Who letters come from
    #[arg(long, value_name = "MAIL")]
    pub(in crate::cli) from: Option<String>,
    /// Who gets them; as often as there are recipients
    #[arg(long, value_name = "MAIL")]
    pub(in crate::cli) to: Vec<String>,
    /// Where the ledger is kept [default: ledger.db in the unit's state folder, else in the folder]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ledger: Option<String>,
    /// The zone of days and months in the books [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) time_zone: Option<String>,
    /// Ask nothing: take the default of whatever no option says
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}
