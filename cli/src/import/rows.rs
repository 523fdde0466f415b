//! Reading a payments file: every row is checked before anything is submitted.
//!
//! Columns, in any order: `reference,time,payer,payee,amount_minor,currency,kind`.
//! The file may be gzip-compressed (`.gz`). A bad row is named by line and
//! column; either the whole file is refused or, on request, bad rows are
//! collected and left out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use thiserror::Error;
use tributary_client::{AccountName, Amount, AssetCode};

/// What a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A customer pays a merchant.
    Payment,
    /// A merchant pays a customer back.
    Refund,
}

/// One valid row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Line in the file; the header is line 1.
    pub line: u64,
    /// The business reference, unique in the file.
    pub reference: String,
    /// Who pays.
    pub payer: AccountName,
    /// Who is paid.
    pub payee: AccountName,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: AssetCode,
    /// Which way.
    pub kind: RowKind,
}

impl Row {
    /// The name that stands for a high-frequency account.
    pub fn merchant(&self) -> &AccountName {
        match self.kind {
            RowKind::Payment => &self.payee,
            RowKind::Refund => &self.payer,
        }
    }

    /// The name that stands for a user account.
    pub fn customer(&self) -> &AccountName {
        match self.kind {
            RowKind::Payment => &self.payer,
            RowKind::Refund => &self.payee,
        }
    }
}

/// A row that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct BadRow {
    /// Line in the file; the header is line 1.
    pub line: u64,
    /// The column's name.
    pub column: &'static str,
    /// Value and rule.
    pub reason: String,
    /// The row as it stood in the file.
    pub fields: Vec<String>,
}

/// The file as a whole cannot be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// Not there or not readable.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A name ending in `.gz` whose content is something else.
    #[error("{0} is not gzip, though its name ends in .gz")]
    NotGzip(String),
    /// The header lacks a column.
    #[error("line 1: column {0} is missing")]
    MissingColumn(&'static str),
    /// A line is not CSV, or the compressed stream is damaged.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Line in the file.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The content of a file: valid rows in order, and the bad ones.
#[derive(Debug, Default)]
pub struct Rows {
    /// In file order.
    pub rows: Vec<Row>,
    /// In file order.
    pub bad: Vec<BadRow>,
    /// The header's columns, to write bad rows back out.
    pub header: Vec<String>,
}

const COLUMNS: [&str; 7] =
    ["reference", "time", "payer", "payee", "amount_minor", "currency", "kind"];

/// The two bytes that every gzip stream begins with (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Longest business reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 128;

/// Reads and checks a whole file.
///
/// # Errors
/// [`FileError`] if it is no such file at all; bad rows are in the result.
pub fn read(path: &Path) -> Result<Rows, FileError> {
    let shown = path.display().to_string();
    let unreadable = |error: std::io::Error| FileError::Unreadable {
        path: shown.clone(),
        reason: error.to_string(),
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    if path.extension().is_none_or(|extension| extension != "gz") {
        return parse(file);
    }
    let mut magic = [0; 2];
    let not_gzip = || FileError::NotGzip(shown.clone());
    file.read_exact(&mut magic).map_err(|_| not_gzip())?;
    if magic != GZIP_MAGIC {
        return Err(not_gzip());
    }
    // A file may consist of several streams, one after the other.
    parse(MultiGzDecoder::new(magic.as_slice().chain(file)))
}

/// Parses CSV from any source.
///
/// # Errors
/// As [`read`].
pub fn parse(source: impl Read) -> Result<Rows, FileError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
    let header = reader.headers().map_err(malformed)?.clone();
    let mut positions = [0; COLUMNS.len()];
    for (position, column) in positions.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name.trim() == column);
        *position = found.ok_or(FileError::MissingColumn(column))?;
    }
    let mut rows = Rows { header: header.iter().map(str::to_owned).collect(), ..Rows::default() };
    let mut checker = Checker::default();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(malformed)? {
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| record.get(positions[column]).unwrap_or("").trim();
        match checker.check(line, &field) {
            Ok(row) => rows.rows.push(row),
            Err((column, reason)) => rows.bad.push(BadRow {
                line,
                column,
                reason,
                fields: record.iter().map(str::to_owned).collect(),
            }),
        }
    }
    Ok(rows)
}

fn malformed(error: csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    FileError::Malformed { line, reason: error.to_string() }
}

/// What earlier rows have fixed.
#[derive(Default)]
struct Checker {
    references: HashMap<String, u64>,
    /// Whether a name is a merchant, its currency, and the line that said so
    /// first.
    roles: HashMap<AccountName, (bool, AssetCode, u64)>,
}

impl Checker {
    fn check<'a>(
        &mut self,
        line: u64,
        field: &impl Fn(usize) -> &'a str,
    ) -> Result<Row, (&'static str, String)> {
        let reference = field(0);
        if reference.is_empty() || reference.len() > REFERENCE_BYTES_MAX {
            let reason = format!("{reference:?} must have 1 to {REFERENCE_BYTES_MAX} bytes");
            return Err(("reference", reason));
        }
        if let Some(first) = self.references.get(reference) {
            return Err(("reference", format!("{reference:?} was used on line {first} already")));
        }
        let name = |column: usize| {
            field(column)
                .parse::<AccountName>()
                .map_err(|error| (COLUMNS[column], error.to_string()))
        };
        let amount: Amount =
            field(4).parse().map_err(|error| ("amount_minor", format!("{error}")))?;
        if amount.is_zero() {
            return Err(("amount_minor", "0 is not a positive whole number".to_owned()));
        }
        let kind = match field(6) {
            "payment" => RowKind::Payment,
            "refund" => RowKind::Refund,
            other => return Err(("kind", format!("{other:?} is neither payment nor refund"))),
        };
        let row = Row {
            line,
            reference: reference.to_owned(),
            payer: name(2)?,
            payee: name(3)?,
            amount,
            currency: field(5).parse().map_err(|error| ("currency", format!("{error}")))?,
            kind,
        };
        self.check_role(&row)?;
        self.references.insert(row.reference.clone(), line);
        Ok(row)
    }

    /// One name is a merchant everywhere or nowhere, and holds one currency.
    fn check_role(&mut self, row: &Row) -> Result<(), (&'static str, String)> {
        let (payer_is_merchant, payee_is_merchant) =
            (row.kind == RowKind::Refund, row.kind == RowKind::Payment);
        let roles =
            [("payer", row.payer, payer_is_merchant), ("payee", row.payee, payee_is_merchant)];
        for (column, name, is_merchant) in roles {
            let Some((was_merchant, currency, first)) = self.roles.get(&name) else { continue };
            if *was_merchant != is_merchant {
                let was = if *was_merchant { "merchant" } else { "customer" };
                return Err((column, format!("{name} is a {was} on line {first}")));
            }
            if *currency != row.currency {
                let reason =
                    format!("{} is not the {currency} of {name} on line {first}", row.currency);
                return Err(("currency", reason));
            }
        }
        for (_, name, is_merchant) in roles {
            self.roles.entry(name).or_insert((is_merchant, row.currency, row.line));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const HEADER: &str = "reference,time,payer,payee,amount_minor,currency,kind\n";

    fn bad(rows: &str) -> Vec<(u64, &'static str)> {
        let parsed = parse(format!("{HEADER}{rows}").as_bytes()).unwrap();
        parsed.bad.iter().map(|row| (row.line, row.column)).collect()
    }

    #[test]
    fn good_rows_come_in_order_with_their_roles() {
        let file = format!("{HEADER}a-1,t,c1,m1,10,GBP,payment\na-2,t,m1,c1,4,GBP,refund\n");
        let parsed = parse(file.as_bytes()).unwrap();
        assert!(parsed.bad.is_empty());
        let merchants: Vec<_> = parsed.rows.iter().map(|row| row.merchant().to_string()).collect();
        assert_eq!(merchants, ["m1", "m1"]);
        assert_eq!(parsed.rows[1].line, 3);
    }

    #[test]
    fn bad_rows_are_named_by_line_and_column() {
        assert_eq!(bad("a,t,c1,m1,12.50,GBP,payment\n"), [(2, "amount_minor")]);
        assert_eq!(bad("a,t,c1,m1,0,GBP,payment\n"), [(2, "amount_minor")]);
        assert_eq!(bad("a,t,c1,m1,-5,GBP,payment\n"), [(2, "amount_minor")]);
        assert_eq!(bad("a,t,c1,m1,5,gbp,payment\n"), [(2, "currency")]);
        assert_eq!(bad("a,t,c1,m1,5,GBP,gift\n"), [(2, "kind")]);
        assert_eq!(bad("a,t,c 1,m1,5,GBP,payment\n"), [(2, "payer")]);
        assert_eq!(bad(",t,c1,m1,5,GBP,payment\n"), [(2, "reference")]);
        assert_eq!(bad("a,t,c1\n"), [(2, "amount_minor")]);
        let twice = "a,t,c1,m1,5,GBP,payment\na,t,c1,m1,5,GBP,payment\n";
        assert_eq!(bad(twice), [(3, "reference")]);
        let both = "a,t,c1,m1,5,GBP,payment\nb,t,m1,m2,5,GBP,payment\n";
        assert_eq!(bad(both), [(3, "payer")]);
        let currencies = "a,t,c1,m1,5,GBP,payment\nb,t,c1,m2,5,EUR,payment\n";
        assert_eq!(bad(currencies), [(3, "currency")]);
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = parse("reference,time,payer,payee,currency,kind\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "line 1: column amount_minor is missing");
    }

    #[test]
    fn a_compressed_file_is_read_to_its_end_or_refused() {
        let gzip = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.csv.gz");
        let rows = ["a,t,c1,m1,5,GBP,payment\n", "b,t,c1,m1,5,GBP,payment\n"];
        let first = gzip(&format!("{HEADER}{}", rows[0]));
        std::fs::write(&path, [first.clone(), gzip(rows[1])].concat()).unwrap();
        assert_eq!(read(&path).unwrap().rows.len(), 2);
        std::fs::write(&path, [first.as_slice(), rows[1].as_bytes()].concat()).unwrap();
        assert!(matches!(read(&path), Err(FileError::Malformed { .. })));
    }

    #[test]
    fn a_file_that_only_claims_to_be_gzip_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plain.csv.gz");
        std::fs::write(&path, HEADER).unwrap();
        assert!(matches!(read(&path), Err(FileError::NotGzip(_))));
    }
}
