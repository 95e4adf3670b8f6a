//! A real Exim on this machine: unprivileged, with STARTTLS and a login, every accepted letter in a Maildir, and faults
//! by recipient.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};

pub(crate) const USER: &str = "dpd";
pub(crate) const PASSWORD: &str = "s3cret";

/// The server; stopped when it is dropped.
pub(crate) struct Exim {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    /// Where TLS begins with the first byte.
    pub(crate) tls_port: u16,
    child: Child,
}

fn sh(folder: &Path, script: &str) {
    let output = Command::new("sh").arg("-euc").arg(script).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate for `localhost` from an authority of our own.
const CERTIFICATES: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=test authority" \
    -keyout ca.key -out ca.crt -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' > server.ext
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile server.ext -days 30 -out server.crt
"#;

impl Exim {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        sh(path, CERTIFICATES);
        for inner in ["spool", "log", "Maildir"] {
            std::fs::create_dir(path.join(inner)).unwrap();
        }
        // Exim refuses to deliver as root: then it is nobody that runs it.
        let is_root = path.metadata().unwrap().uid() == 0;
        let words = |command: &str| {
            let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let (user, group) = if is_root {
            ("nobody".to_owned(), words("id -gn nobody"))
        } else {
            (words("id -un"), words("id -gn"))
        };
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (free(), free());
        let (port, tls_port) = (one.local_addr().unwrap().port(), other.local_addr().unwrap().port());
        drop((one, other));
        let configuration = configuration(path, (port, tls_port), &user, &group);
        std::fs::write(path.join("exim.conf"), configuration).unwrap();
        if is_root {
            sh(path, &format!("chown -R {user}:{group} ."));
        }
        let exim = ["exim4", "/usr/sbin/exim4"].iter().find(|name| {
            Command::new(name).arg("-bV").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        });
        let exim = exim.expect("exim4 (Debian: exim4-daemon-light); .ci/test installs it");
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", *exim]);
            command
        } else {
            Command::new(exim)
        };
        let output = || std::fs::File::options().append(true).create(true).open(path.join("output")).unwrap();
        let child = command
            .arg("-C")
            .arg(path.join("exim.conf"))
            .args(["-bdf", "-q1h"])
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn()
            .unwrap();
        let server = Self { port, tls_port, child, folder };
        server.until("answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        server
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Everything that was delivered: whom to, and the message.
    pub(crate) fn delivered(&self) -> Vec<(String, Vec<u8>)> {
        let new = self.folder.path().join("Maildir/new");
        let Ok(entries) = std::fs::read_dir(new) else { return Vec::new() };
        let messages = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        messages
            .map(|message| {
                let text = String::from_utf8_lossy(&message).into_owned();
                let to = text.lines().find_map(|line| line.strip_prefix("Envelope-to: ")).unwrap();
                (to.trim().to_owned(), message)
            })
            .collect()
    }

    /// Waits for something that the server does by itself.
    pub(crate) async fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let clock = SystemClock::new();
        for _ in 0..600 {
            if done() {
                return;
            }
            clock.sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log/mainlog")).unwrap_or_default();
        let output = std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        panic!("not after 30 s: {what}\n{output}\n{log}");
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in one go")]
fn configuration(folder: &Path, (port, tls_port): (u16, u16), user: &str, group: &str) -> String {
    let d = folder.display();
    format!(
        r#"keep_environment =
add_environment = PATH=/usr/bin:/bin
exim_user = {user}
exim_group = {group}
never_users =
deliver_drop_privilege = true
spool_directory = {d}/spool
log_file_path = {d}/log/%slog
pid_file_path = {d}/exim.pid
primary_hostname = localhost
local_interfaces = <; 127.0.0.1
daemon_smtp_ports = {port} : {tls_port}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = {d}/server.crt
tls_privatekey = {d}/server.key
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}{{}}}}
host_lookup =
rfc1413_hosts =
dns_again_means_nonexist = *
smtputf8_advertise_hosts = *
smtp_accept_max = 50
smtp_accept_queue_per_connection = 0
queue_run_max = 5
message_size_limit = 1M
acl_smtp_connect = conn
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
conn:
  defer  condition = ${{if exists{{{d}/busy}}}}
         message = 421 4.3.2 service shutting down
  accept
mail:
  deny   !authenticated = *
         message = 530 5.7.0 authentication required
  accept
rcpt:
  defer  local_parts = defer
         condition = ${{if !exists{{{d}/lenient}}}}
         message = 451 4.3.0 try again later
  deny   local_parts = reject
         message = 550 5.1.1 no such user
  drop   local_parts = drop
         condition = ${{if !exists{{{d}/lenient}}}}
  accept local_parts = slow
         delay = 1s
  accept
data:
  deny   condition = ${{if match{{$h_Subject:}}{{REJECTDATA}}}}
         message = 554 5.7.1 spam
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {d}/Maildir
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
  user = {user}
  group = {group}
begin retry
* * F,1h,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"#
    )
}

impl Exim {
    /// Whether a switch that the configuration looks at is on.
    pub(crate) fn switch(&self, name: &str, on: bool) {
        let file = self.folder.path().join(name);
        if on {
            std::fs::write(file, "").unwrap();
        } else {
            std::fs::remove_file(file).unwrap();
        }
    }
}
