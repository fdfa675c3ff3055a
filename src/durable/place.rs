//! Where a record lies: how it is read there, and how it is replaced without a moment in which there is none.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::disk::Disk;
use crate::durable::record::{DurableError, Kind, open, seal};
use crate::sabotage;

/// The file of one record.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    kind: Kind,
    /// What to do about a record that cannot be read, as the end of a sentence.
    way_out: &'static str,
}

impl Place {
    pub(crate) fn new(path: PathBuf, kind: Kind, way_out: &'static str) -> Self {
        Place { path, kind, way_out }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The body of the record, durable; none if there is no file.
    ///
    /// It may not have been: a process that ended between the last two steps of [`Place::replace`], or whose last step
    /// failed, leaves a new record that a crash of the machine could still take back.
    ///
    /// # Errors
    /// As [`Place::peek`], or when it cannot be made durable.
    pub(crate) fn read(&self, disk: &mut impl Disk) -> io::Result<Option<Vec<u8>>> {
        let found = self.peek(disk)?;
        if found.is_some() && !sabotage::is_off("synced_when_read") {
            sync_name(disk, &self.path)?;
        }
        Ok(found)
    }

    /// The body of the record, which a crash of the machine might take back; none if there is no file.
    ///
    /// # Errors
    /// `InvalidData`, with the way out, for anything that is not exactly a whole record; or the operating system's own.
    pub(crate) fn peek(&self, disk: &mut impl Disk) -> io::Result<Option<Vec<u8>>> {
        let read = disk.read(&self.path, self.kind.bytes_max());
        let Some(bytes) = read.map_err(|error| about(&self.path, "cannot be read", &error))? else { return Ok(None) };
        open(self.kind, &bytes).map(|body| Some(body.to_owned())).map_err(|error| self.damaged(error))
    }

    /// The error for a record that is not what it should be.
    pub(crate) fn damaged(&self, error: DurableError) -> io::Error {
        let text = format!("{}: {error}; {}", self.path.display(), self.way_out);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    /// Puts a record with this body in the place of the one that is there, and returns once that is durable.
    ///
    /// # Errors
    /// The operating system's own. One of the two records is there, whole: the old one, or the new one if only the last
    /// step failed, and then it is not known whether it is durable.
    pub(crate) fn replace(&self, disk: &mut impl Disk, body: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".tmp");
        let replaced = write_whole(disk, &new, &seal(self.kind, body))
            .map_err(|error| about(&new, "cannot be written", &error))
            .and_then(|()| rename(disk, &new, &self.path));
        if replaced.is_err() {
            // It would be overwritten the next time, but on a full disk its space is needed until then.
            let _ = disk.remove(&new);
        }
        replaced
    }

    /// Gives the file another name in its folder, and returns once that is durable.
    ///
    /// # Errors
    /// The operating system's own.
    pub(crate) fn move_to(&self, disk: &mut impl Disk, path: &Path) -> io::Result<()> {
        rename(disk, &self.path, path)
    }
}

/// The path with something appended to its last name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut longer = OsString::from(path);
    longer.push(suffix);
    longer.into()
}

/// An error that names the file, of the same kind.
pub(crate) fn about(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} {what}: {error}", path.display()))
}

/// Writes a new file, to the disk. What an earlier attempt has left there is in the way, and removed first.
fn write_whole(disk: &mut impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(path, bytes)?;
    if sabotage::is_off("synced_file") { Ok(()) } else { disk.sync(&file) }
}

fn rename(disk: &mut impl Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to).map_err(|error| about(to, "cannot be replaced", &error))?;
    if sabotage::is_off("synced_name") { Ok(()) } else { sync_name(disk, to) }
}

fn sync_name(disk: &mut impl Disk, path: &Path) -> io::Result<()> {
    disk.sync_name(path).map_err(|error| about(folder_of(path), "cannot be synced", &error))
}

/// The folder that a name is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
