use super::*;
use crate::metrics::tests::snapshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn ask(at: SocketAddr, request: &str) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn each_request_asks_the_loop_anew() {
    let (at, mut queue) = listen("0").await.unwrap();
    assert!(at.ip().is_loopback());
    let engine = tokio::spawn(async move {
        let mut sent = 0;
        while let Some(scrape) = queue.recv().await {
            sent += 1;
            drop(scrape.send(crate::metrics::Snapshot { orders_sent: sent, ..snapshot() }));
        }
    });
    for n in 1..3 {
        let (status, body) = ask(at, "GET /metrics").await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(body.contains(&format!("\nxcrack_orders_total {n}\n")), "{body}");
    }
    let (status, body) = ask(at, "GET /health").await;
    assert_eq!((status.as_str(), body.trim()), ("HTTP/1.1 200 OK", r#"{"connected":true,"ok":true,"state":"halted"}"#));
    assert_eq!(ask(at, "GET /").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(ask(at, "POST /metrics").await.0, "HTTP/1.1 405 Method Not Allowed");
    engine.abort();
}

#[tokio::test]
async fn a_loop_that_ended_is_not_healthy() {
    let (at, queue) = listen("127.0.0.1:0").await.unwrap();
    drop(queue);
    for path in ["/health", "/metrics"] {
        assert_eq!(ask(at, &format!("GET {path}")).await.0, "HTTP/1.1 503 Service Unavailable");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_by_name() {
    for text in ["", "here", "70000", "127.0.0.1"] {
        assert!(listen(text).await.unwrap_err().to_string().contains("metrics_listen"), "{text}");
    }
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits_for_a_place() {
    let (at, queue) = listen("0").await.unwrap();
    drop(queue);
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(tokio::net::TcpStream::connect(at).await.unwrap());
    }
    let mut further = tokio::spawn(ask(at, "GET /"));
    assert!(timeout(Duration::from_millis(100), &mut further).await.is_err(), "it was answered beside all others");
    drop(idle.pop());
    assert_eq!(further.await.unwrap().0, "HTTP/1.1 404 Not Found");
}
