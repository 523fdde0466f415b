//! What a router may say of a request that it repeats. Pure.
//!
//! Every attempt either did nothing for certain or may have taken effect. Once
//! one may have, only an answer settles it: whatever later attempts say of
//! themselves, the outcome is unknown until then.

use tributary_types::ChainId;
use tributary_wire::node::NodeError;
use tributary_wire::router::RouterError;

/// The attempts of one request so far.
#[derive(Debug)]
pub struct Asking {
    chain: ChainId,
    patience_ms: u64,
    may_have_executed: bool,
    last: Last,
}

#[derive(Debug)]
enum Last {
    Overloaded { retry_after_ms: u64 },
    Other(String),
}

/// What to do after an attempt without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Tell the caller.
    End(RouterError),
    /// Ask the same replica again, at the earliest after so many ms.
    Repeat {
        /// What the replica suggests.
        wait_ms: u64,
    },
    /// Ask another replica: this validator, if it is known who leads.
    Seek(Option<u16>),
}

impl Asking {
    /// Before the first attempt.
    #[must_use]
    pub fn new(chain: ChainId, patience_ms: u64) -> Self {
        let last = Last::Other("no leader is known".to_owned());
        Self { chain, patience_ms, may_have_executed: false, last }
    }

    /// The replica answered with an error.
    pub fn error(&mut self, error: &NodeError) -> Step {
        self.last = Last::Other(error.to_string());
        match error {
            NodeError::NotLeader { leader, .. } => Step::Seek(*leader),
            NodeError::UnknownChain(_) | NodeError::Unavailable(_) => Step::Seek(None),
            NodeError::Overloaded { retry_after_ms } => {
                self.last = Last::Overloaded { retry_after_ms: *retry_after_ms };
                Step::Repeat { wait_ms: *retry_after_ms }
            }
            NodeError::OutcomeUnknown => {
                self.may_have_executed = true;
                Step::Seek(None)
            }
            NodeError::Refused(_) | NodeError::Forbidden(_) if self.may_have_executed => {
                Step::End(self.unknown())
            }
            NodeError::Refused(reason) => Step::End(RouterError::Refused(reason.clone())),
            NodeError::Forbidden(_) => Step::End(RouterError::Refused(error.to_string())),
        }
    }

    /// The request never left.
    pub fn not_sent(&mut self, reason: String) -> Step {
        self.last = Last::Other(reason);
        Step::Seek(None)
    }

    /// The request left and no usable answer came.
    pub fn lost(&mut self, reason: String) -> Step {
        self.last = Last::Other(reason);
        self.may_have_executed = true;
        Step::Seek(None)
    }

    /// What to tell the caller at the end of the router's patience.
    #[must_use]
    pub fn give_up(&self) -> RouterError {
        match self.last {
            Last::Overloaded { retry_after_ms } if !self.may_have_executed => {
                RouterError::Overloaded { retry_after_ms }
            }
            _ => self.unknown(),
        }
    }

    fn unknown(&self) -> RouterError {
        let last = match &self.last {
            Last::Overloaded { .. } => "overloaded",
            Last::Other(reason) => reason,
        };
        let (chain, patience_ms) = (self.chain, self.patience_ms);
        RouterError::OutcomeUnknown(format!("chain {chain}, {patience_ms} ms: {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLOADED: NodeError = NodeError::Overloaded { retry_after_ms: 9 };

    fn asking() -> Asking {
        Asking::new(ChainId::new(1), 100)
    }

    fn is_unknown(error: &RouterError) -> bool {
        matches!(error, RouterError::OutcomeUnknown(_))
    }

    #[test]
    fn each_error_of_a_node_has_its_step() {
        let chain = ChainId::new(1);
        let refused = |reason: &str| Step::End(RouterError::Refused(reason.to_owned()));
        let check = |error: NodeError, step: Step| assert_eq!(asking().error(&error), step);
        check(NodeError::NotLeader { chain, leader: Some(2) }, Step::Seek(Some(2)));
        check(NodeError::NotLeader { chain, leader: None }, Step::Seek(None));
        check(NodeError::UnknownChain(chain), Step::Seek(None));
        check(NodeError::Unavailable("stopping".into()), Step::Seek(None));
        check(NodeError::OutcomeUnknown, Step::Seek(None));
        check(OVERLOADED, Step::Repeat { wait_ms: 9 });
        check(NodeError::Refused("key".into()), refused("key"));
        check(NodeError::Forbidden("relay".into()), refused("role relay may not do this"));
    }

    #[test]
    fn overload_is_reported_only_if_nothing_can_have_happened() {
        let mut asked = asking();
        asked.error(&OVERLOADED);
        assert_eq!(asked.give_up(), RouterError::Overloaded { retry_after_ms: 9 });
        asked.lost("disconnected".into());
        asked.error(&OVERLOADED);
        assert!(is_unknown(&asked.give_up()));
    }

    #[test]
    fn a_refusal_after_a_lost_attempt_leaves_the_outcome_unknown() {
        let mut asked = asking();
        asked.lost("disconnected".into());
        let step = asked.error(&NodeError::Refused("key".into()));
        assert!(matches!(step, Step::End(error) if is_unknown(&error)));
    }
}
