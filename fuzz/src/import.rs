//! The import file, plain or compressed: any bytes give rows or a reason, and
//! good rows written back are the same rows. Of a compressed file all is read,
//! or it is refused: rows that are left out silently are payments lost.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rows::{FileError, RowKind, Rows};

use crate::folder::{file, told};

/// The command line is a program without a library; this is the same source.
#[path = "../../cli/src/import/rows.rs"]
#[expect(dead_code, reason = "the command line uses the rest")]
mod rows;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(parsed) = rows::parse(bytes) else { return };
    for bad in &parsed.bad {
        assert!(!bad.reason.is_empty() && bad.line > 0, "{bad:?}");
    }
    let again = rows::parse(written(&parsed).as_slice());
    let again = again.expect("what was read can be written");
    assert!(again.bad.is_empty(), "{:?}", again.bad);
    let facts = |rows: &Rows| rows.rows.iter().map(fact).collect::<Vec<_>>();
    assert_eq!(facts(&again), facts(&parsed));
}

/// A compressed file has the rows of what it decompresses to.
pub(crate) fn compressed(bytes: &[u8]) {
    let mut plain = Vec::new();
    let whole = MultiGzDecoder::new(bytes).read_to_end(&mut plain);
    match (rows::read(&file("rows.csv.gz", bytes)), whole) {
        (Ok(read), Ok(_)) => {
            let parsed = rows::parse(plain.as_slice()).expect("the same bytes as in the file");
            let facts = |rows: &Rows| rows.rows.iter().map(fact).collect::<Vec<_>>();
            assert_eq!((facts(&read), read.bad), (facts(&parsed), parsed.bad));
        }
        (Ok(_), Err(error)) => panic!("rows of a damaged file: {error}"),
        (Err(FileError::Unreadable { .. }), _) => panic!("the file is readable"),
        (Err(FileError::NotGzip(_)), whole) => assert!(whole.is_err() || bytes.is_empty()),
        (Err(error), whole) => {
            assert!(whole.is_err() || rows::parse(plain.as_slice()).is_err(), "{error}");
            told(&error);
        }
    }
}

/// A row without its line number.
fn fact(row: &rows::Row) -> String {
    let rows::Row { reference, payer, payee, amount, currency, kind, .. } = row;
    format!("{reference} {payer} {payee} {amount} {currency} {kind:?}")
}

fn written(parsed: &Rows) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["reference", "time", "payer", "payee", "amount_minor", "currency", "kind"];
    writer.write_record(header).expect("memory takes everything");
    for row in &parsed.rows {
        let kind = if row.kind == RowKind::Payment { "payment" } else { "refund" };
        let (payer, payee) = (row.payer.to_string(), row.payee.to_string());
        let (amount, currency) = (row.amount.to_string(), row.currency.to_string());
        let record = [&*row.reference, "", &payer, &payee, &amount, &currency, kind];
        writer.write_record(record).expect("memory takes everything");
    }
    writer.into_inner().expect("memory takes everything")
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let header = "reference,time,payer,payee,amount_minor,currency,kind\n";
    let bodies = [
        "a-1,2011-01-04T10:00:00,c1,m1,10,GBP,payment\na-2,,m1,c1,4,GBP,refund\n",
        "\"a,1\",\"\"\"t\"\"\",c1,m1,1530,GBP,payment\r\n",
        "a,t,c1,m1,12.50,GBP,payment\nb,t,c 1,m1,0,gbp,gift\n,\n",
        "",
    ];
    let mut samples: Vec<_> =
        bodies.iter().map(|body| format!("{header}{body}").into_bytes()).collect();
    let other = "kind,currency,amount_minor,payee,payer,time,reference,more\n\
                 payment,EUR,7,m2,c2,t,z-9,x\n";
    samples.push(other.as_bytes().to_vec());
    samples
}

pub(crate) fn compressed_samples() -> Vec<Vec<u8>> {
    let plain = samples();
    let mut samples: Vec<_> = plain.iter().map(|text| gzip(text)).collect();
    let (first, second) = plain[0].split_at(plain[0].len() / 2);
    samples.push([gzip(first), gzip(second)].concat());
    samples.push([gzip(first), second.to_vec()].concat());
    samples
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
