//! What lies in a sandbox's folder: the plan that a restart finds again, the configuration, the key, and who holds it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::Error;
use super::options::Options;
use super::times::{Times, seconds};
use super::webhook;
use crate::clock::{Clock as _, SharedClock, StoryClock, SystemClock};
use crate::config::{self, Config};
use crate::domain::time::Timestamp;

/// The speed by default: four hours in about half a minute.
const SPEED: u32 = 450;
const DEPOSITS: u32 = 24;
const FASTEST: u32 = 4_000;
const MOST_DEPOSITS: u32 = 5_000;
/// A path to a unix socket has room for 108 bytes.
const SOCKET_PATH: usize = 100;

const PLAN: &str = "sandbox.json";
const VERSION: u32 = 2;
const CONFIG: &str = "daemon.toml";
const PAGE: &str = "\n[page]\nlisten = \"127.0.0.1:0\"     # for a browser; a port of its own each time\n";
const KEY: &str = "upstream-api-key";
/// What programs show at the API.
pub(super) const TOKEN: &str = "api-token";
/// What the simulated upstream remembers.
pub(super) const STORE: &str = "upstream.jsonl";
/// The one account.
pub(super) const USER: &str = "12345";

/// What determines the scenario: on disk before anything else, and read from there at each start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    version: u32,
    pub(super) seed: u64,
    pub(super) speed: u32,
    pub(super) deposits: u32,
    /// Its time began here, and runs `speed` times as fast as life while the sandbox does.
    pub(super) origin: Timestamp,
}

/// A story begins so long before the end of a month: two months have deposits then, and the first can be closed.
const BEFORE_MIDNIGHT: Duration = Duration::from_mins(100);
/// How far the story's time has come, for the next start.
const TIME: &str = "time";
/// How often that is written, and how far ahead, in real time.
const KEPT_EVERY: Duration = Duration::from_millis(150);
const AHEAD: Duration = Duration::from_millis(600);
/// How many folders of one seed are tried.
const FOLDERS: u32 = 1000;

/// A sandbox's folder, held against a second sandbox.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) path: PathBuf,
    pub(super) plan: Plan,
    /// It had been there before.
    pub(super) resumed: bool,
    /// Where the program is that is told.
    webhook: Option<String>,
    serves: bool,
    _lock: File,
}

impl Workspace {
    /// Finds the folder, or founds it.
    pub(super) fn open(options: &Options) -> Result<Self, Error> {
        refuse_environment()?;
        let seed = options.seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
        let path = match &options.dir {
            Some(path) => {
                let path = std::path::absolute(path).map_err(Error::io("cannot find", path))?;
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
                made.map_err(Error::io("cannot make", &path))?;
                path
            }
            None => new_folder(seed)?,
        };
        let file = path.join(PLAN);
        let resumed = file.try_exists().map_err(Error::io("cannot read", &file))?;
        let plan = if resumed { Plan::read(&file, options)? } else { Plan::found(&path, options, seed)? };
        let lock = File::open(&file).map_err(Error::io("cannot open", &file))?;
        if lock.try_lock().is_err() {
            let text = format!("another sandbox is at work in {}", path.display());
            return Err(Error::Usage(text));
        }
        let (webhook, serves) = (options.webhook.clone(), options.serve);
        Ok(Self { path, plan, resumed, webhook, serves, _lock: lock })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.file(CONFIG)
    }

    /// The story's time: it stands while the sandbox does, and goes on where it was. At the speed of life it is the
    /// machine's. It is kept until the guard is dropped.
    pub(super) fn clock(&self) -> (SharedClock, Option<DropGuard>) {
        let Plan { speed, origin, .. } = self.plan;
        if speed == 1 {
            return (Arc::new(SystemClock::new()), None);
        }
        let kept =
            fs::read_to_string(self.file(TIME)).ok().and_then(|text| Timestamp::parse(text.trim()).ok());
        let story = StoryClock::new(kept.unwrap_or(origin).max(origin), speed);
        let keeper =
            TimeKeeper { file: self.file(TIME), draft: self.file("time.tmp"), story: story.clone(), speed };
        keeper.keep();
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        tokio::spawn(async move {
            let real = SystemClock::new();
            while ended.run_until_cancelled(real.sleep(KEPT_EVERY)).await.is_some() {
                keeper.keep();
            }
        });
        (Arc::new(story), Some(guard))
    }

    /// The simulated account's key; it opens nothing real.
    pub(super) fn api_key(&self) -> String {
        let digest = Sha256::digest(format!("sandbox key {}", self.plan.seed));
        format!("sbx-{}", hex::encode(digest).get(..40).unwrap_or_default())
    }

    /// Where the simulated upstream listened the last time, so that addresses told to people stay good.
    pub(super) fn last_address(&self) -> SocketAddr {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let text = fs::read_to_string(self.config_file()).unwrap_or_default();
        base_url_line(&text)
            .and_then(|line| line.split_once("http://"))
            .and_then(|(_, rest)| rest.trim_end_matches('"').parse().ok())
            .unwrap_or(any)
    }

    /// Writes the key and the configuration, and reads the latter back as the daemon would. What a person has
    /// changed in it stays, but for the simulator's address.
    pub(super) fn configure(&self, base_url: &str) -> Result<Config, Error> {
        replace(&self.file(KEY), format!("{}\n", self.api_key()).as_bytes(), 0o600)?;
        let token = self.file(TOKEN);
        if !token.try_exists().map_err(Error::io("cannot read", &token))? {
            replace(&token, format!("{}\n", hex::encode(rand::random::<[u8; 16]>())).as_bytes(), 0o600)?;
        }
        let file = self.config_file();
        let line = format!("base_url = \"{base_url}\"");
        let text = match fs::read_to_string(&file) {
            Ok(text) => match base_url_line(&text) {
                Some(old) => text.replace(old, &line),
                None => return Err(Error::Usage(format!("{} has no base_url", file.display()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.config_text(&line),
            Err(error) => return Err(Error::io("cannot read", &file)(error)),
        };
        let text = match &self.webhook {
            Some(url) if !text.contains("[[webhooks]]") => {
                replace(&self.file(webhook::SECRET), webhook::secret(self.plan.seed).as_bytes(), 0o600)?;
                text + &webhook::table(url)
            }
            _ => text,
        };
        let text = if self.serves && !text.contains("[page]") { text + PAGE } else { text };
        replace(&file, text.as_bytes(), 0o644)?;
        let config = config::load(Some(&file))?;
        if config.upstream.base_url != base_url || config.ledger.path != self.file("ledger.db") {
            let text = format!("{} no longer describes this sandbox", file.display());
            return Err(Error::Usage(text));
        }
        Ok(config)
    }

    fn config_text(&self, base_url: &str) -> String {
        let times = Times::of(self.plan.speed, self.plan.deposits);
        let socket = self.file("depositd.sock");
        let listen = if socket.as_os_str().len() <= SOCKET_PATH {
            "unix:depositd.sock".to_owned()
        } else {
            let short = std::env::temp_dir().join(format!("depositd-sandbox-{}.sock", self.plan.seed));
            format!("unix:{}", short.display())
        };
        format!(
            r#"# A sandbox: the upstream is simulated, no money is real. Its time runs {speed} times as fast, and so do all times here.

[upstream]
{base_url}
user_id = "{USER}"
api_key_file = "{KEY}"
requests_per_second = 0     # the simulator bears it
max_in_flight = 32
timeout = "{timeout}"
page_amount = "dollars"
request_limit = "{limit}"   # a busy machine takes long by a quick clock
create_attempts = 10        # a sandbox may be killed and started again as often as one likes
down_after = "1m"

[ledger]
path = "ledger.db"

[polling]
interval = "{interval}"
confirming_interval = "{confirming}"
expiry_grace = "{grace}"

[reconcile]
schedule = "0 */15 * * * *"
tell_after_runs = 1         # the story is short
lag = "{lag}"

[mail]
transport = "file"
from = "Deposits <deposits@example.com>"
to = ["finance@example.com"]
directory = "mail"

[[mail.rules]]
events = ["settled", "short", "refunded"]
to = ["treasury@example.com", "finance@example.com"]

[api]
listen = ["{listen}", "127.0.0.1:0"]     # for programs too, at a port of its own each time
token_file = "{TOKEN}"
"#,
            speed = self.plan.speed,
            timeout = seconds(times.timeout),
            limit = seconds(times.request_limit),
            interval = seconds(times.interval),
            confirming = seconds(times.confirming),
            grace = seconds(times.grace),
            lag = seconds(times.lag),
        )
    }
}

fn base_url_line(text: &str) -> Option<&str> {
    text.lines().find(|line| line.trim_start().starts_with("base_url"))
}

/// Writes down how far the story's time may go before it goes there: a sandbox that is killed never sees it go back.
struct TimeKeeper {
    file: PathBuf,
    draft: PathBuf,
    story: StoryClock,
    speed: u32,
}

impl TimeKeeper {
    fn keep(&self) {
        let limit = self.story.now().plus(AHEAD.saturating_mul(self.speed));
        let written = fs::write(&self.draft, format!("{limit}\n"));
        match written.and_then(|()| fs::rename(&self.draft, &self.file)) {
            Ok(()) => self.story.hold_at(limit),
            // The time stands until it can be written again.
            Err(error) => tracing::warn!("{} cannot be written: {error}", self.file.display()),
        }
    }
}

impl Plan {
    fn found(path: &Path, options: &Options, seed: u64) -> Result<Self, Error> {
        let mut entries = fs::read_dir(path).map_err(Error::io("cannot read", path))?;
        let draft = format!("{PLAN}.tmp");
        if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != draft.as_str())) {
            let text = format!("{} holds other things and no sandbox; choose another folder", path.display());
            return Err(Error::Usage(text));
        }
        let deposits = options.deposits.unwrap_or(if options.serve { 0 } else { DEPOSITS });
        let speed = options.speed.unwrap_or(if options.serve && deposits == 0 { 1 } else { SPEED });
        if !(1..=FASTEST).contains(&speed) {
            return Err(Error::Usage(format!("the speed is 1 to {FASTEST}, not {speed}")));
        }
        if deposits > MOST_DEPOSITS {
            return Err(Error::Usage(format!("at most {MOST_DEPOSITS} deposits, not {deposits}")));
        }
        let now = SystemClock::new().now();
        let month = now.to_date_text().get(..8).map(|month| Timestamp::parse(&format!("{month}01")));
        let month = month.and_then(Result::ok).unwrap_or(now);
        let origin = if speed == 1 { now } else { month.minus(BEFORE_MIDNIGHT) };
        let plan = Self { version: VERSION, seed, speed, deposits, origin };
        let text = serde_json::to_string_pretty(&plan).map_err(io::Error::from);
        let text = text.map_err(Error::io("cannot write", path))?;
        replace(&path.join(PLAN), format!("{text}\n").as_bytes(), 0o644)?;
        Ok(plan)
    }

    fn read(file: &Path, options: &Options) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(Error::io("cannot read", file))?;
        let unreadable = |why: String| Error::Usage(format!("{} cannot be read: {why}", file.display()));
        let plan: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if plan.version != VERSION {
            return Err(unreadable(format!("version {} is not known here", plan.version)));
        }
        let fits = |name: &str, asked: Option<u64>, held: u64| match asked {
            Some(asked) if asked != held => Err(Error::Usage(format!(
                "the story in {} was begun with --{name} {held}; leave --{name} out, or choose another folder",
                file.parent().unwrap_or(file).display()
            ))),
            _ => Ok(()),
        };
        fits("seed", options.seed, plan.seed)?;
        fits("speed", options.speed.map(u64::from), u64::from(plan.speed))?;
        fits("deposits", options.deposits.map(u64::from), u64::from(plan.deposits))?;
        Ok(plan)
    }
}

/// A new folder of its own for the story of `seed`, which nobody else may look into.
fn new_folder(seed: u64) -> Result<PathBuf, Error> {
    for nth in 1..=FOLDERS {
        let name = if nth == 1 {
            format!("depositd-sandbox-{seed}")
        } else {
            format!("depositd-sandbox-{seed}-{nth}")
        };
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path.clone()).map_err(Error::io("cannot make", &path)),
        }
    }
    Err(Error::Usage(format!("there are {FOLDERS} stories of seed {seed} already; name a folder with --dir")))
}

/// The environment goes before the file: a setting for a real daemon must not reach a sandbox, or its ledger.
fn refuse_environment() -> Result<(), Error> {
    let is_setting =
        |name: &String| name.starts_with("DEPOSITD_") && (name.contains("__") || name == "DEPOSITD_WEBHOOKS");
    let found = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).find(is_setting);
    match found {
        Some(name) => Err(Error::Usage(format!("{name} is set, and would reach into the sandbox; unset it"))),
        None => Ok(()),
    }
}

/// Writes a file whole or not at all, durably.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(Error::io("cannot write", path))
}
