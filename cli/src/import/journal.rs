//! The import journal: which payment id stands for which reference.
//!
//! A line is written and synced before the payment it names is submitted, so
//! whatever happens afterwards the same reference keeps the same id and the
//! ledger's duplicate protection makes it execute once. A repeated import reads
//! the journal first and goes on where the last one stopped.
//!
//! ```text
//! id REFERENCE PAYMENT-ID CONTENT     before submission
//! done PAYMENT-ID OUTCOME             after a final outcome
//! ```
//!
//! The last line may be torn by a crash: it was not synced, so nothing it names
//! was submitted, and it is dropped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tributary_client::{Hash, OutcomeCode, PaymentId};

/// Digits of the cluster's hash in the name of its journal.
const HASH_DIGITS: usize = 16;

/// What the journal knows of one reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The id that stands for it.
    pub id: PaymentId,
    /// Digest of what the id was assigned to.
    pub content: Hash,
    /// The final outcome, once known.
    pub outcome: Option<OutcomeCode>,
}

/// The journal of one cluster; held exclusively while open.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    entries: HashMap<String, Entry>,
    references: HashMap<PaymentId, String>,
}

impl Journal {
    /// Where the journal of the cluster in `directory` lies: beside it. Its name
    /// holds the beginning of the cluster's hash, so that another cluster in the
    /// same directory never takes it for its own.
    pub fn path_of(directory: &Path, cluster: &Hash) -> PathBuf {
        let mut name = directory.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.import-journal", &cluster.to_string()[..HASH_DIGITS]));
        directory.with_file_name(name)
    }

    /// Opens or creates the journal and reads it.
    ///
    /// # Errors
    /// If another import holds it, or a line other than a torn last one is
    /// damaged.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open the import journal {shown}"))?;
        if file.try_lock().is_err() {
            bail!("another import is running: {shown} is locked");
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
        // The end may be torn inside of a letter, so it is cut off first.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text =
            std::str::from_utf8(&bytes[..whole]).with_context(|| format!("{shown} is damaged"))?;
        let mut journal = Self {
            path,
            file: BufWriter::new(file),
            entries: HashMap::new(),
            references: HashMap::new(),
        };
        for (number, line) in text.lines().enumerate() {
            journal
                .apply(line)
                .with_context(|| format!("{shown}, line {} is damaged: {line:?}", number + 1))?;
        }
        let file = journal.file.get_mut();
        file.set_len(whole as u64).with_context(|| format!("cannot truncate {shown}"))?;
        file.seek(SeekFrom::End(0)).with_context(|| format!("cannot seek in {shown}"))?;
        Ok(journal)
    }

    /// What is known of a reference.
    pub fn entry(&self, reference: &str) -> Option<&Entry> {
        self.entries.get(reference)
    }

    /// Notes that `id` stands for `reference`; durable after [`Journal::sync`].
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn assign(&mut self, reference: &str, id: PaymentId, content: Hash) -> anyhow::Result<()> {
        self.write(&format!("id {} {id} {content}", escape(reference)))
    }

    /// Notes a final outcome.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn finish(&mut self, id: PaymentId, outcome: OutcomeCode) -> anyhow::Result<()> {
        self.write(&format!("done {id} {outcome}"))
    }

    /// Makes everything noted so far durable.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        let context = || format!("cannot sync the import journal {}", self.path.display());
        self.file.flush().with_context(context)?;
        self.file.get_ref().sync_data().with_context(context)
    }

    fn write(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.file, "{line}")
            .with_context(|| format!("cannot write the import journal {}", self.path.display()))?;
        self.apply(line)
    }

    fn apply(&mut self, line: &str) -> anyhow::Result<()> {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["id", reference, id, content] => {
                let reference = unescape(reference);
                let id: PaymentId = id.parse()?;
                let entry = Entry { id, content: content.parse()?, outcome: None };
                self.references.insert(id, reference.clone());
                self.entries.insert(reference, entry);
            }
            ["done", id, outcome] => {
                let id: PaymentId = id.parse()?;
                let code = OutcomeCode::ALL.iter().find(|code| code.as_str() == *outcome);
                let Some(code) = code else { bail!("unknown outcome {outcome}") };
                let Some(reference) = self.references.get(&id) else { bail!("unknown id {id}") };
                if let Some(entry) = self.entries.get_mut(reference)
                    && entry.id == id
                {
                    entry.outcome = Some(*code);
                }
            }
            _ => bail!("neither an id nor a done line"),
        }
        Ok(())
    }
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20").replace('\n', "%0A").replace('\r', "%0D")
}

fn unescape(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%20", " ").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_client::TimeMs;

    fn id(number: u8) -> PaymentId {
        PaymentId::new(TimeMs::new(1), [number; 10])
    }

    #[test]
    fn entries_survive_reopening_and_a_torn_last_line_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::open(path.clone()).unwrap();
        journal.assign("a b%20", id(1), Hash::ZERO).unwrap();
        journal.assign("c", id(2), Hash::ZERO).unwrap();
        journal.finish(id(1), OutcomeCode::Committed).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"id torn 0123").unwrap();
        drop(file);

        let journal = Journal::open(path).unwrap();
        let outcome = Some(OutcomeCode::Committed);
        assert_eq!(
            journal.entry("a b%20"),
            Some(&Entry { id: id(1), content: Hash::ZERO, outcome })
        );
        assert_eq!(journal.entry("c").unwrap().outcome, None);
        assert_eq!(journal.entry("torn"), None);
    }

    #[test]
    fn a_last_line_that_is_torn_inside_of_a_letter_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::open(path.clone()).unwrap();
        journal.assign("caf\u{e9}", id(1), Hash::ZERO).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let torn = &whole[..="id caf".len()];
        std::fs::write(&path, [&whole, torn].concat()).unwrap();

        let journal = Journal::open(path.clone()).unwrap();
        assert_eq!(journal.entry("caf\u{e9}").map(|entry| entry.id), Some(id(1)));
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_reassigned_reference_keeps_its_last_id() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path().join("journal")).unwrap();
        journal.assign("a", id(1), Hash::ZERO).unwrap();
        journal.finish(id(1), OutcomeCode::InsufficientFunds).unwrap();
        journal.assign("a", id(2), Hash::ZERO).unwrap();
        assert_eq!(journal.entry("a").map(|entry| (entry.id, entry.outcome)), Some((id(2), None)));
    }

    #[test]
    fn two_imports_at_once_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let _held = Journal::open(path.clone()).unwrap();
        let error = Journal::open(path).unwrap_err().to_string();
        assert!(error.contains("another import is running"), "{error}");
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        std::fs::write(&path, "id a broken\nid b x y\n").unwrap();
        assert!(Journal::open(path).unwrap_err().to_string().contains("line 1"));
    }
}
