//! Frames over a stream of bytes: a length (`u32`, big-endian), then that many bytes.

use super::LinkError;
use crate::frame::MAX_FRAME_BYTES;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const LENGTH_BYTES: usize = 4;
/// What one read may bring: a whole batch of small frames.
const READ_BYTES: usize = 64 * 1024;
/// A buffer that is empty and larger than this is given back.
const KEPT_BYTES: usize = 1024 * 1024;

/// A stream that carries frames. It owns no task: whoever holds it reads and writes in its own turn.
pub(super) struct Framed<S> {
    stream: S,
    chunk: Box<[u8]>,
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    pub(super) fn new(stream: S) -> Self {
        let chunk = vec![0; READ_BYTES].into_boxed_slice();
        Self { stream, chunk, input: Vec::new(), taken: 0, output: Vec::new(), written: 0 }
    }

    pub(super) fn backlog(&self) -> usize {
        self.output.len() - self.written
    }

    /// Writes as much as the system takes now; the rest leaves with the next [`Framed::poll_recv`].
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<(), LinkError> {
        let length = u32::try_from(frame.len()).map_err(|_| LinkError::TooLong(frame.len()))?;
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(frame);
        match self.poll_flush(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        while self.written < self.output.len() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(LinkError::Closed));
            }
            self.written += n;
        }
        if self.written > 0 {
            self.written = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_BYTES);
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(LinkError::Io)
    }

    /// The next frame. Nothing is lost when the caller stops asking.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, LinkError>> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Poll::Ready(Ok(frame));
            }
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            let mut chunk = ReadBuf::new(&mut self.chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Err(LinkError::Closed));
            }
            self.input.extend_from_slice(chunk.filled());
        }
    }

    /// The next frame that is here already.
    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        let rest = &self.input[self.taken..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(self.wait()) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(LinkError::TooLong(length));
        }
        let Some(frame) = rest.get(..length) else { return Ok(self.wait()) };
        let frame = frame.to_vec();
        self.taken += LENGTH_BYTES + length;
        Ok(Some(frame))
    }

    /// Makes room for the rest of a frame.
    fn wait(&mut self) -> Option<Vec<u8>> {
        self.input.drain(..self.taken);
        self.taken = 0;
        if self.input.is_empty() {
            self.input.shrink_to(KEPT_BYTES);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn frames_survive_any_cut_and_a_peer_that_reads_slowly() {
        block_on(async {
            let (near, far) = tokio::io::duplex(7);
            let (mut near, mut far) = (Framed::new(near), Framed::new(far));
            let sent: Vec<Vec<u8>> = (0..40_usize).map(|n| vec![n as u8; n * 13]).collect();
            for frame in &sent {
                near.send(frame).unwrap();
            }
            assert!(near.backlog() > 7);
            for frame in &sent {
                let got = tokio::select! {
                    got = poll_fn(|cx| far.poll_recv(cx)) => got.unwrap(),
                    _ = poll_fn(|cx| near.poll_recv(cx)) => panic!("nobody sends here"),
                };
                assert_eq!(got, *frame);
            }
            assert_eq!(near.backlog(), 0);
        });
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_its_bytes_come() {
        block_on(async {
            let (mut near, far) = tokio::io::duplex(64);
            near.write_all(&(MAX_FRAME_BYTES as u32 + 1).to_be_bytes()).await.unwrap();
            let mut far = Framed::new(far);
            assert!(matches!(poll_fn(|cx| far.poll_recv(cx)).await, Err(LinkError::TooLong(_))));
            drop(near);
            let (near, far) = tokio::io::duplex(64);
            drop(near);
            let mut far = Framed::new(far);
            assert!(matches!(poll_fn(|cx| far.poll_recv(cx)).await, Err(LinkError::Closed)));
        });
    }
}
