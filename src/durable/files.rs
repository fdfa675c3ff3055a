//! The file system of the operating system.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::durable::disk::Disk;
use crate::durable::place::about;

/// A [`Disk`] of real files. They are for this user alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files;

impl Disk for Files {
    type File = File;

    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn sync_name(&mut self, path: &Path) -> io::Result<()> {
        File::open(crate::durable::place::folder_of(path))?.sync_all()
    }

    /// A folder cannot be synced there. To flush the renamed file flushes the file system's journal, and the new name
    /// is in there before it.
    #[cfg(windows)]
    fn sync_name(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        OpenOptions::new().write(true).open(path)?.sync_all()
    }
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
    let sync = |made: &Path| Files.sync_name(made).map_err(|error| about(made, "cannot be synced", &error));
    missing.into_iter().rev().try_for_each(sync)
}
