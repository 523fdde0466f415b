//! Results on stdout as a table, JSON or CSV; everything else goes to stderr.

use std::io::Write;

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// A header line and one line per row.
    Csv,
}

/// A result as rows of named columns.
pub struct Rows {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// No rows yet.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; one cell per column.
    pub fn push(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.rows.push(cells);
    }
}

/// Writes `rows` as table or CSV, or `json` as JSON.
///
/// # Errors
/// If stdout is closed.
pub fn print(format: Format, rows: &Rows, json: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, json)?;
            writeln!(out)?;
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            writer.write_record(rows.columns)?;
            for row in &rows.rows {
                writer.write_record(row)?;
            }
            writer.flush()?;
        }
        Format::Table => writeln!(out, "{}", table(rows))?,
    }
    out.flush()?;
    Ok(())
}

fn table(rows: &Rows) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(rows.columns.iter().map(|column| column.to_uppercase()));
    for row in &rows.rows {
        table.add_row(row);
    }
    let is_number =
        |cell: &String| !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    for (index, column) in table.column_iter_mut().enumerate() {
        if !rows.rows.is_empty() && rows.rows.iter().all(|row| is_number(&row[index])) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
