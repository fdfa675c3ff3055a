//! What a store asks of a file system, and no more.

use std::io;
use std::path::Path;

/// A file system, as [`DiskStore`](crate::explore::DiskStore) uses it.
///
/// What is not synced may be lost when the machine loses its power: bytes of a file before [`Disk::sync`], names before
/// [`Disk::sync_name`]. The file system of the operating system is one; that of a simulator can lose all that it may.
pub trait Disk: Send {
    /// A file that was made.
    type File;

    /// So many bytes from the beginning of a file at most; none if there is no file.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>>;

    /// Makes a file with these bytes.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a file; or when it cannot be written, and a part of it may be there.
    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<Self::File>;

    /// Brings the bytes of a file to the disk.
    ///
    /// # Errors
    /// When that is not known to be done.
    fn sync(&mut self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever has that name.
    ///
    /// # Errors
    /// When it has its old name still.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if there is none; or when it is still there.
    fn remove(&mut self, path: &Path) -> io::Result<()>;

    /// Brings to the disk which file has a name.
    ///
    /// # Errors
    /// When that is not known to be done.
    fn sync_name(&mut self, path: &Path) -> io::Result<()>;
}
