//! What a backup is: a folder with segments of the whole log, the newest snapshots, and a manifest, which is written last.
//!
//! Nothing in it depends on where it is from, so what was backed up in one mode can be restored in the other.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{KeyRecord, Position, Snapshot};
use matching::{Account, Micros, StateHash};
use serde::{Deserialize, Serialize};

use super::{Archive, ArchiveError, Place, create_folder_surely, write_bytes_surely, write_surely};

/// How a backup is written.
const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
const LOG: &str = "log";
const SNAPSHOTS: &str = "snapshots";

/// What a backup says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The release that made it.
    pub release: String,
    /// When it was begun, by the wall clock: microseconds since 1970.
    pub created_at: u64,
    before: Place,
    end: Place,
    /// The writer's term then.
    pub epoch: u64,
    /// Ids below this had been leased when it was done.
    pub id_ceiling: u64,
    /// The hash of the state after the last row, with so many closed orders kept.
    pub state_hash: String,
    /// How many closed orders that state keeps.
    pub retain_closed_orders: u64,
    snapshots: Vec<SavedSnapshot>,
    /// The positions of named consumers.
    pub consumers: Vec<SavedConsumer>,
    /// The API keys; their secrets are made of SECRET_KEY.
    pub keys: Vec<SavedKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedSnapshot {
    at: Place,
    format: i16,
    state_hash: String,
    parts: usize,
}

/// How far a named consumer had come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedConsumer {
    /// Its name.
    pub name: String,
    /// The last row that it had dealt with.
    pub position: u64,
    /// When it said so.
    pub updated_at: u64,
}

/// An API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedKey {
    id: String,
    generation: u32,
    name: String,
    scopes: String,
    account: Option<Account>,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
}

impl From<KeyRecord> for SavedKey {
    fn from(key: KeyRecord) -> SavedKey {
        let KeyRecord { id, generation, name, scopes, account, created_at, expires_at, revoked_at } = key;
        SavedKey { id, generation, name, scopes, account, created_at, expires_at, revoked_at }
    }
}

impl From<SavedKey> for KeyRecord {
    fn from(key: SavedKey) -> KeyRecord {
        let SavedKey { id, generation, name, scopes, account, created_at, expires_at, revoked_at } = key;
        KeyRecord { id, generation, name, scopes, account, created_at, expires_at, revoked_at }
    }
}

impl Manifest {
    /// That of a backup of the rows from `before` to `end`.
    pub fn new(before: Position, end: Position, epoch: u64) -> Manifest {
        Manifest {
            format: FORMAT,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: 0,
            before: before.into(),
            end: end.into(),
            epoch,
            id_ceiling: 0,
            state_hash: String::new(),
            retain_closed_orders: 0,
            snapshots: Vec::new(),
            consumers: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// The folder of a backup.
pub struct BackupFolder {
    folder: PathBuf,
}

impl BackupFolder {
    /// Makes the folder for a new backup; an error when there is anything in it.
    pub fn create(folder: &Path) -> Result<BackupFolder, ArchiveError> {
        let io = |error| ArchiveError::io(folder, error);
        create_folder_surely(folder)?;
        if fs::read_dir(folder).map_err(io)?.next().is_some() {
            let error = std::io::Error::other("it is not empty; name a new folder for each backup");
            return Err(ArchiveError::io(folder, error));
        }
        fs::create_dir(folder.join(SNAPSHOTS)).map_err(io)?;
        Ok(BackupFolder { folder: folder.to_owned() })
    }

    /// The folder of a finished backup, and what it says of itself.
    pub fn open(folder: &Path) -> Result<(BackupFolder, Manifest), ArchiveError> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| ArchiveError::io(&path, error))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| ArchiveError::damaged(&path, error))?;
        if manifest.format != FORMAT {
            let error = format!("its format is {}, and this release reads format {FORMAT}", manifest.format);
            return Err(ArchiveError::damaged(&path, error));
        }
        Ok((BackupFolder { folder: folder.to_owned() }, manifest))
    }

    /// Its rows.
    pub fn log(&self) -> Archive {
        Archive::new(self.folder.join(LOG))
    }

    /// Adds a snapshot.
    pub fn save(&self, manifest: &mut Manifest, snapshot: &Snapshot) -> Result<(), ArchiveError> {
        for (index, part) in snapshot.parts.iter().enumerate() {
            write_bytes_surely(&self.part(snapshot.position.seq.get(), index), part)?;
        }
        manifest.snapshots.push(SavedSnapshot {
            at: snapshot.position.into(),
            format: snapshot.format,
            state_hash: snapshot.state_hash.to_string(),
            parts: snapshot.parts.len(),
        });
        Ok(())
    }

    fn part(&self, seq: u64, index: usize) -> PathBuf {
        self.folder.join(SNAPSHOTS).join(format!("{seq:020}.{index}.zst"))
    }

    /// The backup is done.
    pub fn finish(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        write_surely(&self.folder.join(MANIFEST), manifest)
    }

    /// Proves that everything is there as it was written: every row, chained from the first position to the last, and every
    /// snapshot, which is of these rows. Both positions, and the snapshots, oldest first.
    pub fn verify(&self, manifest: &Manifest) -> Result<(Position, Position, Vec<Snapshot>), ArchiveError> {
        let damaged = |error: &str| ArchiveError::damaged(&self.folder.join(MANIFEST), error);
        let position = |place: &Place| place.position().ok_or_else(|| damaged("it names no position"));
        let (before, end) = (position(&manifest.before)?, position(&manifest.end)?);
        let mut at = before;
        for segment in self.log().segments()? {
            let (from, to) = segment.verify()?;
            if from != at {
                return Err(damaged(&format!("{} does not follow row {}", segment.name(), at.seq)));
            }
            at = to;
        }
        if at != end {
            return Err(damaged(&format!(
                "its rows end at row {}, and it should have them up to row {}",
                at.seq, end.seq
            )));
        }
        let snapshots = manifest.snapshots.iter().map(|saved| self.snapshot(saved)).collect::<Result<Vec<_>, _>>()?;
        for snapshot in &snapshots {
            snapshot.verify().map_err(|error| damaged(&format!("snapshot {}: {error}", snapshot.position.seq)))?;
        }
        let mut snapshots = snapshots;
        snapshots.sort_by_key(|snapshot| snapshot.position.seq);
        Ok((before, end, snapshots))
    }

    fn snapshot(&self, saved: &SavedSnapshot) -> Result<Snapshot, ArchiveError> {
        let path = self.folder.join(MANIFEST);
        let damaged = || ArchiveError::damaged(&path, "it names a snapshot that is none");
        let position = saved.at.position().ok_or_else(damaged)?;
        let state_hash = StateHash::from_hex(&saved.state_hash).ok_or_else(damaged)?;
        let part = |index| {
            let path = self.part(position.seq.get(), index);
            fs::read(&path).map_err(|error| ArchiveError::io(&path, error))
        };
        let parts = (0..saved.parts).map(part).collect::<Result<_, _>>()?;
        Ok(Snapshot { position, format: saved.format, state_hash, parts })
    }
}
