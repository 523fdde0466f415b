//! The edge between the model and the ledger: reading what a cluster begins
//! with, and holding what a ledger answers against the model.
//!
//! Only this file knows `ledger`.

use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_chain::{AccountStatus, Body, Header};
use tributary_ledger::merchant::MerchantChain;
use tributary_ledger::{BlockOutcomes, ChannelStatus, Genesis, Ledger, MerchantView, ProxyView};
use tributary_types::{AccountId, Amount, AssetId, Position, PublicKey};

use super::chain::Chain;
use super::difference::expect;
use super::holder::{Account, Merchant, Proxy};
use super::{Difference, Model, Rules};

impl From<&Genesis> for Rules {
    fn from(genesis: &Genesis) -> Self {
        let ids = genesis.chains.iter().map(|chain| chain.id);
        let parameters = &genesis.parameters;
        Self {
            cluster: genesis.hash(),
            created: genesis.created,
            chains: ids.filter_map(|id| Some((id, genesis.validator_set(id)?))).collect(),
            hf_chain: genesis.hf_chain(),
            assets: genesis.assets.clone(),
            institutions: genesis.institutions.clone(),
            routes: genesis.routes.clone(),
            settlement_interval_ms: parameters.settlement_interval_ms,
            id_window_back_ms: parameters.id_window_back_ms,
            id_window_ahead_ms: parameters.id_window_ahead_ms,
            time_step_ms_max: parameters.time_step_ms_max,
            statements_unacknowledged_max: parameters.statements_unacknowledged_max,
            waiting_refunds_max: parameters.waiting_refunds_max,
        }
    }
}

impl Model {
    /// Executes what a ledger executed, which must have led to the same. Returns
    /// for each delivery the channel's cursor after it, or `None` if it must be
    /// refused.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn follow(
        &mut self,
        body: &Body,
        header: &Header,
        outcomes: &BlockOutcomes,
    ) -> Result<Vec<Option<u64>>, Difference> {
        let here = (header.chain, header.height);
        let predicted = self.execute(header.chain, header.height, header.time, body)?;
        expect(here, "outcomes", &predicted.receipts.len(), &outcomes.receipts.len())?;
        for (index, pair) in predicted.receipts.iter().zip(&outcomes.receipts).enumerate() {
            expect(here, format_args!("outcome {index}"), pair.0, pair.1)?;
        }
        expect(here, "late outcomes", &predicted.late.len(), &outcomes.late.len())?;
        for (index, pair) in predicted.late.iter().zip(&outcomes.late).enumerate() {
            expect(here, format_args!("late outcome {index}"), pair.0, pair.1)?;
        }
        Ok(predicted.deliveries)
    }

    /// Compares how far every channel is. Cheap enough for every block: what is
    /// wrong here for a moment may be right again in the next.
    ///
    /// # Errors
    /// [`Difference`].
    pub fn compare_cursors(&self, ledger: &Ledger) -> Result<(), Difference> {
        self.chains.get(&ledger.chain()).map_or(Ok(()), |chain| chain.compare_cursors(ledger))
    }

    /// Compares everything that readers see of a ledger. Costs as much as the
    /// state is large.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn compare(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (ledger.chain(), ledger.header().height);
        let Some(chain) = self.chains.get(&ledger.chain()) else {
            return expect(here, "the chain", &true, &false);
        };
        expect(here, "the height", &chain.block.height, &ledger.header().height)?;
        expect(here, "the block time", &chain.block.time, &ledger.header().time)?;
        chain.compare_registry(ledger)?;
        chain.compare_accounts(ledger)?;
        chain.compare_proxies(ledger)?;
        chain.compare_merchants(ledger)?;
        chain.compare_channels(ledger)?;
        chain.compare_settlement(ledger)?;
        for (id, known) in chain.ids.iter() {
            let found = ledger.payment(id).map(|found| (found.code, found.position));
            expect(here, format_args!("id {id}"), &Some((known.code, known.position)), &found)?;
        }
        Ok(())
    }
}

/// An account as both sides tell it: asset, status, owner, debits, credits,
/// newest entry.
type AccountFacts = (AssetId, AccountStatus, Option<PublicKey>, u128, u128, Position);

impl Chain {
    fn compare_registry(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        let registry = ledger.registry();
        let assets = self.registry.assets.values().collect::<Vec<_>>();
        expect(here, "assets", &assets, &registry.assets().collect())?;
        let institutions = self.registry.institutions.values().collect::<Vec<_>>();
        expect(here, "institutions", &institutions, &registry.institutions().collect())
    }

    fn compare_accounts(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        for (id, account) in &self.accounts {
            let found = ledger.account(id).map(|view| -> AccountFacts {
                let totals = (view.debits.get(), view.credits.get());
                (view.asset, view.status, view.owner, totals.0, totals.1, view.last)
            });
            expect(here, format_args!("account {id}"), &Some(account.facts()), &found)?;
        }
        for ((peer, asset), owed) in &self.owed {
            let id = AccountId::control(self.id, *peer, *asset);
            let found = ledger.account(&id).and_then(|view| {
                let (credits, debits) = (view.credits.get(), view.debits.get());
                i128::try_from(credits.abs_diff(debits))
                    .ok()
                    .map(|balance| if credits < debits { -balance } else { balance })
            });
            let what = format_args!("what is owed to chain {peer} in asset {asset}");
            expect(here, what, &Some(*owed), &found)?;
        }
        let count = (self.accounts.len() + self.owed.len()) as u64;
        let any = self.accounts.keys().next().and_then(|id| ledger.prove_account(id));
        let found = any.map_or(0, |proof| proof.parts.accounts.count);
        expect(here, "the number of accounts", &count, &found)
    }

    fn compare_proxies(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        for (id, proxy) in &self.proxies {
            let what = format_args!("the proxy of {id}");
            expect(here, what, &Some(proxy.view(*id)), &ledger.proxy(id))?;
        }
        Ok(())
    }

    fn compare_merchants(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        expect(here, "merchants", &self.merchants.len(), &ledger.merchants().len())?;
        for (id, merchant) in &self.merchants {
            let found = ledger.merchant(id);
            // A sum of signed 192-bit numbers is not for plain integers; a small
            // one is compared as text.
            let balance = found.as_ref().map(|view| view.balance).unwrap_or_default();
            let expected = MerchantView { balance, ..merchant.view(*id) };
            expect(here, format_args!("merchant {id}"), &Some(expected), &found)?;
            if let Some(sum) = merchant.balance() {
                let what = format_args!("the balance of merchant {id}");
                expect(here, what, &sum.to_string(), &balance.to_string())?;
            }
        }
        Ok(())
    }

    fn compare_cursors(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        let status = self.channels.iter().map(|(peer, channel)| ChannelStatus {
            peer: *peer,
            sent: channel.sent,
            acknowledged: channel.acknowledged(),
            received: channel.received,
            frozen: None,
        });
        expect(here, "channels", &status.collect(), &ledger.channel_status())
    }

    fn compare_channels(&self, ledger: &Ledger) -> Result<(), Difference> {
        let here = (self.id, self.block.height);
        self.compare_cursors(ledger)?;
        for (peer, channel) in &self.channels {
            let outgoing = ledger.outgoing(*peer, channel.acknowledged(), DELIVERY_BYTES_MAX);
            let found = outgoing.map(|outgoing| outgoing.messages).unwrap_or_default();
            let expected = channel.kept.iter().take(found.len()).cloned();
            expect(here, format_args!("messages to chain {peer}"), &expected.collect(), &found)?;
        }
        Ok(())
    }

    fn compare_settlement(&self, ledger: &Ledger) -> Result<(), Difference> {
        if self.is_hf() {
            return Ok(());
        }
        let here = (self.id, self.block.height);
        let status = ledger.settlement_status();
        let settlement = &self.settlement;
        let unsettled = self.proxies.values().filter(|proxy| proxy.unsettled).count() as u64;
        let since = &settlement.unsettled_since;
        expect(here, "the oldest unsettled block", since, &status.unsettled_since)?;
        expect(here, "unsettled rows", &unsettled, &status.unsettled_rows)?;
        expect(here, "the last epoch", &settlement.epoch, &status.last_epoch)?;
        expect(here, "the last statement", &settlement.height, &status.last_statement_height)
    }
}

impl Account {
    const fn facts(&self) -> AccountFacts {
        (self.asset, self.status, self.owner, self.debits, self.credits, self.last)
    }
}

impl Proxy {
    fn view(&self, account: AccountId) -> ProxyView {
        ProxyView {
            account,
            asset: self.asset,
            status: self.status,
            float: self.float,
            counters: self.totals.counters(),
            balance: Amount::new(self.totals.balance()),
            requested: self.request.map(|request| Amount::new(request.amount)),
            waiting: self.waiting.len() as u64,
            waiting_amount: Amount::new(self.waits_for()),
            unsettled: self.unsettled,
            last: self.last,
        }
    }
}

impl Merchant {
    /// All of the merchant's money as the HF chain knows it, if that fits.
    fn balance(&self) -> Option<i128> {
        let mut sum = i128::try_from(self.credits - self.debits).ok()?;
        for known in self.chains.values() {
            let (totals, sent) = (&known.totals, known.funds_sent);
            let kept = i128::try_from(totals.received + sent).ok()?;
            let gone = i128::try_from(totals.refunded + totals.swept).ok()?;
            sum = sum.checked_add(kept)?.checked_sub(gone)?;
        }
        Some(sum)
    }

    fn view(&self, account: AccountId) -> MerchantView {
        let chains = self.chains.iter().map(|(chain, known)| MerchantChain {
            chain: *chain,
            counters: known.totals.counters(),
            funds_sent: Amount::new(known.funds_sent),
            epoch: known.epoch,
            as_of_height: known.height,
            as_of_time: known.time,
        });
        MerchantView {
            account,
            name: self.name,
            asset: self.asset,
            status: self.status,
            float: self.float,
            debits: Amount::new(self.debits),
            credits: Amount::new(self.credits),
            available: Amount::new(self.credits - self.debits),
            balance: Default::default(),
            received: Amount::new(self.received),
            refunded: Amount::new(self.refunded),
            payments: self.payments,
            chains: chains.collect(),
            last: self.last,
        }
    }
}
