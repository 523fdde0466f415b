//! What tests ask of a chain: payments and operations, one block each.

use tributary_chain::Action;
use tributary_chain::operation::{
    AccountStatus, FloatPolicy, OpenAccount, OpenMerchant, SetFloat, SetStatus,
};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, ChainId, InstitutionId, OutcomeCode, PaymentKind, PaymentRecord, PublicKey, Receipt,
};

use super::{BANK, GBP, HF, Item, World};

impl World {
    /// Executes items of one institution in a block; their receipts.
    pub fn submit_as(
        &mut self,
        chain: ChainId,
        institution: InstitutionId,
        items: &[Item],
    ) -> Vec<Receipt> {
        let batch = self.batch(chain, institution, items);
        self.block(chain, vec![batch], Vec::new()).outcomes.receipts
    }

    pub fn submit(&mut self, chain: ChainId, items: &[Item]) -> Vec<Receipt> {
        self.submit_as(chain, BANK, items)
    }

    /// Executes one payment and returns its receipt.
    pub fn pay_record(&mut self, chain: ChainId, payment: &Payment) -> Receipt {
        self.submit(chain, &[Item::Pay(PaymentRecord::from(payment))])[0]
    }

    pub fn pay(
        &mut self,
        chain: ChainId,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        minor: u128,
    ) -> Receipt {
        let payment = self.payment(kind, debit, credit, minor);
        self.pay_record(chain, &payment)
    }

    /// Executes one operation and returns its code.
    pub fn act(&mut self, chain: ChainId, action: Action) -> OutcomeCode {
        self.act_as(chain, BANK, action)
    }

    pub fn act_as(
        &mut self,
        chain: ChainId,
        institution: InstitutionId,
        action: Action,
    ) -> OutcomeCode {
        let operation = self.operation(action);
        self.submit_as(chain, institution, &[Item::Do(operation)])[0].code
    }

    /// Opens a user account, with money from the issuer.
    pub fn open(&mut self, name: &str, chain: ChainId, minor: u128) -> AccountId {
        self.open_owned(name, chain, minor, None)
    }

    pub fn open_owned(
        &mut self,
        name: &str,
        chain: ChainId,
        minor: u128,
        owner: Option<PublicKey>,
    ) -> AccountId {
        let account = self.user(name, chain);
        let open = OpenAccount { account, asset: GBP, owner };
        assert_eq!(self.act(chain, Action::OpenAccount(open)), OutcomeCode::Committed);
        if minor > 0 {
            let issuer = self.issuer(chain);
            let receipt = self.pay(chain, PaymentKind::Issue, issuer, account, minor);
            assert_eq!(receipt.code, OutcomeCode::Committed);
        }
        account
    }

    /// Opens a merchant and tells every user chain.
    pub fn open_merchant(&mut self, name: &str, policy: FloatPolicy) -> AccountId {
        let account = self.merchant(name);
        let name = name.parse().unwrap();
        let open = OpenMerchant { account, name, asset: GBP, float: policy };
        assert_eq!(self.act(HF, Action::OpenMerchant(open)), OutcomeCode::Committed);
        self.relay();
        account
    }

    pub fn set_merchant(&mut self, account: AccountId, status: AccountStatus) -> OutcomeCode {
        self.act(HF, Action::SetMerchantStatus(SetStatus { account, status }))
    }

    pub fn set_account(
        &mut self,
        chain: ChainId,
        account: AccountId,
        status: AccountStatus,
    ) -> OutcomeCode {
        self.act(chain, Action::SetAccountStatus(SetStatus { account, status }))
    }

    pub fn set_float(&mut self, account: AccountId, policy: FloatPolicy) -> OutcomeCode {
        self.act(HF, Action::SetFloat(SetFloat { account, float: policy }))
    }

    /// Brings money to a merchant on the HF chain.
    pub fn fund_merchant(&mut self, account: AccountId, minor: u128) {
        let issuer = self.issuer(HF);
        let receipt = self.pay(HF, PaymentKind::Issue, issuer, account, minor);
        assert_eq!(receipt.code, OutcomeCode::Committed);
    }
}
