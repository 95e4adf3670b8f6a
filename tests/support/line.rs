//! A line of TCP that can be slow, cut or dead.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};

/// What a line does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Whole,
    /// Nobody answers at its other end.
    Cut,
    /// What is sent arrives when it is mended.
    Hung,
}

#[derive(Debug, Default)]
struct LineState {
    mode: Mode,
    delay: Duration,
    open: Vec<TcpStream>,
}

/// A line of TCP to a port.
#[derive(Debug, Clone)]
pub struct Line {
    here: SocketAddr,
    state: Arc<Mutex<LineState>>,
}

impl Line {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self { here: listener.local_addr().unwrap(), state: Arc::default() };
        let own = line.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.carry(stream, port);
            }
        });
        line
    }

    pub fn port(&self) -> u16 {
        self.here.port()
    }

    /// There and back takes so much longer from now on.
    pub fn slow_down(&self, there_and_back: Duration) {
        self.change(|state| state.delay = there_and_back / 2);
    }

    /// Connections end, and there are no new ones.
    pub fn cut(&self) {
        self.change(|state| {
            state.mode = Mode::Cut;
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Connections stay, and nothing comes through.
    pub fn hang(&self) {
        self.change(|state| state.mode = Mode::Hung);
    }

    pub fn mend(&self) {
        self.change(|state| state.mode = Mode::Whole);
    }

    fn change<T>(&self, change: impl FnOnce(&mut LineState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry(&self, near: TcpStream, port: u16) {
        if self.change(|state| state.mode) == Mode::Cut {
            return;
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let both = [(&near, &far), (&far, &near)].map(|(from, to)| (from.try_clone(), to.try_clone()));
        self.change(|state| state.open.extend([near, far]));
        for (from, to) in both {
            let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
            // Small pieces wait for no acknowledgement: with Nagle's algorithm one in two came 40 ms late.
            let _ = to.set_nodelay(true);
            let own = self.clone();
            // What is under way: each piece comes out as late as the line is long, however many there are.
            let (sender, pieces) = mpsc::sync_channel(256);
            let clock = Arc::new(SystemClock::new());
            let sent_at = Arc::clone(&clock);
            std::thread::spawn(move || {
                let mut piece = vec![0; 65_536];
                while let Ok(count @ 1..) = from.read(&mut piece) {
                    if sender.send((sent_at.monotonic(), piece[..count].to_vec())).is_err() {
                        break;
                    }
                }
            });
            std::thread::spawn(move || {
                let whole = pieces.into_iter().all(|(sent, piece)| {
                    while own.change(|state| state.mode) == Mode::Hung {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    let arrival: Duration = sent + own.change(|state| state.delay);
                    std::thread::sleep(arrival.saturating_sub(clock.monotonic()));
                    to.write_all(&piece).is_ok()
                });
                let _ = to.shutdown(if whole { Shutdown::Write } else { Shutdown::Both });
            });
        }
    }
}
