//! The sockets of the API: a unix socket that nobody can enter early, and TCP addresses.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};

use crate::api::settings::Error;
use crate::config::Listen;

/// What waits to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that is bound.
#[derive(Debug)]
pub(crate) enum Listener {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener, SocketAddr),
}

/// A connection that was accepted.
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream, IpAddr),
}

impl Listener {
    /// Binds a TCP address.
    pub(crate) async fn tcp(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self::Tcp(listener, bound))
    }

    /// Binds a unix socket in the place of one that nobody answers on. Its permissions are set before it listens, so
    /// that nobody can connect with more.
    pub(in crate::api) async fn unix(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address: shown(path), source };
        clear(path).await?;
        let socket = UnixSocket::new_stream().map_err(failed)?;
        socket.bind(path).map_err(failed)?;
        let file = SocketFile::of(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        let listener = socket.listen(BACKLOG).map_err(failed)?;
        Ok(Self::Unix(listener, file))
    }

    /// Where it really is.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Unix(_, file) => shown(&file.path),
            Self::Tcp(_, address) => address.to_string(),
        }
    }

    /// Waits for the next caller.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener, _) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream, from.ip()))
            }
        }
    }
}

fn shown(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// What was found at a place that can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedPlace {
    /// Nothing.
    Free,
    /// A socket that nobody answers on: the daemon replaces it.
    LeftBehind,
}

/// Takes a place as the daemon would and gives it back. Nothing is left there, and nothing that is there is touched.
///
/// # Errors
/// [`Error`]: why the daemon could not listen there.
pub async fn try_place(place: &Listen) -> Result<TriedPlace, Error> {
    match place {
        Listen::Tcp(address) => drop(Listener::tcp(*address).await?),
        Listen::Unix(path) => match occupant(path).await? {
            TriedPlace::LeftBehind => return Ok(TriedPlace::LeftBehind),
            TriedPlace::Free => drop(Listener::unix(path).await?),
        },
    }
    Ok(TriedPlace::Free)
}

/// Removes a socket that a daemon left behind; nothing else, and none that answers.
async fn clear(path: &Path) -> Result<(), Error> {
    match occupant(path).await? {
        TriedPlace::Free => Ok(()),
        TriedPlace::LeftBehind => {
            fs::remove_file(path).map_err(|source| Error::Bind { address: shown(path), source })
        }
    }
}

/// What is at a socket's place.
async fn occupant(path: &Path) -> Result<TriedPlace, Error> {
    let failed = |source| Error::Bind { address: shown(path), source };
    let kind = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TriedPlace::Free),
        Err(error) => return Err(failed(error)),
    };
    if !kind.is_socket() {
        return Err(Error::NotASocket { path: path.to_owned() });
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(TriedPlace::LeftBehind),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TriedPlace::Free),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(failed(error)),
        // A full queue too: a daemon listens there.
        Ok(_) | Err(_) => Err(Error::InUse { path: path.to_owned() }),
    }
}

/// The name of a socket that is ours; removed at the end, unless somebody else's has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = identity(&self.path).is_ok_and(|now| now == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("the socket {} could not be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_0660_before_anyone_can_connect_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.sock");
        let listener = Listener::unix(&path).await.unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o660);
        assert!(matches!(Listener::unix(&path).await, Err(Error::InUse { .. })), "somebody answers");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_was_left_behind_is_replaced_and_what_is_no_socket_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = Listener::unix(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        let second = Listener::unix(&path).await.unwrap();
        drop(first);
        assert!(path.exists(), "the second one's file is not the first one's to remove");
        drop(second);
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::unix(&path).await, Err(Error::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
