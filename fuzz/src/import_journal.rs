//! The import journal: what is read of it is kept, a torn last line is dropped,
//! and nothing else is.

use std::collections::BTreeMap;
use std::path::Path;

use journal::{Entry, Journal};
use tributary_client::{Hash, OutcomeCode, PaymentId, TimeMs};

use crate::folder::{file, told};

/// The command line is a program without a library; this is the same source.
#[path = "../../cli/src/import/journal.rs"]
#[expect(dead_code, reason = "the command line uses the rest")]
mod journal;

/// Appended by the test; long enough that no other is likely to be the same.
const REFERENCE: &str = "a reference, 100% new\r\n";

pub(crate) fn check(bytes: &[u8]) {
    let path = file("journal", bytes);
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let opened = match Journal::open(path.clone()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(Journal::open(file("journal", &bytes[..whole])).is_err(), "by a torn line");
            return told(&error);
        }
    };
    let expected = entries(&bytes[..whole]);
    same(&opened, &expected);
    drop(opened);
    assert_eq!(std::fs::read(&path).ok().as_deref(), Some(&bytes[..whole]), "another journal");
    appended(&path, &expected);
    rewritten(&expected);
}

/// What the lines say, the last one about a reference or an id counts.
fn entries(whole: &[u8]) -> BTreeMap<String, Entry> {
    let text = std::str::from_utf8(whole).expect("a journal that is read is text");
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut references = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let id: PaymentId = words[words.len() - 2].parse().expect("a line that is read has an id");
        if let ["id", reference, _, content] = words[..] {
            let reference = ["%0D\r", "%0A\n", "%20 ", "%25%"]
                .iter()
                .fold(reference.to_owned(), |text, pair| text.replace(&pair[..3], &pair[3..]));
            let content = content.parse().expect("a line that is read has a digest");
            references.insert(id, reference.clone());
            entries.insert(reference, Entry { id, content, outcome: None });
        } else {
            let code = OutcomeCode::ALL.iter().find(|code| words[2] == code.as_str());
            let entry = references.get(&id).and_then(|reference| entries.get_mut(reference));
            if let Some(entry) = entry.filter(|entry| entry.id == id) {
                entry.outcome = code.copied();
            }
        }
    }
    entries
}

fn same(journal: &Journal, expected: &BTreeMap<String, Entry>) {
    for (reference, entry) in expected {
        assert_eq!(journal.entry(reference), Some(entry), "{reference:?}");
    }
}

/// What is added to it is there when it is opened again, and all else as well.
fn appended(path: &Path, before: &BTreeMap<String, Entry>) {
    let id = PaymentId::new(TimeMs::new(1), [7; 10]);
    let (content, outcome) = (Hash::ZERO, Some(OutcomeCode::Committed));
    let mut expected = before.clone();
    expected.insert(REFERENCE.to_owned(), Entry { id, content, outcome });
    written(path, &[(REFERENCE.to_owned(), expected[REFERENCE])].into());
    same(&Journal::open(path.to_owned()).expect("a journal that was written"), &expected);
}

/// Another journal of the same entries has the same entries.
fn rewritten(entries: &BTreeMap<String, Entry>) {
    let path = file("journal-rewritten", b"");
    written(&path, entries);
    same(&Journal::open(path).expect("a journal that was written"), entries);
}

fn written(path: &Path, entries: &BTreeMap<String, Entry>) {
    let mut journal = Journal::open(path.to_owned()).expect("a journal that is readable");
    for (reference, entry) in entries {
        journal.assign(reference, entry.id, entry.content).expect("a small file can be written");
        if let Some(outcome) = entry.outcome {
            journal.finish(entry.id, outcome).expect("a small file can be written");
        }
    }
    journal.sync().expect("a small file can be synced");
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let id = |number: u8| PaymentId::new(TimeMs::new(1_760_000_000_000), [number; 10]);
    let line = |reference: &str, number| format!("id {reference} {} {}\n", id(number), Hash::ZERO);
    let done = |number, code: OutcomeCode| format!("done {} {code}\n", id(number));
    let (a, b) = (line("a-1", 1), line("caf\u{e9}%20%250D", 2));
    let (paid, refused) =
        (done(1, OutcomeCode::Committed), done(2, OutcomeCode::InsufficientFunds));
    let texts = [
        format!("{a}{b}{refused}{paid}"),
        format!("{a}{paid}{}{}", line("a-1", 3), done(1, OutcomeCode::AwaitingFunds)),
        format!("{a}id torn {}", id(4)),
        format!("{a}id caf\u{e9}"),
        String::new(),
    ];
    let mut samples = texts.map(String::into_bytes).to_vec();
    let torn_inside_of_a_letter = samples[3].len() - 1;
    samples[3].truncate(torn_inside_of_a_letter);
    samples
}
