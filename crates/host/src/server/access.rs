//! Who may ask what. The identity is what mutual TLS proved.
//!
//! | request | role |
//! | --- | --- |
//! | submit | router, for its own institution's batches |
//! | deliver, outgoing | relay |
//! | query | router, relay, node |
//! | blocks | node |
//! | peer frame | node, as the validator that the topology places there |

use tributary_service::Topology;
use tributary_transport::{Identity, Role};
use tributary_wire::node::{NodeError, NodeRequest};
use tributary_wire::peer::PeerFrame;

/// Checks a request.
///
/// # Errors
/// [`NodeError::Forbidden`] names the role, [`NodeError::Refused`] a batch of
/// another institution.
pub fn check_request(peer: &Identity, request: &NodeRequest) -> Result<(), NodeError> {
    let forbidden = Err(NodeError::Forbidden(peer.role.kind().to_string()));
    match (request, peer.role) {
        (NodeRequest::Submit(batch), Role::Router(institution)) => {
            let signer = batch.0.institution;
            if signer == institution {
                return Ok(());
            }
            let sentence = format!("batch of institution {signer} from a router of {institution}");
            Err(NodeError::Refused(sentence))
        }
        (NodeRequest::Deliver { .. } | NodeRequest::Outgoing { .. }, Role::Relay)
        | (NodeRequest::Query { .. }, Role::Router(_) | Role::Relay | Role::Node)
        | (NodeRequest::Blocks { .. }, Role::Node) => Ok(()),
        (NodeRequest::Submit(_), Role::Node | Role::Relay | Role::Institution(_))
        | (
            NodeRequest::Deliver { .. } | NodeRequest::Outgoing { .. },
            Role::Node | Role::Router(_) | Role::Institution(_),
        )
        | (NodeRequest::Query { .. }, Role::Institution(_))
        | (NodeRequest::Blocks { .. }, Role::Router(_) | Role::Relay | Role::Institution(_)) => {
            forbidden
        }
    }
}

/// Checks that a frame's sender is who it says.
///
/// # Errors
/// A sentence that names what does not fit.
pub fn check_frame(topology: &Topology, peer: &Identity, frame: &PeerFrame) -> Result<(), String> {
    let (chain, from) = (frame.chain, frame.from);
    let home = topology.node_of(chain, from).map(|node| node.name.as_str());
    if peer.role == Role::Node && home == Some(peer.name.as_str()) {
        Ok(())
    } else {
        Err(format!("{peer} is not validator {from} of chain {chain}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tributary_chain::Batch;
    use tributary_types::{BlockHeight, ChainId, Hash, InstitutionId, SigningKey};
    use tributary_wire::Canonical;
    use tributary_wire::query::Query;

    const CHAIN: ChainId = ChainId::new(1);

    fn peer(role: Role) -> Identity {
        Identity { role, name: "a".to_owned() }
    }

    fn router(institution: u32) -> Role {
        Role::Router(InstitutionId::new(institution))
    }

    /// What each role may do: submit, deliver, poll, query, blocks.
    #[test]
    fn every_role_may_do_what_the_table_says() {
        let key = SigningKey::from_seed([1; 32]);
        let institution = InstitutionId::new(7);
        let batch = Batch::sign(&Hash::ZERO, CHAIN, institution, &key, vec![], vec![], vec![]);
        let requests = [
            NodeRequest::Submit(Canonical(batch)),
            NodeRequest::Deliver { chain: CHAIN, deliveries: vec![] },
            NodeRequest::Outgoing {
                chain: CHAIN,
                peer: ChainId::new(2),
                after: 0,
                acknowledged: 0,
                wait_ms: 0,
            },
            NodeRequest::Query { chain: CHAIN, query: Query::Status },
            NodeRequest::Blocks {
                chain: CHAIN,
                from: BlockHeight::new(2),
                to: BlockHeight::new(1),
            },
        ];
        for (role, expected) in [
            (router(7), [true, false, false, true, false]),
            (router(8), [false, false, false, true, false]),
            (Role::Relay, [false, true, true, true, false]),
            (Role::Node, [false, false, false, true, true]),
            (Role::Institution(institution), [false, false, false, false, false]),
        ] {
            let found = requests.each_ref().map(|r| check_request(&peer(role), r).is_ok());
            assert_eq!(found, expected, "{role:?}");
        }
        let refused = check_request(&peer(router(8)), &requests[0]);
        assert!(matches!(refused, Err(NodeError::Refused(_))));
    }

    #[test]
    fn a_frame_comes_from_the_node_that_the_topology_names() {
        let node = "name = \"a\"\nrole = \"shard-node\"\naddress = \"127.0.0.1:1\"\n\
            http = \"127.0.0.1:2\"\nreplicas = [{ chain = 1, validator = 2 }]";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topology.toml");
        std::fs::write(&path, format!("[[node]]\n{node}\n")).unwrap();
        let topology = Topology::load(&path).unwrap();
        let check = |role, name: &str, chain, from| {
            let peer = Identity { role, name: name.to_owned() };
            let frame = PeerFrame { chain: ChainId::new(chain), from, message: Bytes::new() };
            check_frame(&topology, &peer, &frame).is_ok()
        };
        assert!(check(Role::Node, "a", 1, 2));
        assert!(!check(Role::Node, "b", 1, 2));
        assert!(!check(Role::Relay, "a", 1, 2));
        assert!(!check(Role::Node, "a", 2, 2));
        assert!(!check(Role::Node, "a", 1, 1));
    }
}
