//! Arbitrary values of what chains are made of.

use proptest::prelude::*;
use tributary_chain::batch::OwnerSignature;
use tributary_chain::certificate::Vote;
use tributary_chain::channel::{BrokenRule, ChannelLeaf, Equivocation, Evidence};
use tributary_chain::merkle::TreeCommitment;
use tributary_chain::message::{Fund, FundRequest, MerchantNotice, Transfer, TransferOutcome};
use tributary_chain::operation::{
    AssetEntry, FloatPolicy, InstitutionEntry, InstitutionKey, OpenAccount, OpenMerchant,
    RegistryChange, SetFloat, SetStatus,
};
use tributary_chain::{
    AccountStatus, Action, Batch, Body, Certificate, ClockReport, Counters, Delivery, Header,
    Inbox, MerklePath, Message, Operation, Outbox, Statement, StatementRow, ValidatorSet,
};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{AssetId, BlockHeight, ChainId, Hash, PublicKey, TimeMs};

pub use crate::any_types::*;

pub fn asset() -> impl Strategy<Value = AssetId> {
    any::<u32>().prop_map(AssetId::new)
}

pub fn chain() -> impl Strategy<Value = ChainId> {
    any::<u16>().prop_map(ChainId::new)
}

pub fn height() -> impl Strategy<Value = BlockHeight> {
    any::<u64>().prop_map(BlockHeight::new)
}

pub fn time() -> impl Strategy<Value = TimeMs> {
    any::<u64>().prop_map(TimeMs::new)
}

pub fn status() -> impl Strategy<Value = AccountStatus> {
    use AccountStatus::{Closed, Frozen, Open};
    prop::sample::select(vec![Open, Frozen, Closed])
}

pub fn float() -> impl Strategy<Value = FloatPolicy> {
    (amount(), amount()).prop_map(|(target, low_mark)| FloatPolicy { target, low_mark })
}

fn institution_key() -> impl Strategy<Value = InstitutionKey> {
    (institution(), public_key()).prop_map(|(institution, key)| InstitutionKey { institution, key })
}

fn institution_entry() -> impl Strategy<Value = InstitutionEntry> {
    let keys = prop::collection::vec(public_key(), 0..4);
    (institution(), name(), keys, any::<bool>())
        .prop_map(|(id, name, keys, operator)| InstitutionEntry { id, name, keys, operator })
}

pub fn registry_change() -> impl Strategy<Value = RegistryChange> {
    let asset_entry = (asset(), asset_code(), any::<u8>())
        .prop_map(|(id, code, scale)| AssetEntry { id, code, scale });
    prop_oneof![
        asset_entry.prop_map(RegistryChange::Asset),
        institution_entry().prop_map(RegistryChange::Institution),
        institution_key().prop_map(RegistryChange::AddKey),
        institution_key().prop_map(RegistryChange::RevokeKey),
    ]
}

pub fn action() -> impl Strategy<Value = Action> {
    let open_account = (account(), asset(), prop::option::of(public_key()))
        .prop_map(|(account, asset, owner)| OpenAccount { account, asset, owner });
    let set_status =
        (account(), status()).prop_map(|(account, status)| SetStatus { account, status }).boxed();
    let open_merchant = (account(), name(), asset(), float())
        .prop_map(|(account, name, asset, float)| OpenMerchant { account, name, asset, float });
    let set_float = (account(), float()).prop_map(|(account, float)| SetFloat { account, float });
    prop_oneof![
        open_account.prop_map(Action::OpenAccount),
        set_status.clone().prop_map(Action::SetAccountStatus),
        open_merchant.prop_map(Action::OpenMerchant),
        set_status.prop_map(Action::SetMerchantStatus),
        set_float.prop_map(Action::SetFloat),
        registry_change().prop_map(Action::Register),
    ]
}

pub fn operation() -> impl Strategy<Value = Operation> {
    (payment_id(), action()).prop_map(|(id, action)| Operation { id, action })
}

prop_compose! {
    pub fn batch()(
        chain in chain(),
        institution in institution(),
        key in public_key(),
        operations in prop::collection::vec(operation(), 0..4),
        payments in prop::collection::vec((record(), prop::option::of(signature())), 0..4),
        signature in signature(),
    ) -> Batch {
        let (payments, owners): (Vec<_>, Vec<_>) = payments.into_iter().unzip();
        let owner_signatures = (0..).zip(owners).filter_map(|(payment, signature)| {
            signature.map(|signature| OwnerSignature { payment, signature })
        });
        Batch {
            chain, institution, key, operations, payments, signature,
            owner_signatures: owner_signatures.collect(),
        }
    }
}

pub fn clocks() -> impl Strategy<Value = Vec<ClockReport>> {
    prop::collection::btree_map(any::<u16>(), time(), 0..5).prop_map(|clocks| {
        clocks.into_iter().map(|(validator, time)| ClockReport { validator, time }).collect()
    })
}

pub fn body() -> impl Strategy<Value = Body> {
    (clocks(), prop::collection::vec(batch(), 0..3)).prop_map(|(clocks, batches)| Body {
        clocks,
        deliveries: Vec::new(),
        batches,
    })
}

prop_compose! {
    pub fn header()(
        chain in chain(),
        height in height(),
        time in time(),
        roots in any::<[[u8; 32]; 6]>(),
    ) -> Header {
        let [parent, validator_set, body_root, receipts_root, state_root, channels_root] =
            roots.map(Hash::from_bytes);
        Header {
            chain, height, parent, time, validator_set, body_root, receipts_root, state_root,
            channels_root,
        }
    }
}

pub fn vote() -> impl Strategy<Value = Vote> {
    (any::<u16>(), signature()).prop_map(|(validator, signature)| Vote { validator, signature })
}

pub fn certificate() -> impl Strategy<Value = Certificate> {
    prop::collection::vec(vote(), 0..5).prop_map(|votes| Certificate { votes })
}

pub fn validator_set() -> impl Strategy<Value = ValidatorSet> {
    (any::<u64>(), prop::collection::btree_set(any::<[u8; 32]>(), 1..6)).prop_map(
        |(version, keys)| {
            let keys = keys.into_iter().map(PublicKey::from_bytes).collect();
            ValidatorSet::new(version, keys).unwrap()
        },
    )
}

pub fn tree_commitment() -> impl Strategy<Value = TreeCommitment> {
    (hash(), any::<u64>()).prop_map(|(root, count)| TreeCommitment { root, count })
}

pub fn merkle_path() -> impl Strategy<Value = MerklePath> {
    (any::<u64>(), prop::collection::vec(hash(), 0..6))
        .prop_map(|(index, siblings)| MerklePath { index, siblings })
}

prop_compose! {
    pub fn counters()(
        received in amount(),
        refunded in amount(),
        funded in amount(),
        swept in amount(),
        payments in any::<u64>(),
    ) -> Counters {
        Counters { received, refunded, funded, swept, payments }
    }
}

prop_compose! {
    pub fn statement()(
        epoch in any::<u64>(),
        heights in (height(), height()),
        time in time(),
        previous in hash(),
        rows in prop::collection::btree_map(account(), (asset(), counters()), 0..5),
    ) -> Statement {
        let rows = rows.into_iter().map(|(account, (asset, counters))| {
            StatementRow { account, asset, counters }
        });
        let (first_height, last_height) = heights;
        Statement { epoch, first_height, last_height, time, previous, rows: rows.collect() }
    }
}

pub fn message() -> impl Strategy<Value = Message> {
    let fund_request = (account(), asset(), amount())
        .prop_map(|(account, asset, amount)| FundRequest { account, asset, amount });
    let fund = (account(), asset(), amount(), amount()).prop_map(
        |(account, asset, requested, granted)| Fund { account, asset, requested, granted },
    );
    let outcome =
        (payment_id(), outcome_code()).prop_map(|(id, code)| TransferOutcome { id, code });
    let notice =
        (account(), asset(), status(), float()).prop_map(|(account, asset, status, float)| {
            MerchantNotice { account, asset, status, float }
        });
    prop_oneof![
        statement().prop_map(Message::Statement),
        fund_request.prop_map(Message::FundRequest),
        fund.prop_map(Message::Fund),
        record().prop_map(|payment| Message::Transfer(Transfer { payment })),
        outcome.prop_map(Message::TransferOutcome),
        notice.prop_map(Message::Merchant),
        registry_change().prop_map(Message::Registry),
        validator_set().prop_map(Message::ValidatorSet),
    ]
}

prop_compose! {
    pub fn channel_leaf()(
        peer in chain(),
        sequences in any::<(u64, u64)>(),
        sent_digest in hash(),
    ) -> ChannelLeaf {
        let (sent_sequence, received_sequence) = sequences;
        ChannelLeaf { peer, sent_sequence, sent_digest, received_sequence }
    }
}

prop_compose! {
    pub fn delivery()(
        first_sequence in any::<u64>(),
        messages in prop::collection::vec(message(), 0..3),
        tail in prop::collection::vec(hash(), 0..3),
        leaf in channel_leaf(),
        path in merkle_path(),
        channels in tree_commitment(),
        header in header(),
        certificate in certificate(),
    ) -> Delivery {
        Delivery { first_sequence, messages, tail, leaf, path, channels, header, certificate }
    }
}

pub fn outbox() -> impl Strategy<Value = Outbox> {
    (chain(), chain(), prop::collection::vec(message(), 0..4), 0..4_u64).prop_map(
        |(source, destination, messages, acknowledged)| {
            let mut outbox = Outbox::default();
            messages.into_iter().for_each(|message| outbox.send(source, destination, message));
            outbox.acknowledge(acknowledged);
            outbox
        },
    )
}

pub fn evidence() -> impl Strategy<Value = Evidence> {
    let equivocation = (height(), hash(), header(), certificate()).prop_map(
        |(height, first, second, certificate)| Equivocation { height, first, second, certificate },
    );
    let broken_rule = (any::<u64>(), hash(), header(), certificate()).prop_map(
        |(sequence, message, header, certificate)| BrokenRule {
            sequence,
            message,
            header,
            certificate,
        },
    );
    prop_oneof![
        equivocation.prop_map(Evidence::Equivocation),
        broken_rule.prop_map(Evidence::BrokenRule),
    ]
}

prop_compose! {
    /// An inbox has no constructor for its whole state: it is read as from disk.
    pub fn inbox()(
        validators in validator_set(),
        cursor in (any::<u64>(), hash()),
        seen in prop::collection::btree_map(height(), hash(), 0..5),
        evidence in prop::option::of(evidence()),
    ) -> Inbox {
        let mut bytes = validators.to_bytes();
        cursor.encode(&mut bytes);
        seen.into_iter().collect::<Vec<_>>().encode(&mut bytes);
        evidence.encode(&mut bytes);
        decode_exact(&bytes).unwrap()
    }
}
