//! Who may ask what. The identity is what mutual TLS proved.
//!
//! | request | role |
//! | --- | --- |
//! | submit | router, for its own institution's batches |
//! | deliver, outgoing | relay |
//! | query | router, relay, node |
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
        | (NodeRequest::Query { .. }, Role::Router(_) | Role::Relay | Role::Node) => Ok(()),
        (NodeRequest::Submit(_), Role::Node | Role::Relay | Role::Institution(_))
        | (
            NodeRequest::Deliver { .. } | NodeRequest::Outgoing { .. },
            Role::Node | Role::Router(_) | Role::Institution(_),
        )
        | (NodeRequest::Query { .. }, Role::Institution(_)) => forbidden,
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
