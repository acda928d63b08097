//! A file of consecutive rows: JSON Lines in frames of zstd, one after the other, so that `zstd -dc` prints them all and a
//! page is read without what is before it.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use journal::{Position, Record};
use matching::Seq;
use serde::{Deserialize, Serialize};

use super::{ArchiveError, ExportedRow, Place};

/// How a segment is written.
const FORMAT: u32 = 1;
/// Rows of one frame: a few hundred kB before compression.
const FRAME_ROWS: usize = 1_000;
/// zstd's own default: at higher levels rows take many times as long and get a few per cent smaller.
const COMPRESSION_LEVEL: i32 = 3;
const PREFIX: &str = "event_log-";
const MANIFEST: &str = ".json";
const ROWS: &str = ".jsonl.zst";

/// What stands beside the rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The position before the first row.
    before: Place,
    /// The position after the last one.
    end: Place,
    bytes: u64,
    /// BLAKE3 over the file.
    blake3: String,
    frames: Vec<Frame>,
}

/// A frame: its first row and where it is in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Frame {
    first: u64,
    offset: u64,
    bytes: u64,
}

/// A finished segment.
#[derive(Debug, Clone)]
pub struct Segment {
    manifest: PathBuf,
    first: Seq,
    last: Seq,
}

impl Segment {
    /// The segment whose manifest this is, by its name; none for any other file.
    pub(super) fn at(path: &Path) -> Option<Segment> {
        let (first, last) =
            path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(MANIFEST)?.split_once('-')?;
        let number = |text: &str| text.parse().ok().and_then(Seq::new);
        Some(Segment { manifest: path.to_owned(), first: number(first)?, last: number(last)? })
    }

    /// Its first row.
    pub fn first(&self) -> Seq {
        self.first
    }

    /// Its last row.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Its name without an ending.
    pub fn name(&self) -> String {
        name(self.first, self.last)
    }

    /// Its file of rows.
    pub fn rows_path(&self) -> PathBuf {
        self.manifest.with_file_name(self.name() + ROWS)
    }

    fn manifest(&self) -> Result<Manifest, ArchiveError> {
        let text = fs::read(&self.manifest).map_err(|error| ArchiveError::io(&self.manifest, error))?;
        let damaged = |error: String| ArchiveError::damaged(&self.manifest, error);
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        match manifest.format {
            FORMAT => Ok(manifest),
            found => Err(damaged(format!("its format is {found}, and this release reads format {FORMAT}"))),
        }
    }

    /// The rows after `after`, at most `limit`.
    pub fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, ArchiveError> {
        let manifest = self.manifest()?;
        let path = self.rows_path();
        let mut file = File::open(&path).map_err(|error| ArchiveError::io(&path, error))?;
        let skipped = manifest.frames.partition_point(|frame| frame.first <= after.next().get()).saturating_sub(1);
        let mut rows = Vec::new();
        for frame in &manifest.frames[skipped..] {
            if rows.len() >= limit {
                break;
            }
            rows.extend(read_frame(&mut file, &path, frame)?.into_iter().filter(|row| row.seq > after));
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Proves that the file is the one that was written and that its rows are chained, from the position before the first to
    /// the one after the last; both.
    pub fn verify(&self) -> Result<(Position, Position), ArchiveError> {
        let (manifest, path) = (self.manifest()?, self.rows_path());
        let damaged = |error: &str| ArchiveError::damaged(&path, error);
        let mut file = File::open(&path).map_err(|error| ArchiveError::io(&path, error))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut file).map_err(|error| ArchiveError::io(&path, error))?;
        if hasher.finalize().to_string() != manifest.blake3 {
            return Err(damaged("it hashes to another value than its manifest says"));
        }
        let position = |place: &Place| place.position().ok_or_else(|| damaged("its manifest names no position"));
        let (before, end) = (position(&manifest.before)?, position(&manifest.end)?);
        let mut at = before;
        for frame in &manifest.frames {
            for row in read_frame(&mut file, &path, frame)? {
                if !row.follows(&at) {
                    return Err(damaged(&format!("row {} does not follow the one before", row.seq)));
                }
                at = row.position();
            }
        }
        if at != end || self.first != before.seq.next() || self.last != end.seq {
            return Err(damaged("it does not hold the rows that its name and manifest say"));
        }
        Ok((before, end))
    }
}

fn read_frame(file: &mut File, path: &Path, frame: &Frame) -> Result<Vec<Record>, ArchiveError> {
    let io = |error| ArchiveError::io(path, error);
    file.seek(SeekFrom::Start(frame.offset)).map_err(io)?;
    let mut compressed = Vec::new();
    file.take(frame.bytes).read_to_end(&mut compressed).map_err(io)?;
    let damaged = |error: String| ArchiveError::damaged(path, format!("from row {} on: {error}", frame.first));
    let text = zstd::decode_all(compressed.as_slice()).map_err(|error| damaged(error.to_string()))?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let row = |line| {
        let row: ExportedRow = serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
        row.record().map_err(damaged)
    };
    lines.map(row).collect()
}

fn name(first: Seq, last: Seq) -> String {
    format!("{PREFIX}{:020}-{:020}", first.get(), last.get())
}

/// A segment in the making.
pub struct SegmentWriter {
    folder: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    before: Position,
    at: Position,
    bytes: u64,
    frames: Vec<Frame>,
    /// The next frame's rows.
    text: Vec<u8>,
    rows: usize,
}

impl SegmentWriter {
    /// Begins a segment behind `before`.
    pub fn create(folder: &Path, before: Position) -> Result<SegmentWriter, ArchiveError> {
        super::create_folder_surely(folder)?;
        let unfinished = folder.join(format!("{PREFIX}{:020}.unfinished", before.seq.next().get()));
        let file = File::create(&unfinished).map_err(|error| ArchiveError::io(&unfinished, error))?;
        Ok(SegmentWriter {
            folder: folder.to_owned(),
            unfinished,
            file: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            before,
            at: before,
            bytes: 0,
            frames: Vec::new(),
            text: Vec::new(),
            rows: 0,
        })
    }

    /// The position after its last row.
    pub fn at(&self) -> Position {
        self.at
    }

    /// How many rows it has.
    pub fn len(&self) -> u64 {
        self.at.seq.get() - self.before.seq.get()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the next row, which must follow the one before.
    pub fn add(&mut self, row: &Record) -> Result<(), ArchiveError> {
        if !row.follows(&self.at) {
            let error = format!("row {} of the log does not follow row {}", row.seq, self.at.seq);
            return Err(ArchiveError::damaged(&self.unfinished, error));
        }
        if self.rows == 0 {
            self.frames.push(Frame { first: row.seq.get(), offset: self.bytes, bytes: 0 });
        }
        serde_json::to_writer(&mut self.text, &ExportedRow::of(row))
            .map_err(|error| ArchiveError::damaged(&self.unfinished, error))?;
        self.text.push(b'\n');
        self.rows += 1;
        self.at = row.position();
        if self.rows == FRAME_ROWS { self.end_frame() } else { Ok(()) }
    }

    fn end_frame(&mut self) -> Result<(), ArchiveError> {
        if self.rows == 0 {
            return Ok(());
        }
        let io = |error| ArchiveError::io(&self.unfinished, error);
        let frame = zstd::bulk::compress(&self.text, COMPRESSION_LEVEL).map_err(io)?;
        self.file.write_all(&frame).map_err(io)?;
        self.hasher.update(&frame);
        if let Some(last) = self.frames.last_mut() {
            last.bytes = frame.len() as u64;
        }
        self.bytes += frame.len() as u64;
        self.text.clear();
        self.rows = 0;
        Ok(())
    }

    /// Finishes the segment: its rows are on disk, then its manifest, and then it is there. Reads it back and proves it.
    pub fn finish(mut self) -> Result<Segment, ArchiveError> {
        self.end_frame()?;
        let io = |error| ArchiveError::io(&self.unfinished, error);
        let file = self.file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        let name = name(self.before.seq.next(), self.at.seq);
        fs::rename(&self.unfinished, self.folder.join(format!("{name}{ROWS}"))).map_err(io)?;
        let manifest = Manifest {
            format: FORMAT,
            before: self.before.into(),
            end: self.at.into(),
            bytes: self.bytes,
            blake3: self.hasher.finalize().to_string(),
            frames: self.frames,
        };
        let path = self.folder.join(format!("{name}{MANIFEST}"));
        super::write_surely(&path, &manifest)?;
        let segment = Segment { manifest: path, first: self.before.seq.next(), last: self.at.seq };
        segment.verify()?;
        Ok(segment)
    }
}
