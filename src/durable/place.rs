//! Where a record lies: how it is read there, and how it is replaced without a moment in which there is none.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::durable::record::{Kind, RecordError, open, seal};

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
    pub(crate) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let found = self.peek()?;
        if found.is_some() {
            sync_name(&self.path)?;
        }
        Ok(found)
    }

    /// The body of the record, which a crash of the machine might take back; none if there is no file.
    ///
    /// # Errors
    /// `InvalidData`, with the way out, for anything that is not exactly a whole record; or the operating system's own.
    pub(crate) fn peek(&self) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| about(&self.path, "cannot be opened", &error))?,
        };
        let mut bytes = Vec::new();
        let read = file.take(self.kind.bytes_max()).read_to_end(&mut bytes);
        read.map_err(|error| about(&self.path, "cannot be read", &error))?;
        open(self.kind, &bytes).map(|body| Some(body.to_owned())).map_err(|error| self.damaged(error))
    }

    /// The error for a record that is not what it should be.
    pub(crate) fn damaged(&self, error: RecordError) -> io::Error {
        let text = format!("{}: {error}; {}", self.path.display(), self.way_out);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    /// Puts a record with this body in the place of the one that is there, and returns once that is durable.
    ///
    /// # Errors
    /// The operating system's own. One of the two records is there, whole: the old one, or the new one if only the last
    /// step failed, and then it is not known whether it is durable.
    pub(crate) fn replace(&self, body: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".tmp");
        let replaced = write_whole(&new, &seal(self.kind, body))
            .map_err(|error| about(&new, "cannot be written", &error))
            .and_then(|()| rename(&new, &self.path));
        if replaced.is_err() {
            // It would be overwritten the next time, but on a full disk its room is needed until then.
            let _ = fs::remove_file(&new);
        }
        replaced
    }

    /// Gives the file another name in its folder, and returns once that is durable.
    ///
    /// # Errors
    /// The operating system's own.
    pub(crate) fn move_to(&self, path: &Path) -> io::Result<()> {
        rename(&self.path, path)
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

/// Makes a folder for this user alone, and those above it, if missing; durable, because what is synced in a folder is
/// lost with it.
///
/// # Errors
/// The operating system's own.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|above| !above.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| about(folder, "cannot be made", &error))?;
    missing.into_iter().rev().try_for_each(sync_name)
}

/// Writes a new file, to the disk. What an earlier attempt has left there is in the way, and removed first.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(|error| about(to, "cannot be replaced", &error))?;
    sync_name(to)
}

/// Makes durable that a file or folder has this name.
#[cfg(unix)]
fn sync_name(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| about(folder, "cannot be synced", &error))
}

/// A folder cannot be synced there. To flush the renamed file flushes the file system's journal, and the new name is in
/// there before it.
#[cfg(windows)]
fn sync_name(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let synced = OpenOptions::new().write(true).open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| about(path, "cannot be synced", &error))
}
