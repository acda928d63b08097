//! A folder on a disk that forgets what was not synced, and that can be full: `shim/disk.c` in the server, and the power
//! cut itself here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::Extras;

use crate::Error;

const SOURCE: &str = include_str!("../shim/disk.c");

/// The shim, compiled into a folder.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles the shim with the system's C compiler.
    pub fn compile(folder: &Path) -> Result<Shim, Error> {
        let (source, library) = (folder.join("disk.c"), folder.join("disk.so"));
        fs::write(&source, SOURCE).map_err(Error::io(format!("write {}", source.display())))?;
        let mut command = Command::new("cc");
        command.args(["-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", "-o"]).arg(&library).arg(&source);
        let output = command.output().map_err(Error::io("run cc, which Debian has in build-essential"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Tool { tool: "cc".to_owned(), status: output.status, message });
        }
        Ok(Shim { library })
    }
}

/// A folder that a server keeps its data in.
#[derive(Debug)]
pub struct Disk {
    shim: Shim,
    folder: PathBuf,
    /// Where the shim keeps what is durable; none for a disk that can only be full.
    shadow: Option<PathBuf>,
    control: PathBuf,
}

/// What a power cut took.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Files whose content changed or that vanished.
    pub files: usize,
    /// Bytes that are gone from their ends.
    pub bytes: u64,
}

/// Names that are durable, by folder relative to the disk's, with the inode that each stands for.
type Names = BTreeMap<PathBuf, BTreeMap<String, u64>>;

impl Disk {
    /// A disk whose power can be cut, with the server's files in `folder`, made if absent. The books that are kept for it
    /// are beside it.
    pub fn forgetful(shim: &Shim, folder: &Path) -> Result<Disk, Error> {
        let disk = Disk::new(shim, folder, Some(beside(folder, "shadow")))?;
        disk.begin()?;
        Ok(disk)
    }

    /// A disk that can only be full.
    pub fn finite(shim: &Shim, folder: &Path) -> Result<Disk, Error> {
        Disk::new(shim, folder, None)
    }

    fn new(shim: &Shim, folder: &Path, shadow: Option<PathBuf>) -> Result<Disk, Error> {
        fs::create_dir_all(folder).map_err(Error::io(format!("make {}", folder.display())))?;
        let folder = folder.canonicalize().map_err(Error::io(format!("find {}", folder.display())))?;
        let disk = Disk { shim: shim.clone(), control: beside(&folder, "control"), folder, shadow };
        disk.set_full(false)?;
        // A server that runs as another user reads it too.
        let readable = fs::set_permissions(&disk.control, fs::Permissions::from_mode(0o644));
        readable.map_err(Error::io("let others read the control file"))?;
        Ok(disk)
    }

    /// What a server on this disk must be run with.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        let mut variables = vec![
            ("LD_PRELOAD".to_owned(), text(&self.shim.library)),
            ("CHAOS_DISK_FOLDER".to_owned(), text(&self.folder)),
            ("CHAOS_DISK_CONTROL".to_owned(), text(&self.control)),
        ];
        variables.extend(self.shadow.iter().map(|shadow| ("CHAOS_DISK_SHADOW".to_owned(), text(shadow))));
        variables
    }

    /// The same, for a server of the testbed.
    pub fn extras(&self) -> Extras {
        Extras { arguments: Vec::new(), environment: self.environment() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fills the disk, or makes room again.
    pub fn set_full(&self, full: bool) -> Result<(), Error> {
        // Written in place: the servers have the file mapped.
        let file = File::options().create(true).truncate(false).write(true).open(&self.control);
        let written = file.and_then(|mut file| file.write_all(&[u8::from(full)]));
        written.map_err(Error::io(format!("write {}", self.control.display())))
    }

    /// Cuts the power after the server was killed: the folder is put back to what was durable. Logs of output (`*.log`)
    /// are not part of it.
    pub fn cut(&self) -> Result<Cut, Error> {
        let Some(shadow) = &self.shadow else { return Ok(Cut::default()) };
        let journal = fs::read_to_string(shadow.join("journal")).unwrap_or_default();
        let mut durable = durable_names(&journal);
        let mut cut = Cut::default();
        for folder in folders(&self.folder)? {
            let relative = folder.strip_prefix(&self.folder).unwrap_or(&folder).to_path_buf();
            let names = durable.remove(&relative).unwrap_or_default();
            cut_folder(&folder, &shadow.join("data"), &names, &mut cut)
                .map_err(Error::io(format!("put {} back to what is durable", folder.display())))?;
        }
        self.begin()?;
        Ok(cut)
    }

    /// Begins with everything that is in the folder as durable.
    fn begin(&self) -> Result<(), Error> {
        let Some(shadow) = &self.shadow else { return Ok(()) };
        self.take_down(shadow).map_err(Error::io(format!("begin the books of {}", self.folder.display())))
    }

    fn take_down(&self, shadow: &Path) -> std::io::Result<()> {
        if shadow.exists() {
            fs::remove_dir_all(shadow)?;
        }
        fs::create_dir_all(shadow.join("data"))?;
        fs::create_dir_all(shadow.join("keep"))?;
        let mut journal = String::new();
        for folder in folders(&self.folder).map_err(std::io::Error::other)? {
            let relative = folder.strip_prefix(&self.folder).unwrap_or(&folder);
            journal.push_str(&format!("D {}\n", relative.display()));
            for (name, inode) in files(&folder)? {
                fs::hard_link(folder.join(&name), shadow.join("keep").join(inode.to_string()))?;
                fs::copy(folder.join(&name), shadow.join("data").join(inode.to_string()))?;
                journal.push_str(&format!("F {inode} {name}\n"));
            }
            journal.push_str("E\n");
        }
        fs::write(shadow.join("journal"), journal)
    }
}

fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}-{what}"))
}

/// The last complete block of each folder. A block that a kill cut short was never synced.
fn durable_names(journal: &str) -> Names {
    let mut names = Names::new();
    let mut block: Option<(PathBuf, BTreeMap<String, u64>)> = None;
    for line in journal.lines() {
        if let Some(folder) = line.strip_prefix("D ") {
            block = Some((PathBuf::from(folder), BTreeMap::new()));
        } else if let Some((inode, name)) = line.strip_prefix("F ").and_then(|file| file.split_once(' ')) {
            if let (Some((_, files)), Ok(inode), false) = (&mut block, inode.parse(), is_output(name)) {
                files.insert(name.to_owned(), inode);
            }
        } else if line == "E" {
            names.extend(block.take());
        }
    }
    names
}

/// Replaces the files of one folder by what is durable of them.
fn cut_folder(folder: &Path, data: &Path, names: &BTreeMap<String, u64>, cut: &mut Cut) -> std::io::Result<()> {
    for (name, _) in files(folder)? {
        let path = folder.join(&name);
        let durable = match names.get(&name) {
            Some(inode) => fs::read(data.join(inode.to_string())).unwrap_or_default(),
            None => Vec::new(),
        };
        let now = fs::read(&path)?;
        if now != durable || !names.contains_key(&name) {
            cut.files += 1;
            cut.bytes += (now.len() as u64).saturating_sub(durable.len() as u64);
        }
        // A new file rather than the old one rewritten: the old one may be kept under its second name.
        fs::remove_file(&path)?;
    }
    for (name, inode) in names {
        let durable = fs::read(data.join(inode.to_string())).unwrap_or_default();
        fs::write(folder.join(name), durable)?;
    }
    Ok(())
}

/// The folder and all folders below it.
fn folders(top: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let mut found = BTreeSet::from([top.to_path_buf()]);
    let mut open = vec![top.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).map_err(Error::io(format!("list {}", folder.display())))?;
        let below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        open.extend(below.iter().cloned());
        found.extend(below);
    }
    Ok(found)
}

/// The regular files of a folder with their inodes, but for logs of output.
fn files(folder: &Path) -> std::io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, metadata) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
        if metadata.is_file() && !is_output(&name) {
            found.push((name, metadata.ino()));
        }
    }
    Ok(found)
}

fn is_output(name: &str) -> bool {
    name.ends_with(".log")
}
