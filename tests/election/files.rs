//! Ballots and fences in real files: torn, flipped, moved, locked, and on disks that take nothing more.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings::election::{Ballot, FenceError, FenceGate, FileStore, TermStore};
use tidings::leader::{Holder, Term, Token};
use tidings::member::NodeId;

/// Tells a test that it runs as a child of itself, in this folder.
const CHILD: &str = "TIDINGS_TEST_STORE_CHILD";

/// A folder of the test's own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidings-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Scratch(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ballot(term: u64, vote: Option<u128>) -> Ballot {
    Ballot {
        term: Term(term),
        vote: vote.map(NodeId::from_u128),
        promise: Duration::from_millis(550),
        voters: None,
        owner: None,
    }
}

/// A folder with one saved ballot in `default.term`, closed again.
fn saved(folder: &Path) -> (Ballot, PathBuf) {
    let ballot = ballot(7, Some(1));
    FileStore::open(folder).unwrap().save("default", &ballot).unwrap();
    (ballot, folder.join("default.term"))
}

fn load(folder: &Path) -> std::io::Result<Option<Ballot>> {
    FileStore::open(folder).unwrap().load("default")
}

/// Neither loaded nor saved over, and the words name the file and the way out.
#[track_caller]
fn assert_refused(folder: &Path, what: &str) {
    let mut store = FileStore::open(folder).unwrap();
    let before = fs::read(folder.join("default.term")).unwrap();
    for error in [store.load("default").unwrap_err(), store.save("default", &ballot(9, None)).unwrap_err()] {
        let said = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{said}");
        assert!(said.contains("default.term: ") && said.contains("FileStore::start_over"), "{said}");
        assert!(said.contains(what), "{said}");
    }
    assert_eq!(fs::read(folder.join("default.term")).unwrap(), before);
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let folder = scratch.path("above/of its own");
    let mut store = FileStore::open(&folder).unwrap();
    assert!(store.is_durable());
    let saved = [("default", ballot(3, None)), ("Default", ballot(4, Some(1))), ("../ä é", ballot(u64::MAX, Some(9)))];
    for (election, ballot) in &saved {
        assert_eq!(store.load(election).unwrap(), None);
        store.save(election, &self::ballot(2, Some(8))).unwrap();
        store.save(election, ballot).unwrap();
        assert_eq!(store.load(election).unwrap(), Some(ballot.clone()));
    }
    drop(store);
    let mut store = FileStore::open(&folder).unwrap();
    for (election, ballot) in &saved {
        assert_eq!(store.load(election).unwrap(), Some(ballot.clone()));
    }
    let count = fs::read_dir(&folder).unwrap().count();
    assert_eq!(count, saved.len() + 1, "a file each, the lock, and nothing temporary");
}

/// A file that a release wrote which knew of no change of voters.
const BEFORE_VOTERS: &str = "746964696e677362012c0000007c5b52fba10100000100000000000000000000\
     00000000000700000000000000008055c82064656661756c743b0ee1ffa391e2a2";

#[test]
fn a_file_of_before_the_voters_could_change_is_read_and_takes_them() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..BEFORE_VOTERS.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&BEFORE_VOTERS[at..at + 2], 16).unwrap())
        .collect();
    fs::write(scratch.path("default.term"), bytes).unwrap();
    assert_eq!(load(&scratch.0).unwrap(), Some(ballot(1_795_217_841_020, Some(7))));
    let voters = Some(tidings::voters::Voters::first(["a", "b", "c"]).numbered(1));
    let next = Ballot { voters, ..ballot(1_795_217_841_021, Some(8)) };
    FileStore::open(&scratch.0).unwrap().save("default", &next).unwrap();
    assert_eq!(load(&scratch.0).unwrap(), Some(next));
}

#[cfg(unix)]
#[test]
fn a_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new();
    let (_, file) = saved(&scratch.path("terms"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&scratch.path("terms")), mode(&file)), (0o700, 0o600));
}

#[test]
fn a_ballot_torn_at_any_byte_is_refused() {
    let scratch = Scratch::new();
    let (_, file) = saved(&scratch.0);
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_refused(&scratch.0, "it is torn");
    }
    fs::write(&file, [&whole[..], b"\n"].concat()).unwrap();
    assert_refused(&scratch.0, "it is torn");
    fs::write(&file, vec![0; whole.len()]).unwrap();
    assert_refused(&scratch.0, "does not begin");
    fs::write(&file, vec![b't'; 1 << 20]).unwrap();
    assert_refused(&scratch.0, "does not begin");
}

#[test]
fn a_ballot_with_any_bit_flipped_is_refused() {
    let scratch = Scratch::new();
    let (ballot, file) = saved(&scratch.0);
    let whole = fs::read(&file).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bytes).unwrap();
        assert_refused(&scratch.0, "");
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(load(&scratch.0).unwrap(), Some(ballot));
}

#[test]
fn a_ballot_of_another_election_is_refused() {
    let scratch = Scratch::new();
    FileStore::open(&scratch.0).unwrap().save("other", &ballot(3, Some(2))).unwrap();
    fs::rename(scratch.path("other.term"), scratch.path("default.term")).unwrap();
    assert_refused(&scratch.0, "was it moved?");
    FenceGate::durable(scratch.path("default.term")).unwrap_err();
    FenceGate::durable(scratch.path("gate")).unwrap().admit(token(3, 1)).unwrap();
    fs::rename(scratch.path("gate"), scratch.path("default.term")).unwrap();
    assert_refused(&scratch.0, "something else");
}

#[test]
fn what_an_interrupted_save_left_is_overwritten() {
    let scratch = Scratch::new();
    let (before, file) = saved(&scratch.0);
    let leftover = scratch.path("default.term.tmp");
    fs::write(&leftover, &fs::read(&file).unwrap()[..20]).unwrap();
    let mut store = FileStore::open(&scratch.0).unwrap();
    assert_eq!(store.load("default").unwrap(), Some(before));
    store.save("default", &ballot(8, None)).unwrap();
    assert_eq!(store.load("default").unwrap(), Some(ballot(8, None)));
    assert!(!leftover.exists());
}

#[test]
fn terms_never_go_back_and_a_vote_is_given_once() {
    let scratch = Scratch::new();
    let (before, file) = saved(&scratch.0);
    let earlier = fs::read(&file).unwrap();

    let refuse = |store: &mut FileStore, ballot: Ballot, what: &str| {
        let error = store.save("default", &ballot).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(what), "{error}");
    };

    // It need not have been loaded for that.
    let mut store = FileStore::open(&scratch.0).unwrap();
    refuse(&mut store, ballot(6, Some(1)), "terms never go back");
    refuse(&mut store, ballot(7, Some(2)), "cannot be given again");
    refuse(&mut store, ballot(7, None), "cannot be given again");
    assert_eq!(store.load("default").unwrap(), Some(before.clone()));
    store.save("default", &Ballot { promise: Duration::from_secs(1), ..before }).unwrap();
    store.save("default", &ballot(9, Some(2))).unwrap();

    // Nor does it help to put an older file in the place, or none, while the store is open.
    fs::write(&file, earlier).unwrap();
    refuse(&mut store, ballot(8, Some(1)), "terms never go back");
    fs::remove_file(&file).unwrap();
    refuse(&mut store, ballot(9, Some(1)), "cannot be given again");
    store.save("default", &ballot(9, Some(2))).unwrap();
    assert_eq!(store.load("default").unwrap(), Some(ballot(9, Some(2))));
}

#[test]
fn starting_over_puts_a_bad_ballot_aside_and_never_a_good_one() {
    let scratch = Scratch::new();
    let kind = |election: &str| FileStore::start_over(&scratch.0, election).unwrap_err().kind();
    assert_eq!(kind("default"), ErrorKind::NotFound);
    assert_eq!(FileStore::start_over(scratch.path("none"), "default").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!scratch.path("none").exists());
    let (before, file) = saved(&scratch.0);
    assert_eq!(kind("default"), ErrorKind::InvalidInput);
    assert_eq!(load(&scratch.0).unwrap(), Some(before));

    fs::write(&file, b"tidings").unwrap();
    let store = FileStore::open(&scratch.0).unwrap();
    assert_eq!(kind("default"), ErrorKind::ResourceBusy);
    drop(store);
    let aside = FileStore::start_over(&scratch.0, "default").unwrap();
    assert_eq!(aside, scratch.path("default.term.bad"));
    assert_eq!(fs::read(aside).unwrap(), b"tidings");
    assert_eq!(load(&scratch.0).unwrap(), None);
    FileStore::open(&scratch.0).unwrap().save("default", &ballot(1, None)).unwrap();
}

#[test]
fn a_folder_is_open_once() {
    let scratch = Scratch::new();
    let first = FileStore::open(&scratch.0).unwrap();
    let error = FileStore::open(&scratch.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    let said = error.to_string();
    assert!(said.contains("another process has it open") && said.contains(scratch.0.to_str().unwrap()), "{said}");
    drop(first);
    FileStore::open(&scratch.0).unwrap();
}

#[test]
fn a_folder_is_open_in_one_process() {
    const TEST: &str = "a_folder_is_open_in_one_process";
    if let Some(folder) = child_folder() {
        assert_eq!(FileStore::open(&folder).unwrap_err().kind(), ErrorKind::ResourceBusy);
        assert_eq!(FenceGate::durable(folder.join("gate")).unwrap_err().kind(), ErrorKind::ResourceBusy);
        return;
    }
    let scratch = Scratch::new();
    let held = (FileStore::open(&scratch.0).unwrap(), FenceGate::durable(scratch.path("gate")).unwrap());
    assert_passes(TEST, &within(&[], TEST, &scratch.0).unwrap());
    drop(held);
    FileStore::open(&scratch.0).unwrap();
}

fn token(term: u64, holder: u128) -> Token {
    Token { term: Term(term), sequence: 0, holder: Holder(holder) }
}

#[test]
fn two_gates_in_turn_on_one_file() {
    let scratch = Scratch::new();
    let path = scratch.path("gate");
    let mut gate = FenceGate::durable(&path).unwrap();
    assert_eq!(gate.highest(), Term(0));
    gate.admit(token(5, 1)).unwrap();
    gate.admit(token(8, 1)).unwrap();
    assert_eq!(FenceGate::durable(&path).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(gate);

    let mut gate = FenceGate::durable(&path).unwrap();
    assert_eq!((gate.highest(), gate.refused()), (Term(8), 0));

    let refused = gate.admit(token(7, 1)).unwrap_err();
    assert!(matches!(refused, FenceError::Fenced { highest: (Term(8), 0), .. }), "{refused}");
    let held = gate.admit(token(8, 2)).unwrap_err();
    assert!(matches!(held, FenceError::Held { holder: Holder(1), .. }), "{held}");
    gate.admit(token(8, 1)).unwrap();
    assert_eq!(gate.refused(), 2);
    drop(gate);

    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = FenceGate::durable(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("FenceGate::durable says"), "{error}");
    }
}

#[test]
fn a_gate_admits_no_term_that_it_could_not_save() {
    let scratch = Scratch::new();
    let (folder, away) = (scratch.path("gate"), scratch.path("away"));
    fs::create_dir(&folder).unwrap();
    let mut gate = FenceGate::durable(folder.join("term")).unwrap();
    gate.admit(token(5, 1)).unwrap();
    fs::rename(&folder, &away).unwrap();
    assert!(matches!(gate.admit(token(6, 1)), Err(FenceError::NotSaved { .. })));
    assert_eq!((gate.highest(), gate.refused()), (Term(5), 0));
    gate.admit(token(5, 1)).unwrap();
    fs::rename(&away, &folder).unwrap();
    gate.admit(token(6, 1)).unwrap();
    drop(gate);
    assert_eq!(FenceGate::durable(folder.join("term")).unwrap().highest(), Term(6));
}

/// A save that fails, and a ballot that is what it was.
#[track_caller]
fn assert_fails(store: &mut FileStore, before: Ballot, kind: Option<ErrorKind>) {
    let error = store.save("default", &ballot(before.term.0 + 1, Some(3))).unwrap_err();
    assert!(kind.is_none_or(|kind| error.kind() == kind), "{error} ({:?})", error.kind());
    assert!(error.to_string().contains('/'), "names no file: {error}");
    assert_eq!(store.load("default").unwrap(), Some(before));
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_gone_or_something_else_takes_no_ballot() {
    let scratch = Scratch::new();
    let (folder, away) = (scratch.path("terms"), scratch.path("away"));
    let (before, _) = saved(&folder);
    let mut store = FileStore::open(&folder).unwrap();
    let next = ballot(8, Some(3));

    fs::rename(&folder, &away).unwrap();
    assert_eq!(store.save("default", &next).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.load("default").unwrap_err().kind(), ErrorKind::NotFound, "it would look like a new voter's");
    fs::write(&folder, "a file").unwrap();
    assert_eq!(store.save("default", &next).unwrap_err().kind(), ErrorKind::NotADirectory);
    fs::remove_file(&folder).unwrap();

    // Another process may have made it anew and locked it: this one is not the owner any more.
    let mut other = FileStore::open(&folder).unwrap();
    let said = store.save("default", &next).unwrap_err().to_string();
    assert!(said.contains("the lock file was replaced"), "{said}");
    assert_eq!(other.load("default").unwrap(), None);
    drop(other);
    fs::remove_dir_all(&folder).unwrap();

    fs::rename(&away, &folder).unwrap();
    assert_eq!(store.load("default").unwrap(), Some(before));
    store.save("default", &next).unwrap();
}

#[test]
fn a_temporary_file_that_cannot_be_made_leaves_the_old_ballot() {
    let scratch = Scratch::new();
    let (before, _) = saved(&scratch.0);
    let mut store = FileStore::open(&scratch.0).unwrap();
    fs::create_dir_all(scratch.path("default.term.tmp/not empty")).unwrap();
    assert_fails(&mut store, before, None);
}

/// A file may not grow any more: the write itself fails, as on a full disk, for root too.
#[cfg(unix)]
#[test]
fn a_write_that_fails_leaves_the_old_ballot() {
    const TEST: &str = "a_write_that_fails_leaves_the_old_ballot";
    if let Some(folder) = child_folder() {
        let mut store = FileStore::open(&folder).unwrap();
        assert_fails(&mut store, ballot(7, Some(1)), Some(ErrorKind::FileTooLarge));
        assert!(!folder.join("default.term.tmp").exists(), "it takes space on a full disk");
        let mut gate = FenceGate::durable(folder.join("gate")).unwrap();
        assert!(matches!(gate.admit(token(6, 1)), Err(FenceError::NotSaved { .. })));
        assert_eq!(gate.highest(), Term(5));
        return;
    }
    let scratch = Scratch::new();
    let (before, _) = saved(&scratch.0);
    FenceGate::durable(scratch.path("gate")).unwrap().admit(token(5, 1)).unwrap();
    let no_growth = ["sh", "-c", r#"trap "" XFSZ; ulimit -f 0; exec "$@""#, "sh"];
    assert_passes(TEST, &within(&no_growth, TEST, &scratch.0).unwrap());
    assert_eq!(load(&scratch.0).unwrap(), Some(before));
}

/// A file system of the child's own, of 64 KiB, that no other process sees.
#[cfg(target_os = "linux")]
const SMALL_DISK: [&str; 6] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    r#"mount -t tmpfs -o size=64k tmpfs "$TIDINGS_TEST_STORE_CHILD" && exec "$@""#,
    "sh",
];

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_ballot() {
    const TEST: &str = "a_full_disk_leaves_the_old_ballot";
    if let Some(folder) = child_folder() {
        let (before, _) = saved(&folder);
        let mut store = FileStore::open(&folder).unwrap();
        let filler = folder.join("filler");
        assert_eq!(fs::write(&filler, vec![1; 1 << 20]).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_fails(&mut store, before, Some(ErrorKind::StorageFull));
        fs::remove_file(&filler).unwrap();
        store.save("default", &ballot(8, None)).unwrap();
        return;
    }
    let scratch = Scratch::new();
    if let Some(done) = within(&SMALL_DISK, TEST, &scratch.0) {
        assert_passes(TEST, &done);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_turned_read_only_leaves_the_old_ballot() {
    const TEST: &str = "a_disk_that_turned_read_only_leaves_the_old_ballot";
    if let Some(folder) = child_folder() {
        let (before, _) = saved(&folder);
        let mut store = FileStore::open(&folder).unwrap();
        // The open lock keeps the mount writable, so another one of the same folder comes over it.
        let over = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0""#;
        assert!(Command::new("sh").args(["-c", over]).arg(&folder).status().unwrap().success());
        assert_fails(&mut store, before, Some(ErrorKind::ReadOnlyFilesystem));
        return;
    }
    let scratch = Scratch::new();
    if let Some(done) = within(&SMALL_DISK, TEST, &scratch.0) {
        assert_passes(TEST, &done);
    }
}

/// Root may do anything, so the child runs as the user `nobody`.
#[cfg(unix)]
#[test]
fn a_permission_that_was_lost_leaves_the_old_ballot() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    const TEST: &str = "a_permission_that_was_lost_leaves_the_old_ballot";
    const NOBODY: u32 = 65_534;
    if let Some(folder) = child_folder() {
        let (before, _) = saved(&folder);
        let mut store = FileStore::open(&folder).unwrap();
        let allow = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        allow(0o500);
        assert_fails(&mut store, before, Some(ErrorKind::PermissionDenied));

        // A folder that may be written and not read cannot be synced: the new ballot is there, and may not be for long.
        allow(0o300);
        assert_eq!(store.save("default", &ballot(8, Some(3))).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(store.load("default").unwrap_err().kind(), ErrorKind::PermissionDenied);
        allow(0o700);
        assert_eq!(store.load("default").unwrap(), Some(ballot(8, Some(3))));
        store.save("default", &ballot(8, Some(4))).unwrap_err();
        store.save("default", &ballot(8, Some(3))).unwrap();
        return;
    }

    let scratch = Scratch::new();
    let is_root = fs::metadata(&scratch.0).unwrap().uid() == 0;
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let child = if is_root {
        chown(&scratch.0, Some(NOBODY), Some(NOBODY)).unwrap();
        within(&as_nobody, TEST, &scratch.0)
    } else {
        within(&[], TEST, &scratch.0)
    };

    if let Some(done) = child {
        assert_passes(TEST, &done);
    }
}

/// What the operating system is asked for, in which order, is what survives a loss of power.
#[cfg(target_os = "linux")]
#[test]
fn a_ballot_is_synced_before_it_has_its_name_and_its_name_before_it_counts() {
    const TEST: &str = "a_ballot_is_synced_before_it_has_its_name_and_its_name_before_it_counts";
    if let Some(folder) = child_folder() {
        let mut store = FileStore::open(&folder).unwrap();
        store.save("default", &ballot(7, Some(1))).unwrap();
        // So that the trace shows when the store said that it was saved.
        let _ = fs::metadata(folder.join("saved"));
        return;
    }

    let scratch = Scratch::new();
    let trace = std::env::temp_dir().join(format!("tidings-calls-{}", std::process::id()));
    let strace =
        ["strace", "-f", "-y", "-o", trace.to_str().unwrap(), "-e", "trace=file,desc,write,fsync,fdatasync,rename"];
    let Some(done) = within(&strace, TEST, &scratch.0) else { return };
    assert_passes(TEST, &done);

    let calls = fs::read_to_string(&trace).unwrap();
    fs::remove_file(&trace).unwrap();
    let (new, file) = (scratch.path("default.term.tmp"), scratch.path("default.term"));
    let (new, file, folder) = (new.display(), file.display(), scratch.0.display());

    // In this order: each but the first after the one before it.
    let steps = [
        vec![format!("\"{new}\", O_WRONLY|O_CREAT|O_EXCL")],
        vec![format!("write(3<{new}>")],
        vec![format!("sync(3<{new}>")],
        vec![format!("rename(\"{new}\", \"{file}\")"), format!("\"{new}\", AT_FDCWD, \"{file}\"")],
        vec![format!("sync(3<{folder}>")],
        vec![format!("\"{folder}/saved\"")],
    ];

    // Numbers of open files are of no interest.
    let calls: Vec<String> = calls.lines().map(with_one_number).collect();
    let mut rest = calls.iter();

    for step in &steps {
        let is_it = |call: &&String| step.iter().any(|words| call.contains(words.as_str()));
        assert!(rest.find(is_it).is_some(), "{step:?} is missing, or too early:\n{}", calls.join("\n"));
    }
}

/// A line of strace with the number 3 for that of each open file.
#[cfg(target_os = "linux")]
fn with_one_number(line: &str) -> String {
    let mut words = String::new();
    for (place, letter) in line.char_indices() {
        if letter == '<' {
            let name = words.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
            if name < words.len() && line[place..].starts_with("</") {
                words.truncate(name);
                words.push('3');
            }
        }
        words.push(letter);
    }
    words
}

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs one test of this module again, in a process that was started this way and with this folder. None, and said so,
/// if a process cannot be started this way here.
fn within(way: &[&str], test: &str, folder: &Path) -> Option<Output> {
    let this = std::env::current_exe().unwrap();
    let start = |args: &[&str]| {
        let mut words = way.iter().copied().chain([this.to_str().unwrap()]).chain(args.iter().copied());
        Command::new(words.next().unwrap()).args(words).env(CHILD, folder).output()
    };
    match start(&["--list"]) {
        Ok(listed) if listed.status.success() => {
            Some(start(&["--exact", &format!("files::{test}"), "--nocapture"]).unwrap())
        }
        tried => {
            let why = tried.map(|tried| String::from_utf8_lossy(&tried.stderr).into_owned());
            eprintln!("SKIPPED: {test}: no process can be started by {way:?} here: {why:?}");
            None
        }
    }
}

#[track_caller]
fn assert_passes(test: &str, done: &Output) {
    let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("1 passed"), "{test}, in the child:\n{said}\n{wrong}");
}
