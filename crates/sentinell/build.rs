//! Migrations are compiled in: a new file has to be noticed. So is the web UI, if `web/dist` holds one; nothing is built here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../web/dist");
    // Without the folder (sources without `web/`) there is nothing to watch, and a path that is missing is always news.
    if dist.is_dir() {
        println!("cargo:rerun-if-changed=../../web/dist");
    }
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("window.rs"), table(&dist)?)
}

/// The page and its files as a table of Rust; empty without a page.
fn table(dist: &Path) -> io::Result<String> {
    let mut rows = String::from("&[\n");
    if dist.join("index.html").is_file() {
        let mut files = vec![dist.join("index.html")];
        if let Ok(assets) = fs::read_dir(dist.join("assets")) {
            files.extend(assets.filter_map(|file| file.ok().map(|file| file.path())));
        }
        files.sort();
        for file in files.iter().filter(|file| !file.extension().is_some_and(|end| end == "gz" || end == "br")) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let packed = |end: &str| {
                let packed = PathBuf::from(format!("{}.{end}", file.display()));
                let there = packed.is_file();
                if there { format!("Some(include_bytes!({packed:?}))") } else { "None".into() }
            };
            let (gzip, brotli) = (packed("gz"), packed("br"));
            writeln!(
                rows,
                "    File {{ name: {name:?}, plain: include_bytes!({file:?}), gzip: {gzip}, brotli: {brotli} }},"
            )
            .map_err(io::Error::other)?;
        }
    }
    rows.push_str("]\n");
    Ok(rows)
}
