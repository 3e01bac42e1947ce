//! File operations that name their file when they fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// A file with the path it was opened under.
#[derive(Debug)]
pub struct Named {
    file: File,
    path: PathBuf,
}

impl Named {
    /// Opens for reading and writing; makes the file if asked.
    pub fn open(path: PathBuf, create: bool) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
        let file = opened.map_err(|source| failed("open", &path, source))?;
        Ok(Self { file, path })
    }

    pub const fn file(&self) -> &File {
        &self.file
    }

    pub fn read_at(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; len];
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| failed("read", &self.path, source))?;
        Ok(bytes)
    }

    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|source| failed("write", &self.path, source))
    }

    pub fn cut(&mut self, len: u64) -> Result<(), StoreError> {
        self.file.set_len(len).map_err(|source| failed("cut", &self.path, source))
    }

    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|source| failed("sync", &self.path, source))
    }
}

/// Writes a new file beside `path` and renames it over it, so that readers see the old text or the new one.
pub fn replace(path: &Path, text: &[u8], sync: bool) -> Result<(), StoreError> {
    let fresh = path.with_extension("tmp");
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(text)?;
        if sync { file.sync_all() } else { Ok(()) }
    });
    written.map_err(|source| failed("write", &fresh, source))?;
    fs::rename(&fresh, path).map_err(|source| failed("rename", &fresh, source))
}

/// Puts a directory's entries on disk.
pub fn sync_dir(path: &Path) -> Result<(), StoreError> {
    // Windows has no handle for that; its rename is journalled.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|dir| dir.sync_all());
        synced.map_err(|source| failed("sync", path, source))?;
    }
    Ok(())
}

/// The whole file, or `None` if there is none.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

pub fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}
