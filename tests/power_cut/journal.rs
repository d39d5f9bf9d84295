//! What was asked of the file system, and what is left of it after a power cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One thing that was asked, or that was promised to a customer.
#[derive(Clone, Debug)]
pub enum Event {
    /// Bytes at a place of a file.
    Write(PathBuf, usize, Vec<u8>),
    /// A file cut to so many bytes.
    Truncate(PathBuf, usize),
    /// All that a file was asked before is durable.
    Sync(PathBuf),
    /// A file removed.
    Delete(PathBuf),
    /// An order acknowledged.
    Acknowledged(i64),
}

/// What happens to what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Unsynced {
    /// All of it is lost.
    Lost,
    /// All of it arrived.
    Kept,
    /// Each write arrives, is lost or is torn at a sector, as these dice fall.
    Diced(u64),
}

/// Disks write this much at once or not at all.
const SECTOR: usize = 512;

/// Lays the files as a cut after `events` leaves them.
///
/// # Errors
/// When they cannot be written.
pub fn lay(events: &[Event], unsynced: Unsynced, folder: &Path) -> std::io::Result<()> {
    let mut synced: BTreeMap<&Path, usize> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        if let Event::Sync(path) = event {
            synced.insert(path, index);
        }
    }
    let mut dice = Dice::of(unsynced);
    let mut files: BTreeMap<&Path, Vec<u8>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let is_durable = |path: &Path| synced.get(path).is_some_and(|last| index < *last);
        match event {
            Event::Write(path, offset, bytes) => {
                let arrives = if is_durable(path) {
                    bytes.len()
                } else {
                    dice.of_bytes(bytes.len())
                };
                write(files.entry(path).or_default(), *offset, &bytes[..arrives]);
            }
            Event::Truncate(path, size) if is_durable(path) || dice.of_bytes(1) == 1 => {
                files.entry(path).or_default().truncate(*size);
            }
            Event::Delete(path) => {
                files.remove(path.as_path());
            }
            Event::Truncate(..) | Event::Sync(_) | Event::Acknowledged(_) => {}
        }
    }
    for (path, bytes) in files {
        std::fs::write(folder.join(path.file_name().unwrap_or_default()), bytes)?;
    }
    Ok(())
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

struct Dice {
    unsynced: Unsynced,
    state: u64,
}

impl Dice {
    fn of(unsynced: Unsynced) -> Self {
        let state = match unsynced {
            Unsynced::Diced(seed) => seed,
            Unsynced::Lost | Unsynced::Kept => 0,
        };
        Self { unsynced, state }
    }

    /// How many of so many bytes arrive.
    fn of_bytes(&mut self, bytes: usize) -> usize {
        match self.unsynced {
            Unsynced::Lost => 0,
            Unsynced::Kept => bytes,
            Unsynced::Diced(_) => match self.roll() % 3 {
                0 => 0,
                1 => bytes,
                _ => bytes / 2 / SECTOR * SECTOR,
            },
        }
    }

    /// The next number of SplitMix64.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
