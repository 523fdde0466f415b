//! Cut networks: who is cut from whom, and that it stays so while processes
//! restart.

use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::packets::{EVERYTHING, Ports, Rule, lose, ports_of};

/// How often the ports of those who are cut are looked up. A process that
/// starts while it is cut speaks until then, at most.
pub const REFRESH: Duration = Duration::from_millis(200);

/// Which way packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Those that are for the ones.
    To,
    /// Those that they send.
    From,
    /// Both.
    Both,
}

impl Way {
    /// All three.
    pub const ALL: [Self; 3] = [Self::To, Self::From, Self::Both];
}

/// Who is cut from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Names of the ones.
    pub ones: Vec<String>,
    /// Names of the others; without them, everybody, clients too.
    pub others: Option<Vec<String>>,
    /// Which way.
    pub way: Way,
    /// How many packets of a thousand are lost.
    pub thousandths: u32,
}

impl Cut {
    /// In words.
    pub fn shown(&self) -> String {
        let Self { ones, others, way, thousandths } = self;
        let others = others.as_ref().map_or("everybody".to_owned(), |others| others.join(" "));
        let share = match *thousandths {
            EVERYTHING => String::new(),
            part => format!(", {part} of {EVERYTHING}"),
        };
        format!("{} from {others}, {way:?}{share}", ones.join(" "))
    }

    fn rules(&self, ones: &Ports, others: Option<&Ports>) -> Vec<Rule> {
        let (ones, others, thousandths) = (Some(ones.clone()), others.cloned(), self.thousandths);
        let to = Rule { from: others.clone(), to: ones.clone(), thousandths };
        let from = Rule { from: ones, to: others, thousandths };
        match self.way {
            Way::To => vec![to],
            Way::From => vec![from],
            Way::Both => vec![to, from],
        }
    }
}

/// A cut in force, until somebody loses nothing any more.
pub struct InForce<'a> {
    cluster: &'a Cluster,
    cut: &'a Cut,
    rules: Vec<Rule>,
}

impl<'a> InForce<'a> {
    /// Puts a cut into force.
    ///
    /// # Errors
    /// If ports cannot be found or filters not be set.
    pub fn new(cluster: &'a Cluster, cut: &'a Cut) -> Result<Self> {
        let mut begun = Self { cluster, cut, rules: Vec::new() };
        begun.refresh()?;
        Ok(begun)
    }

    /// Sees what processes have started or opened new sockets.
    ///
    /// # Errors
    /// If ports cannot be found or filters not be set.
    pub fn refresh(&mut self) -> Result<()> {
        let ones = self.ports(&self.cut.ones)?;
        let others = self.cut.others.as_ref().map(|others| self.ports(others)).transpose()?;
        let rules = self.cut.rules(&ones, others.as_ref());
        if rules != self.rules {
            lose(&rules)?;
            self.rules = rules;
        }
        Ok(())
    }

    /// Whether there is anybody at both ends.
    pub fn cuts_somebody(&self) -> bool {
        let mut ends = self.rules.iter().flat_map(|rule| [&rule.from, &rule.to]).flatten();
        ends.all(|ports| !ports.is_empty())
    }

    fn ports(&self, names: &[String]) -> Result<Ports> {
        let mut all = Ports::new();
        for name in names {
            if let Some(pid) = self.cluster.pid(name) {
                all.append(&mut ports_of(pid)?);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(way: Way, others: Option<&Ports>) -> Vec<(Option<Ports>, Option<Ports>)> {
        let (ones, thousandths) = (vec!["a".to_owned()], EVERYTHING);
        let cut = Cut { ones, others: None, way, thousandths };
        let rules = cut.rules(&Ports::from([1, 2]), others);
        rules.into_iter().map(|rule| (rule.from, rule.to)).collect()
    }

    #[test]
    fn a_cut_loses_its_way_and_no_other() {
        let (ones, others) = (Some(Ports::from([1, 2])), Some(Ports::from([3])));
        let both = [(others.clone(), ones.clone()), (ones.clone(), others.clone())];
        assert_eq!(rules(Way::To, others.as_ref()), both[..1]);
        assert_eq!(rules(Way::From, others.as_ref()), both[1..]);
        assert_eq!(rules(Way::Both, others.as_ref()), both);
        assert_eq!(rules(Way::Both, None), [(None, ones.clone()), (ones, None)]);
    }
}
