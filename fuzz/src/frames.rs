//! Frames of the transport. A frame that is read is the bytes that writing it
//! gives, and no more of the stream is taken.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tributary_types::Encode;

use frame::{Frame, FrameError};

use crate::samples::WORLD;

/// The transport keeps its frames to itself; this is the same source.
#[path = "../../crates/transport/src/frame.rs"]
#[expect(dead_code, reason = "the transport uses the rest")]
mod frame;

pub(crate) fn check(bytes: &[u8]) {
    let mut stream = bytes;
    loop {
        let before = stream;
        let read = pin!(Frame::read(&mut stream)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(result) = read else { panic!("bytes in memory keep nobody waiting") };
        match result {
            Ok(frame) => {
                let mut written = BytesMut::new();
                frame.put(&mut written);
                let taken = before.len() - stream.len();
                assert!(written == before[..taken], "another frame in the same bytes");
            }
            Err(FrameError::End) => return assert!(before.is_empty(), "an end inside of a stream"),
            Err(_) => return,
        }
    }
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let payload = |number: usize| WORLD.blocks[number].2.header.to_bytes();
    let kinds = [
        frame::FrameKind::Request,
        frame::FrameKind::Reply,
        frame::FrameKind::Refusal,
        frame::FrameKind::Message,
    ];
    let mut all = BytesMut::new();
    let mut samples = Vec::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        let frame = Frame { kind, number: number as u64, payload: payload(number).into() };
        let mut one = BytesMut::new();
        frame.put(&mut one);
        frame.put(&mut all);
        samples.push(one.to_vec());
    }
    samples.push(all.to_vec());
    samples
}
