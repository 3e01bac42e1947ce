//! The files that a fuzzer starts from, `rust/fuzz/corpus`.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name)
}

/// Sees that the files are what their generator makes; with `FASTCLEAR_WRITE_CORPUS=1` writes them anew.
pub fn is_as_made(corpus: &str, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder(corpus).join(name);
        if std::env::var_os("FASTCLEAR_WRITE_CORPUS").is_some() {
            fs::create_dir_all(folder(corpus)).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(&fs::read(&path).unwrap(), bytes, "{name}: FASTCLEAR_WRITE_CORPUS=1 writes it anew");
    }
}

/// Has every file checked, also those that somebody found; at least so many.
pub fn replay(corpus: &str, least: usize, check: impl Fn(&str, &[u8])) {
    let mut seen = 0;
    for entry in fs::read_dir(folder(corpus)).unwrap() {
        let path = entry.unwrap().path();
        check(&path.display().to_string(), &fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen >= least, "{seen} files");
}

/// What a check says of an input; if it fails, what the input was, and what it means.
pub fn told<T>(name: &str, bytes: &[u8], meaning: fn(&[u8]) -> String, check: fn(&[u8]) -> T) -> T {
    catch_unwind(|| check(bytes)).unwrap_or_else(|_| panic!("{name} fails: {bytes:?}\n{}", meaning(bytes)))
}

/// How many inputs to look at: `FASTCLEAR_FUZZ_INPUTS`, or a few.
pub fn inputs(few: usize) -> usize {
    std::env::var("FASTCLEAR_FUZZ_INPUTS").map_or(few, |inputs| inputs.parse().unwrap())
}
