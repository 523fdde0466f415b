//! The checker itself: a good history, and one that breaks each rule.

use tributary_client::TimeMs;

use super::*;
use crate::history::{FaultCount, MerchantEnd, PayerEnd};

fn id(number: u8) -> PaymentId {
    PaymentId::new(TimeMs::new(1), [number; 10])
}

fn submission(number: u8, kind: Kind, times: (Micros, Micros), answer: Answer) -> Submission {
    let (invoked, completed) = times;
    let (payer, merchant, amount, request) = (0, 0, 10, (u64::from(number), 0));
    let id = id(number);
    Submission { id, kind, payer, merchant, amount, request, invoked, completed, answer }
}

fn read(subject: Subject, times: (Micros, Micros), paid: u128) -> Read {
    let (invoked, completed) = times;
    Read { subject, invoked, completed, totals: [(PAID, paid)].into() }
}

/// Two payments and a refund that were acknowledged, one payment without an
/// answer that was committed, one that never was, and a repeated one.
fn good() -> History {
    let unanswered = || Answer::Unanswered("no answer".to_owned());
    let place = |height| (1, height, 0);
    History {
        submissions: vec![
            submission(1, Kind::Payment, (0, 10), Answer::Committed(place(100))),
            submission(2, Kind::Payment, (20, 30), Answer::Committed(place(101))),
            submission(3, Kind::Refund, (40, 50), Answer::Pending),
            submission(4, Kind::Payment, (60, 70), unanswered()),
            submission(5, Kind::Payment, (80, 90), unanswered()),
            submission(1, Kind::Payment, (95, 99), Answer::Committed(place(100))),
        ],
        reads: vec![
            read(Subject::Payer(0), (11, 12), 10),
            read(Subject::Merchant(0), (35, 65), 30),
            read(Subject::Merchant(0), (36, 39), 20),
            read(Subject::Payer(0), (72, 75), 20),
            read(Subject::Payer(0), (76, 78), 30),
        ],
        fates: [
            (id(1), Fate::Committed(place(100))),
            (id(2), Fate::Committed(place(101))),
            (id(3), Fate::Committed(place(110))),
            (id(4), Fate::Committed(place(111))),
            (id(5), Fate::Refused("never executed".to_owned())),
        ]
        .into(),
        payers: vec![PayerEnd {
            opening: 1_000,
            debits: 30,
            credits: 1_010,
            committed: [(1, 100), (2, 101), (3, 110), (4, 111)]
                .map(|(number, height)| (id(number), place(height)))
                .into(),
        }],
        merchants: vec![MerchantEnd { received: 30, refunded: 10, payments: 4 }],
        books: None,
        faults: vec![
            FaultCount { kind: "kill".to_owned(), struck: 3, is_due: true },
            FaultCount { kind: "delay".to_owned(), struck: 0, is_due: false },
        ],
    }
}

/// Rules that a changed good history breaks.
fn broken(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = good();
    change(&mut history);
    let mut rules: Vec<_> = check(&history).into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn a_history_without_fault_breaks_no_rule() {
    assert_eq!(check(&good()), []);
}

#[test]
fn an_acknowledged_payment_that_is_lost_is_found() {
    let lost = |history: &mut History| {
        history.fates.insert(id(2), Fate::Refused("never executed".to_owned()));
        history.payers[0].debits = 20;
        history.payers[0].committed.retain(|(one, _)| *one != id(2));
        history.merchants[0].received = 20;
        history.merchants[0].payments = 3;
    };
    assert_eq!(broken(lost), ["acknowledged"]);
}

#[test]
fn an_acknowledged_payment_at_another_place_is_found() {
    let moved = |history: &mut History| {
        history.fates.insert(id(2), Fate::Committed((1, 105, 0)));
        history.payers[0].committed[1].1 = (1, 105, 0);
    };
    assert_eq!(broken(moved), ["acknowledged"]);
}

#[test]
fn a_refusal_of_what_was_committed_is_found() {
    let refused = |history: &mut History| {
        history.submissions[4].answer = Answer::Refused("insufficient_funds".to_owned());
    };
    assert_eq!(broken(refused), [""; 0]);
    let refused = |history: &mut History| {
        history.submissions[3].answer = Answer::Refused("insufficient_funds".to_owned());
    };
    assert_eq!(broken(refused), ["acknowledged"]);
}

#[test]
fn a_doubled_payment_is_found_in_totals_and_in_the_history() {
    assert_eq!(broken(|history| history.payers[0].debits = 40), ["once"]);
    assert_eq!(broken(|history| history.payers[0].credits = 1_020), ["once"]);
    assert_eq!(broken(|history| history.merchants[0].received = 40), ["once"]);
    assert_eq!(broken(|history| history.merchants[0].refunded = 0), ["once"]);
    assert_eq!(broken(|history| history.merchants[0].payments = 5), ["once"]);
    let twice = |history: &mut History| {
        let again = (id(2), (1, 112, 0));
        history.payers[0].committed.push(again);
    };
    assert_eq!(broken(twice), ["once"]);
    assert_eq!(broken(|history| history.payers[0].committed.truncate(3)), ["once"]);
}

#[test]
fn a_read_that_goes_back_is_found() {
    let back = |history: &mut History| {
        history.reads[1].completed = 45;
        history.reads[1].totals = [("swept", 7)].into();
        history.reads.push(Read { totals: [("swept", 6)].into(), ..history.reads[1].clone() });
        history.reads[5].invoked = 46;
    };
    assert_eq!(broken(back), ["forward"]);
}

#[test]
fn a_read_without_what_was_acknowledged_is_found() {
    assert_eq!(broken(|history| history.reads[0].totals = [(PAID, 0)].into()), ["current"]);
}

#[test]
fn a_read_of_what_nobody_asked_for_yet_is_found() {
    assert_eq!(broken(|history| history.reads[2].totals = [(PAID, 30)].into()), ["current"]);
}

#[test]
fn payments_of_one_payer_out_of_order_are_found() {
    let swapped = |history: &mut History| {
        for (number, height) in [(1, 101), (2, 100)] {
            history.fates.insert(id(number), Fate::Committed((1, height, 0)));
        }
        history.payers[0].committed[0].1 = (1, 101, 0);
        history.payers[0].committed[1].1 = (1, 100, 0);
        history.submissions[0].answer = Answer::Committed((1, 101, 0));
        history.submissions[5].answer = Answer::Committed((1, 101, 0));
        history.submissions[1].answer = Answer::Committed((1, 100, 0));
    };
    assert_eq!(broken(swapped), ["order"]);
}

#[test]
fn payments_of_one_request_out_of_order_are_found() {
    let swapped = |history: &mut History| {
        history.submissions[0].request = (9, 1);
        history.submissions[1].request = (9, 0);
        history.submissions[1].invoked = 0;
    };
    assert_eq!(broken(swapped), ["order"]);
}

#[test]
fn a_payment_without_an_answer_is_free_of_its_request() {
    let swapped = |history: &mut History| {
        history.submissions[4].request = (9, 0);
        history.submissions[3].request = (9, 1);
        history.submissions[4].invoked = 60;
        history.fates.insert(id(5), Fate::Committed((1, 112, 0)));
        history.payers[0].committed.push((id(5), (1, 112, 0)));
        history.payers[0].debits += 10;
        history.merchants[0].received += 10;
        history.merchants[0].payments += 1;
    };
    assert_eq!(broken(swapped), [""; 0]);
    let again = |history: &mut History| {
        swapped(history);
        let answer = Answer::Committed((1, 112, 0));
        history.submissions.push(submission(5, Kind::Payment, (120, 130), answer));
    };
    assert_eq!(broken(again), [""; 0]);
}

#[test]
fn a_new_id_that_is_refused_for_its_time_is_found() {
    for code in ["expired", "from_future"] {
        let refused = |history: &mut History| {
            history.submissions[4].answer = Answer::Refused(code.to_owned());
        };
        assert_eq!(broken(refused), ["time"]);
    }
}

#[test]
fn an_id_without_a_definite_outcome_is_found() {
    let undecided = Fate::Undecided("not seen".to_owned());
    assert_eq!(broken(|history| drop(history.fates.insert(id(5), undecided))), ["definite"]);
    assert_eq!(broken(|history| drop(history.fates.remove(&id(5)))), ["definite"]);
}

#[test]
fn books_that_do_not_balance_are_found() {
    assert_eq!(broken(|history| history.books = Some("a penny is missing".to_owned())), ["books"]);
}

#[test]
fn a_run_without_acknowledged_payments_or_reads_or_faults_is_found() {
    let unanswered = |history: &mut History| {
        for one in &mut history.submissions {
            one.answer = Answer::Unanswered("no answer".to_owned());
        }
    };
    assert_eq!(broken(unanswered), ["enough"]);
    assert_eq!(broken(|history| history.reads.clear()), ["enough"]);
    assert_eq!(broken(|history| history.faults.clear()), ["enough"]);
    assert_eq!(broken(|history| history.faults[0].struck = 0), ["enough"]);
}

#[test]
fn a_long_run_without_a_kind_of_fault_is_found() {
    assert_eq!(broken(|history| history.faults[1].is_due = true), ["enough"]);
}
