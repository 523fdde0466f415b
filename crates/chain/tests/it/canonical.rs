//! One value, one encoding: for everything that is ordered, signed or sent.

use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tributary_chain::batch::OwnerSignature;
use tributary_chain::certificate::Vote;
use tributary_chain::channel::{ChannelLeaf, Evidence};
use tributary_chain::merkle::TreeCommitment;
use tributary_chain::operation::{FloatPolicy, RegistryChange};
use tributary_chain::{
    AccountStatus, Action, Batch, Body, Certificate, ClockReport, Counters, Delivery, Header,
    Inbox, MerklePath, Message, Operation, Outbox, Statement, ValidatorSet,
};

use crate::any;

check_canonical! {
    status_is_canonical: AccountStatus = any::status();
    float_is_canonical: FloatPolicy = any::float();
    registry_change_is_canonical: RegistryChange = any::registry_change();
    action_is_canonical: Action = any::action();
    operation_is_canonical: Operation = any::operation();
    owner_signature_is_canonical: OwnerSignature = (any::<u32>(), any::signature())
        .prop_map(|(payment, signature)| OwnerSignature { payment, signature });
    batch_is_canonical: Batch = any::batch();
    clock_report_is_canonical: ClockReport = (any::<u16>(), any::time())
        .prop_map(|(validator, time)| ClockReport { validator, time });
    body_is_canonical: Body = any::body();
    header_is_canonical: Header = any::header();
    vote_is_canonical: Vote = any::vote();
    certificate_is_canonical: Certificate = any::certificate();
    validator_set_is_canonical: ValidatorSet = any::validator_set();
    commitment_is_canonical: TreeCommitment = any::tree_commitment();
    path_is_canonical: MerklePath = any::merkle_path();
    counters_are_canonical: Counters = any::counters();
    statement_is_canonical: Statement = any::statement();
    message_is_canonical: Message = any::message();
    channel_leaf_is_canonical: ChannelLeaf = any::channel_leaf();
    delivery_is_canonical: Delivery = any::delivery();
    outbox_is_canonical: Outbox = any::outbox();
    evidence_is_canonical: Evidence = any::evidence();
    inbox_is_canonical: Inbox = any::inbox();
}

/// The value comes back from JSON and from postcard.
fn check_serde<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
    let packed = postcard::to_stdvec(value).unwrap();
    assert_eq!(&postcard::from_bytes::<T>(&packed).unwrap(), value);
}

proptest! {
    #[test]
    fn what_is_shown_in_json_comes_back(
        operation in any::operation(),
        header in any::header(),
        certificate in any::certificate(),
        set in any::validator_set(),
        path in any::merkle_path(),
        commitment in any::tree_commitment(),
        message in any::message(),
        leaf in any::channel_leaf(),
        evidence in any::evidence(),
    ) {
        check_serde(&operation);
        check_serde(&header);
        check_serde(&certificate);
        check_serde(&set);
        check_serde(&path);
        check_serde(&commitment);
        check_serde(&message);
        check_serde(&leaf);
        check_serde(&evidence);
    }
}
