//! A lock file, held for as long as what it guards is open.
//!
//! Two voters on one folder would each be right about what they saved and wrong about what is saved. The operating
//! system lets go of the lock when the process ends, however it ends, so there is nothing to clean up; the file itself
//! stays, because to remove it is to let two hold "the" lock. On a network file system the lock may hold on this
//! machine only.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::place::about;

/// The lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Makes the lock file if there is none, and takes the lock.
    ///
    /// # Errors
    /// `ResourceBusy` when it is held, by another process or by this one; or the operating system's own.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        let file = lock(path).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => {
                let who = "another process has it open, or something else in this one; stop that first, or use \
                           another place here";
                io::Error::new(io::ErrorKind::ResourceBusy, format!("{}: {who}", path.display()))
            }
            _ => about(path, "cannot be locked", &error),
        })?;
        let lock = Lock { path: path.to_owned(), file };
        lock.check()?;
        Ok(lock)
    }

    /// Whether the file that is locked is still the one that any other would lock.
    ///
    /// # Errors
    /// When the lock file is gone or has become another: its folder was removed, moved or mounted over.
    pub(crate) fn check(&self) -> io::Result<()> {
        if is_same(&self.file, &self.path).map_err(|error| about(&self.path, "cannot be checked", &error))? {
            return Ok(());
        }
        let what = "the lock file was replaced while it was held, so another process may be here; restart this one";
        Err(io::Error::other(format!("{}: {what}", self.path.display())))
    }
}

/// To close the file is not enough: a child that this process is just starting has it open too until it runs its
/// program, and the lock with it.
#[cfg(unix)]
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

#[cfg(unix)]
fn lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{FlockOperation, flock};

    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let (held, there) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
}

#[cfg(windows)]
fn lock(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;

    /// What a file says that is open elsewhere.
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).share_mode(0);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(ERROR_SHARING_VIOLATION) => io::ErrorKind::ResourceBusy.into(),
        _ => error,
    })
}

/// A file that shares nothing can be neither removed nor renamed while it is open.
#[cfg(windows)]
fn is_same(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}
