//! The payments that are imported, and the totals they must give.
//!
//! The expected totals of a slice are added up here from the file itself, by a
//! plain map; for the whole file they are the ones computed apart from this
//! project.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::cluster::{program, text};

/// Rows of the slice.
const SLICE_ROWS: usize = 12_000;

/// Received and refunded, in minor units, by merchant.
pub type Totals = BTreeMap<String, (u128, u128)>;

/// A file to import and what it must give.
pub struct Data {
    /// CSV, uncompressed.
    pub path: PathBuf,
    /// Rows without the header.
    pub rows: usize,
    /// By merchant.
    pub totals: Totals,
}

/// Whether the whole data and every variation is wanted.
pub fn is_full() -> bool {
    std::env::var("TRIBUTARY_TEST_FULL").is_ok_and(|value| value == "1")
}

/// The folder `tests` of this checkout. Asked for when a test runs: a build
/// cache may hold a binary that another checkout built.
pub fn tests_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests").into()
}

fn retail() -> PathBuf {
    tests_folder().join("../../shared/data/retail")
}

/// The payments for a test: a slice of the retail data (all of it if full), or
/// the sample where there is none.
pub fn payments(directory: &Path) -> Data {
    let limit = if is_full() { usize::MAX } else { SLICE_ROWS };
    slice(directory, limit)
}

/// At most `limit` rows of those.
pub fn slice(directory: &Path, limit: usize) -> Data {
    match std::fs::File::open(retail().join("payments.csv.gz")) {
        Ok(file) => first_rows(GzDecoder::new(file), directory, limit),
        Err(_) => sample_rows(directory, limit),
    }
}

/// At most `limit` rows of the sample.
pub fn sample_rows(directory: &Path, limit: usize) -> Data {
    first_rows(std::io::Cursor::new(sample()), directory, limit)
}

fn first_rows(source: impl std::io::Read, directory: &Path, limit: usize) -> Data {
    let path = directory.join("payments.csv");
    let mut reader = csv::Reader::from_reader(source);
    let mut writer = csv::Writer::from_path(&path).expect("slice is written");
    writer.write_record(reader.headers().expect("header")).expect("slice is written");
    let (mut rows, mut totals) = (0, Totals::new());
    for record in reader.records().take(limit) {
        let record = record.expect("row");
        let amount: u128 = record[4].parse().expect("amount");
        if &record[6] == "payment" {
            totals.entry(record[3].to_owned()).or_default().0 += amount;
        } else {
            totals.entry(record[2].to_owned()).or_default().1 += amount;
        }
        writer.write_record(&record).expect("slice is written");
        rows += 1;
    }
    writer.flush().expect("slice is written");
    if limit == usize::MAX {
        compare_with_published(&totals);
    }
    Data { path, rows, totals }
}

/// The totals of the whole file are published beside it.
fn compare_with_published(totals: &Totals) {
    let Ok(mut reader) = csv::Reader::from_path(retail().join("merchant-totals.csv")) else {
        return;
    };
    let published: Totals = reader
        .records()
        .map(|record| {
            let record = record.expect("row");
            let number = |column: usize| record[column].parse().expect("total");
            (record[0].to_owned(), (number(1), number(2)))
        })
        .collect();
    assert_eq!(totals, &published, "the file's totals are the published ones");
}

fn sample() -> Vec<u8> {
    let output = std::process::Command::new(program()).arg("sample").output().expect("sample");
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

/// Reads `merchants --output csv` back into totals.
pub fn parse_merchants(csv_text: &str) -> Totals {
    let mut reader = csv::Reader::from_reader(csv_text.as_bytes());
    let header = reader.headers().expect("header").clone();
    assert_eq!(header, vec!["merchant", "received", "refunded", "net", "balance"]);
    reader
        .records()
        .map(|record| {
            let record = record.expect("row");
            let number = |column: usize| record[column].parse().expect("total");
            let (received, refunded): (u128, u128) = (number(1), number(2));
            let net: i128 = record[3].parse().expect("net");
            let difference = i128::try_from(received)
                .and_then(|received| i128::try_from(refunded).map(|refunded| received - refunded));
            assert_eq!(difference.ok(), Some(net), "net is received less refunded");
            (record[0].to_owned(), (received, refunded))
        })
        .collect()
}

/// Writes a small file of payments.
pub fn write(path: &Path, rows: &str) {
    let mut file = std::fs::File::create(path).expect("file");
    file.write_all(b"reference,time,payer,payee,amount_minor,currency,kind\n").expect("written");
    file.write_all(rows.as_bytes()).expect("written");
}
