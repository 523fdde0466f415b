//! Decision records: the index names each of them.

use super::Finding;
use crate::repository::Repository;

const FOLDER: &str = "docs/adr/";
const INDEX: &str = "docs/adr/README.md";

/// Checks that each record is linked from the index. That the index names no
/// record that does not exist is for the rule about links.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let index = repository.files.get(INDEX).and_then(Option::as_deref).unwrap_or_default();
    let records = repository.texts(".md").filter_map(|(path, _)| {
        let name = path.strip_prefix(FOLDER)?;
        name.starts_with(|c: char| c.is_ascii_digit()).then_some(name)
    });
    let missing = records.filter(|name| !index.contains(&format!("]({name})")));
    missing.map(|name| Finding::new(INDEX, 0, format!("does not link {name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    #[test]
    fn a_record_that_the_index_leaves_out_is_found() {
        let repository = with_files(&[
            ("docs/adr/README.md", "| [1](0001-one.md) | accepted |\n"),
            ("docs/adr/0001-one.md", ""),
            ("docs/adr/0002-two.md", ""),
            ("docs/adr/template.md", ""),
        ]);
        let messages: Vec<_> = check(&repository).into_iter().map(|f| f.message).collect();
        assert_eq!(messages, ["does not link 0002-two.md"]);
    }

    #[test]
    fn records_without_any_index_are_found() {
        assert_eq!(check(&with_files(&[("docs/adr/0001-one.md", "")])).len(), 1);
    }
}
