//! Relays that lie: no forged delivery changes anything.

use tributary_chain::{Delivery, Message};
use tributary_sim::prng::Prng;
use tributary_types::{Amount, OutcomeCode, PaymentRecord};

/// What a relay that lies makes of a delivery.
pub fn forged(prng: &mut Prng, mut delivery: Delivery) -> Delivery {
    match prng.below(11) {
        0 => drop(delivery.messages.pop()),
        1 => drop(delivery.tail.pop()),
        2 if delivery.messages.len() > 1 => delivery.messages.swap(0, 1),
        3 => delivery.first_sequence += 1,
        4 => drop(delivery.certificate.votes.pop()),
        5 => {
            let doubled = delivery.certificate.votes[0];
            delivery.certificate.votes = vec![doubled, doubled];
        }
        6 => delivery.leaf.received_sequence += 1,
        7 => delivery.leaf.sent_sequence += 1,
        8 => delivery.header.channels_root = delivery.header.state_root,
        9 => delivery.messages.extend(delivery.messages.first().cloned()),
        _ => {
            for message in &mut delivery.messages {
                match message {
                    Message::Fund(fund) => fund.granted = fund.requested,
                    Message::Transfer(transfer) => {
                        let mut payment = transfer.payment.parse().unwrap();
                        payment.amount = Amount::new(payment.amount.get() / 2 + 1);
                        transfer.payment = PaymentRecord::from(&payment);
                    }
                    Message::Statement(statement) => statement.rows.truncate(1),
                    Message::TransferOutcome(outcome) => outcome.code = OutcomeCode::Committed,
                    _ => {}
                }
            }
        }
    }
    delivery
}
