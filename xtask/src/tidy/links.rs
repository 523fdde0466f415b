//! Links: a Markdown link to a file of the repository leads somewhere.
//!
//! Web addresses are not followed; the part after `#` is not checked.

use super::Finding;
use crate::repository::Repository;

/// Checks the links of every Markdown file.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts(".md") {
        for (line, target) in links(text) {
            let file = target.split('#').next().unwrap_or_default();
            let is_elsewhere = file.contains("://") || file.starts_with("mailto:");
            if file.is_empty() || is_elsewhere {
                continue;
            }
            let exists = resolve(path, file).is_some_and(|file| repository.contains(&file));
            if !exists {
                findings.push(Finding::new(path, line, format!("`{target}` leads nowhere")));
            }
        }
    }
    findings
}

/// Line and target of `[text](target)`, `[text](target "title")` and
/// `[name]: target`, outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut is_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let inline = inline.map(|(target, _)| target);
        let reference = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let targets = inline.chain(reference.map(|(_, target)| target));
        let targets = targets.filter_map(|target| target.split_whitespace().next());
        links.extend(targets.map(|target| (index + 1, target.to_owned())));
    }
    links
}

/// A link's path from the root; `None` if it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    if target.starts_with('/') {
        folders.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                folders.pop()?;
            }
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    fn check_text(text: &str) -> Vec<String> {
        let files = [("docs/a.md", text), ("docs/b.md", ""), ("deploy/c/d.toml", "")];
        check(&with_files(&files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn links_to_files_folders_places_and_the_web_are_allowed() {
        let text = "[b](b.md) [b](b.md#x \"t\") [c](../deploy/c/) [h](#h) [w](https://w.org/x)\n\
                    [r]: ../deploy/c/d.toml\n";
        assert!(check_text(text).is_empty());
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(
            check_text("[b](b.txt) and [c](../c)"),
            ["`b.txt` leads nowhere", "`../c` leads nowhere"]
        );
        assert_eq!(check_text("[r]: gone.md"), ["`gone.md` leads nowhere"]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(check_text("[x](../../other/b.md)").len(), 1);
    }

    #[test]
    fn code_holds_no_links() {
        assert!(check_text("`[b](gone.md)`\n```\n[b](gone.md)\n```\n").is_empty());
    }
}
