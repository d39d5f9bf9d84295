//! A layer between SQLite and its own file system layer that writes down what is written and synced. The real layer does
//! all the work; of each open file only the table of methods is replaced by a copy with four of ours in it.
#![allow(
    unsafe_code,
    reason = "SQLite's interface to the file system is one of C"
)]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

use parking_lot::Mutex;
use rusqlite::ffi::{
    SQLITE_ERROR, SQLITE_OK, sqlite3_file, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};

use crate::journal::Event;

/// What was asked so far.
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());
/// Of each open file, by its address: its path, and the real table of methods.
static FILES: Mutex<Option<HashMap<usize, (PathBuf, usize)>>> = Mutex::new(None);
/// The address of the real layer.
static REAL: OnceLock<usize> = OnceLock::new();
/// Of each real table of methods, the address of its copy with our methods.
static TABLES: Mutex<Option<HashMap<usize, usize>>> = Mutex::new(None);

/// Lays the recorder under every connection that is opened from now on.
pub fn install() {
    REAL.get_or_init(|| {
        // SAFETY: a null name asks for the default layer, which lives as long as the process. Ours is a copy of it that
        // is leaked, so it does, too; the fields that are copied are plain values, and SQLite sets `pNext` itself.
        unsafe {
            let real = sqlite3_vfs_find(std::ptr::null());
            let mut ours = std::ptr::read(real);
            ours.zName = c"recorder".as_ptr();
            ours.pNext = std::ptr::null_mut();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1);
            real as usize
        }
    });
}

/// Writes down that an order was acknowledged.
pub fn acknowledged(number: i64) {
    EVENTS.lock().push(Event::Acknowledged(number));
}

/// What was written down so far.
pub fn events() -> Vec<Event> {
    EVENTS.lock().clone()
}

fn real() -> *mut sqlite3_vfs {
    REAL.get().copied().unwrap_or_default() as *mut sqlite3_vfs
}

fn note(file: *mut sqlite3_file, event: impl FnOnce(PathBuf) -> Event) {
    let path = FILES
        .lock()
        .as_ref()
        .and_then(|files| Some(files.get(&(file as usize))?.0.clone()));
    if let Some(path) = path {
        EVENTS.lock().push(event(path));
    }
}

/// The real table of an open file.
fn methods(file: *mut sqlite3_file) -> Option<&'static sqlite3_io_methods> {
    let table = FILES.lock().as_ref()?.get(&(file as usize))?.1;
    // SAFETY: `open` put the address there; SQLite's tables are constants of its own.
    unsafe { (table as *const sqlite3_io_methods).as_ref() }
}

/// The copy of a real table with our methods in it; one for each, kept for ever.
fn copy_of(table: *const sqlite3_io_methods) -> *const sqlite3_io_methods {
    let mut tables = TABLES.lock();
    let known = tables.get_or_insert_default();
    *known.entry(table as usize).or_insert_with(|| {
        // SAFETY: the caller gives a table that SQLite has just set; it consists of plain function pointers.
        let mut ours = unsafe { std::ptr::read(table) };
        ours.xClose = Some(close);
        ours.xWrite = Some(write);
        ours.xTruncate = Some(truncate);
        ours.xSync = Some(sync);
        Box::into_raw(Box::new(ours)) as usize
    }) as *const sqlite3_io_methods
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls us with what it would give the real layer, and gets what that gives. On success it has set
    // the table of methods, which we replace by a copy that behaves alike.
    unsafe {
        let Some(real_open) = (*real()).xOpen else {
            return SQLITE_ERROR;
        };
        let code = real_open(real(), name, file, flags, out);
        if code == SQLITE_OK && !name.is_null() && !(*file).pMethods.is_null() {
            let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
            let table = (*file).pMethods;
            FILES
                .lock()
                .get_or_insert_default()
                .insert(file as usize, (path, table as usize));
            (*file).pMethods = copy_of(table);
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let path = PathBuf::from(CStr::from_ptr(name).to_string_lossy().into_owned());
        EVENTS.lock().push(Event::Delete(path));
        (*real()).xDelete.map_or(SQLITE_ERROR, |real_delete| {
            real_delete(real(), name, sync_folder)
        })
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let real_close = methods(file).and_then(|table| table.xClose);
    if let Some(files) = FILES.lock().as_mut() {
        files.remove(&(file as usize));
    }
    // SAFETY: SQLite's own method, with what SQLite gave us.
    real_close.map_or(SQLITE_ERROR, |real_close| unsafe { real_close(file) })
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let (length, place) = (
        usize::try_from(amount).unwrap_or(0),
        usize::try_from(offset).unwrap_or(0),
    );
    // SAFETY: SQLite gives as many bytes as it says, and they stay while we are here.
    let copy = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) }.to_vec();
    note(file, |path| Event::Write(path, place, copy));
    let real_write = methods(file).and_then(|table| table.xWrite);
    // SAFETY: SQLite's own method, with what SQLite gave us.
    real_write.map_or(SQLITE_ERROR, |real_write| unsafe {
        real_write(file, bytes, amount, offset)
    })
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    note(file, |path| {
        Event::Truncate(path, usize::try_from(size).unwrap_or(0))
    });
    let real_truncate = methods(file).and_then(|table| table.xTruncate);
    // SAFETY: SQLite's own method, with what SQLite gave us.
    real_truncate.map_or(SQLITE_ERROR, |real_truncate| unsafe {
        real_truncate(file, size)
    })
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let real_sync = methods(file).and_then(|table| table.xSync);
    // SAFETY: SQLite's own method, with what SQLite gave us.
    let code = real_sync.map_or(SQLITE_ERROR, |real_sync| unsafe { real_sync(file, flags) });
    if code == SQLITE_OK {
        note(file, Event::Sync);
    }
    code
}
