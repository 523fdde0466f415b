//! What an import must set up before its rows: accounts and opening money.

use std::collections::HashMap;

use anyhow::Context;
use tributary_client::{AccountName, Amount, AssetCode};

use super::rows::{Row, RowKind};

/// How much an account is given when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// What the file lets it spend, so that no row depends on another's timing:
    /// for a customer all its payments, for a merchant all its refunds.
    Auto,
    /// This much.
    Fixed(Amount),
}

impl std::str::FromStr for Opening {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Fixed).map_err(|error| format!("{error}; or auto"))
    }
}

/// An account that the file mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedAccount {
    /// Its name.
    pub name: AccountName,
    /// Its asset.
    pub currency: AssetCode,
    /// What it is given; may be nothing.
    pub opening: Amount,
}

/// Accounts in order of first appearance.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// User accounts.
    pub customers: Vec<PlannedAccount>,
    /// High-frequency accounts.
    pub merchants: Vec<PlannedAccount>,
}

/// Works out the accounts of `rows`.
///
/// # Errors
/// If the money of one account exceeds 128 bits.
pub fn plan(rows: &[Row], customers: Opening, merchants: Opening) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let mut numbers: HashMap<AccountName, usize> = HashMap::new();
    for row in rows {
        let sides = [
            (*row.customer(), &mut plan.customers, RowKind::Payment, customers),
            (*row.merchant(), &mut plan.merchants, RowKind::Refund, merchants),
        ];
        for (name, accounts, spends, opening) in sides {
            let number = *numbers.entry(name).or_insert_with(|| {
                let opening = match opening {
                    Opening::Auto => Amount::ZERO,
                    Opening::Fixed(amount) => amount,
                };
                accounts.push(PlannedAccount { name, currency: row.currency, opening });
                accounts.len() - 1
            });
            if opening == Opening::Auto && row.kind == spends {
                let sum = accounts[number].opening.checked_add(row.amount);
                accounts[number].opening =
                    sum.with_context(|| format!("line {}: {name} spends over 128 bits", row.line))?;
            }
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::rows::parse;

    #[test]
    fn auto_gives_what_the_file_lets_an_account_spend() {
        let file = "reference,time,payer,payee,amount_minor,currency,kind\n\
            1,t,c1,m1,10,GBP,payment\n2,t,c1,m2,5,GBP,payment\n3,t,m1,c1,4,GBP,refund\n";
        let rows = parse(file.as_bytes()).unwrap().rows;
        let openings = |accounts: &[PlannedAccount]| -> Vec<(String, u128)> {
            accounts.iter().map(|a| (a.name.to_string(), a.opening.get())).collect()
        };
        let auto = plan(&rows, Opening::Auto, Opening::Auto).unwrap();
        assert_eq!(openings(&auto.customers), [("c1".to_owned(), 15)]);
        assert_eq!(openings(&auto.merchants), [("m1".to_owned(), 4), ("m2".to_owned(), 0)]);
        let fixed = plan(&rows, Opening::Auto, Opening::Fixed(Amount::new(9))).unwrap();
        assert_eq!(openings(&fixed.merchants), [("m1".to_owned(), 9), ("m2".to_owned(), 9)]);
    }
}
