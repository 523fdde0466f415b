//! How often each line of some sources ran, from the coverage maps of
//! instrumented programs and the profiles that they wrote.
//!
//! ```console
//! $ tributary-sim-coverage ROOT PROGRAM… -- PROFILE…
//! crates/types/src/amount.rs	31	1702
//! ```
//!
//! A line counts as LLVM's `llvm-cov` counts it: as often as the most frequent
//! of the regions that begin on it, or else as the innermost region that it
//! lies in. Lines without code are left out, as are sources outside of the root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use llvm_profparser::coverage::SourceLocation;
use llvm_profparser::coverage::coverage_mapping::CoverageMapping;
use llvm_profparser::merge_profiles;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "ROOT PROGRAM... -- PROFILE...";
    let (root, rest) = arguments.split_first().context(usage)?;
    let separator = rest.iter().position(|word| word == "--").context(usage)?;
    let programs: Vec<PathBuf> = rest[..separator].iter().map(PathBuf::from).collect();
    let profile = merge_profiles(&rest[separator + 1..]).context("reading profiles")?;
    let root = Path::new(root);
    let report = CoverageMapping::new(&programs, &profile, false)?
        .generate_subreport(|paths| paths.iter().any(|path| path.starts_with(root)))?;
    for (path, result) in &report.files {
        let Ok(path) = path.strip_prefix(root) else { continue };
        for (line, count) in lines(&result.hits) {
            println!("{}\t{line}\t{count}", path.display());
        }
    }
    Ok(())
}

/// How often each line ran that has code.
fn lines(regions: &BTreeMap<SourceLocation, usize>) -> Vec<(usize, usize)> {
    let last = regions.keys().map(|region| region.line_end).max().unwrap_or(0);
    let count = |line: usize| {
        let begins = regions.iter().filter(|(region, _)| region.line_start == line);
        let around = regions.iter().filter(|(region, _)| {
            region.line_start < line && (line, 1) < (region.line_end, region.column_end)
        });
        let place = |region: &SourceLocation| {
            (region.line_start, region.column_start, usize::MAX - region.line_end)
        };
        let innermost = around.max_by_key(|(region, _)| place(region));
        begins.chain(innermost).map(|(_, count)| *count).max()
    };
    (1..=last).filter_map(|line| Some((line, count(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(from: (usize, usize), to: (usize, usize)) -> SourceLocation {
        let ((line_start, column_start), (line_end, column_end)) = (from, to);
        SourceLocation { line_start, column_start, line_end, column_end }
    }

    #[test]
    fn a_line_counts_as_its_innermost_region_or_the_best_that_begins_on_it() {
        let regions = BTreeMap::from([
            (region((1, 1), (6, 2)), 7),
            (region((2, 10), (4, 6)), 0),
            (region((5, 5), (5, 9)), 0),
            (region((5, 15), (5, 20)), 3),
        ]);
        // The region ends where line 4 ends with a brace.
        assert_eq!(lines(&regions), [(1, 7), (2, 7), (3, 0), (4, 0), (5, 7), (6, 7)]);
    }
}
