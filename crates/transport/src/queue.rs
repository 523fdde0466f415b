//! A queue of frames before a stream, bounded in frames and in bytes.
//!
//! The bytes are those of payloads. A frame is taken as long as those already
//! queued are within the limit, so one frame of any size always passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::frame::Frame;

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// Too many frames or bytes wait.
    Full,
    /// Nobody writes them any more.
    Closed,
}

/// The end that frames are put into. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct FrameSender {
    frames: mpsc::Sender<Frame>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The end that the writer takes frames from.
#[derive(Debug)]
pub(crate) struct FrameReceiver {
    frames: mpsc::Receiver<Frame>,
    bytes: Arc<AtomicUsize>,
}

/// A queue for so many frames and bytes of payload.
pub(crate) fn frame_queue(frames_max: usize, bytes_max: usize) -> (FrameSender, FrameReceiver) {
    let (sender, receiver) = mpsc::channel(frames_max);
    let bytes = Arc::new(AtomicUsize::new(0));
    let sending = FrameSender { frames: sender, bytes: Arc::clone(&bytes), bytes_max };
    (sending, FrameReceiver { frames: receiver, bytes })
}

impl FrameSender {
    /// Puts a frame behind the others, if there is room.
    pub(crate) fn try_send(&self, frame: Frame) -> Result<(), NotQueued> {
        let bytes = frame.payload.len();
        // Counted before it is there, so that the receiver never counts below 0.
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) > self.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(NotQueued::Full);
        }
        self.frames.try_send(frame).map_err(|error| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => NotQueued::Full,
                TrySendError::Closed(_) => NotQueued::Closed,
            }
        })
    }

    /// Puts a frame behind the others once there is a place; the bytes are not
    /// waited for. Nothing happens if nobody writes any more.
    pub(crate) async fn send(&self, frame: Frame) {
        if let Ok(place) = self.frames.reserve().await {
            self.bytes.fetch_add(frame.payload.len(), Ordering::Relaxed);
            place.send(frame);
        }
    }
}

impl FrameReceiver {
    /// The next frame; `None` once all senders are gone.
    pub(crate) async fn recv(&mut self) -> Option<Frame> {
        let frame = self.frames.recv().await?;
        Some(self.taken(frame))
    }

    /// The next frame, if one waits.
    pub(crate) fn try_recv(&mut self) -> Option<Frame> {
        let frame = self.frames.try_recv().ok()?;
        Some(self.taken(frame))
    }

    fn taken(&self, frame: Frame) -> Frame {
        self.bytes.fetch_sub(frame.payload.len(), Ordering::Relaxed);
        frame
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::FrameKind;

    fn frame(bytes: usize) -> Frame {
        Frame { kind: FrameKind::Message, number: 0, payload: Bytes::from(vec![0; bytes]) }
    }

    #[tokio::test]
    async fn frames_and_bytes_are_bounded_each() {
        let (sender, mut receiver) = frame_queue(3, 100);
        sender.try_send(frame(60)).unwrap();
        sender.try_send(frame(60)).unwrap();
        assert_eq!(sender.try_send(frame(1)), Err(NotQueued::Full), "bytes");
        receiver.recv().await.unwrap();
        for _ in 0..2 {
            sender.try_send(frame(0)).unwrap();
        }
        assert_eq!(sender.try_send(frame(0)), Err(NotQueued::Full), "frames");
        while receiver.try_recv().is_some() {}
        sender.try_send(frame(1_000)).unwrap();
        drop(receiver);
        assert_eq!(sender.bytes.load(Ordering::Relaxed), 1_000);
    }

    #[tokio::test]
    async fn a_queue_without_a_writer_is_closed() {
        let (sender, receiver) = frame_queue(1, 100);
        drop(receiver);
        assert_eq!(sender.try_send(frame(1)), Err(NotQueued::Closed));
        sender.send(frame(1)).await;
    }
}
